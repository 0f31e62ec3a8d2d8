//! How a host stands, in words that say what to do.

use memdeck_model::{Capabilities, HostCondition, HostState};

use super::state::Tested;
use crate::ui::{Icon, Tone};
use crate::words::{grouped, sentence};

/// The state as a badge.
pub fn standing(host: &HostState) -> (Tone, Icon, &'static str) {
    match host.condition {
        HostCondition::Up if host.draining => (Tone::Waiting, Icon::Pause, "Drained"),
        HostCondition::Up if host.warning.is_some() => {
            (Tone::Waiting, Icon::Alert, "Reachable, with a warning")
        }
        HostCondition::Up => (Tone::Good, Icon::Check, "Reachable"),
        HostCondition::Unasked => (Tone::Neutral, Icon::Clock, "Not asked yet"),
        HostCondition::Unreachable => (Tone::Bad, Icon::Alert, "Away"),
        HostCondition::WrongToken => (Tone::Bad, Icon::Ban, "Wrong token"),
        HostCondition::ExpiredCertificate => (Tone::Bad, Icon::Ban, "Expired certificate"),
        HostCondition::BadCertificate => (Tone::Bad, Icon::Ban, "Certificate not trusted"),
        HostCondition::VersionMismatch => (Tone::Bad, Icon::Ban, "Other version"),
        HostCondition::Failing => (Tone::Bad, Icon::Alert, "Failing"),
        HostCondition::Garbage => (Tone::Bad, Icon::Alert, "Wrong answers"),
        HostCondition::Other => (Tone::Bad, Icon::Alert, "Not usable"),
    }
}

/// What to do about it, where something is to be done.
pub fn remedy(condition: HostCondition) -> Option<&'static str> {
    Some(match condition {
        HostCondition::Up | HostCondition::Unasked => return None,
        HostCondition::Unreachable => {
            "Check that the machine is up, that memdeck agent runs there, and that no firewall is between. It is asked \
             again every second, and its dumps are found again when it is back."
        }
        HostCondition::WrongToken => {
            "Set token or token_file of this host to what the agent there has as MEMDECK_TOKEN."
        }
        HostCondition::ExpiredCertificate => {
            "Put a new certificate on the host and reload the agent (SIGHUP). If it is a new one, compare the clocks of both \
             machines."
        }
        HostCondition::BadCertificate => {
            "Name the issuer of the certificate as ca of this host, and the host in url as the certificate does."
        }
        HostCondition::VersionMismatch => "Install the same version of memdeck on both machines.",
        HostCondition::Failing => "Look into the log of the service there.",
        HostCondition::Garbage => "Check url of this host: something else than a dump service answers there.",
        HostCondition::Other => "Install the newer version of memdeck here, too: it knows this state.",
    })
}

/// Whether nobody can rely on what it said of itself: it does not answer now.
pub fn is_past(host: &HostState) -> bool {
    !host.condition.is_up()
}

/// What a service cannot do, and what that means here.
pub fn lacks(host: &HostState) -> Vec<&'static str> {
    // Of one that never answered nothing is known.
    if host.last_contact.is_none() {
        return Vec::new();
    }
    let Capabilities {
        uuids,
        options,
        cancel,
        images,
        guests,
        records,
        actors,
        request_keys,
        inside,
        telemetry,
    } = host.capabilities;
    let all = [
        (uuids, "It knows VMs by name alone: which one it takes for a name is not verified."),
        (options, "It decides itself how a dump is taken: no mode can be chosen."),
        (cancel, "Its dumps cannot be cancelled from here."),
        (guests, "It does not list its VMs."),
        (
            records,
            "It reports no hashes and no records: what is known of its dumps is what was seen of them.",
        ),
        (images, "Its images cannot be downloaded, verified or deleted from here."),
        (inside, "What is inside of its VMs cannot be read from here."),
        (
            telemetry,
            "It does not measure its VMs for this dashboard: they have no values and no charts here.",
        ),
        (actors, "It does not keep who asked for a dump; this dashboard does."),
        (
            request_keys,
            "If its answer to a request is lost, the request is not repeated: it might dump twice.",
        ),
    ];
    all.into_iter().filter(|(can, _)| !can).map(|(_, what)| what).collect()
}

/// How many VMs there are, and how many of them run.
pub fn guests(host: &HostState) -> Option<String> {
    let all = grouped(host.guests?.into());
    Some(match host.running_guests {
        Some(running) if !is_past(host) => format!("{} of {all} run", grouped(running.into())),
        _ => format!("last known {all}"),
    })
}

/// How its clock differs, for people; the date of an answer is known to a second.
pub fn clock(ahead_ms: i64) -> String {
    let (off_s, direction) =
        (ahead_ms.unsigned_abs().saturating_add(500) / 1000, if ahead_ms > 0 { "ahead" } else { "behind" });
    match off_s {
        0..=1 => "the same".to_owned(),
        2..120 => format!("{off_s} s {direction}"),
        120..7_200 => format!("{} min {direction}", off_s / 60),
        _ => format!("{} h {direction}", off_s / 3_600),
    }
}

/// What a test found.
pub fn tested(tested: &Tested) -> String {
    match tested {
        Tested::Running => "is being asked…".to_owned(),
        Tested::Told { after_ms, host, .. } => match &host.error {
            Some(error) => format!("cannot be used. {}", sentence(&error.to_string())),
            None if host.condition.is_up() => {
                format!("answered after {} ms.", grouped(after_ms.unsigned_abs()))
            }
            None => "was not asked.".to_owned(),
        },
        Tested::Failed(problem) => format!("could not be asked. {}", sentence(&problem.detail.to_string())),
    }
}

/// `4 hosts: 2 can be used, 1 takes no new dumps, 1 cannot be used.`
pub fn sum_of(hosts: &[HostState]) -> String {
    let count = |holds: fn(&HostState) -> bool| hosts.iter().filter(|host| holds(host)).count();
    let usable = count(|host| host.condition.is_up() && !host.draining);
    let drained = count(|host| host.condition.is_up() && host.draining);
    let verb =
        |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let mut parts = vec![format!("{usable} can be used")];
    if drained > 0 {
        parts.push(verb(drained, "takes no new dumps", "take no new dumps"));
    }
    if usable + drained < hosts.len() {
        parts.push(format!("{} cannot be used", hosts.len() - usable - drained));
    }
    format!("{}: {}.", verb(hosts.len(), "host", "hosts"), parts.join(", "))
}

#[cfg(test)]
pub mod tests {
    use memdeck_model::Timestamp;

    use super::*;

    pub fn host(name: &str) -> HostState {
        HostState {
            name: name.parse().unwrap(),
            service: format!("https://{name}:5001"),
            condition: HostCondition::Up,
            added: false,
            draining: false,
            error: None,
            warning: None,
            version: Some("0.1.0".to_owned()),
            last_contact: Some(Timestamp::from(std::time::UNIX_EPOCH)),
            clock_ahead_ms: Some(-12),
            guests: Some(1200),
            running_guests: Some(2),
            active_dumps: 0,
            free_bytes: None,
            capabilities: Capabilities::ALL,
            frozen_pause: None,
        }
    }

    #[test]
    fn what_cannot_be_used_says_what_to_do() {
        let all = [
            HostCondition::Unreachable,
            HostCondition::WrongToken,
            HostCondition::ExpiredCertificate,
            HostCondition::BadCertificate,
            HostCondition::VersionMismatch,
            HostCondition::Failing,
            HostCondition::Garbage,
            HostCondition::Other,
        ];
        for condition in all {
            assert!(remedy(condition).is_some(), "{condition:?}");
            let away = HostState { condition, draining: true, ..host("a") };
            assert_eq!(standing(&away).0, Tone::Bad, "{condition:?}: that it is drained comes second");
        }
        assert_eq!(remedy(HostCondition::Up), None);
        let drained = HostState { draining: true, warning: Some("its clock is off".into()), ..host("a") };
        assert_eq!(standing(&drained).2, "Drained");
    }

    #[test]
    fn what_a_service_cannot_do_is_known_after_it_answered_once() {
        let foreign = HostState { capabilities: Capabilities::NONE, ..host("lab") };
        assert_eq!(lacks(&foreign).len(), 10);
        assert!(lacks(&HostState { last_contact: None, ..foreign }).is_empty());
        assert!(lacks(&host("kvm-01")).is_empty());
    }

    #[test]
    fn guests_of_a_host_that_is_away_are_those_of_its_last_answer() {
        assert_eq!(guests(&host("a")).unwrap(), "2 of 1,200 run");
        let away = HostState { condition: HostCondition::Unreachable, running_guests: None, ..host("a") };
        assert_eq!(guests(&away).unwrap(), "last known 1,200");
        assert_eq!(guests(&HostState { guests: None, ..host("a") }), None);
    }

    #[test]
    fn clocks_are_compared_to_a_second() {
        let told = [0, 1400, -2000, 3_600_000, -150_000, i64::MIN].map(clock);
        let past = "2562047788015 h behind";
        assert_eq!(told, ["the same", "the same", "2 s behind", "60 min ahead", "2 min behind", past]);
    }

    #[test]
    fn the_sum_counts_each_host_once() {
        let away = HostState { condition: HostCondition::Unreachable, draining: true, ..host("b") };
        let drained = HostState { draining: true, ..host("c") };
        assert_eq!(sum_of(&[host("a")]), "1 host: 1 can be used.");
        assert_eq!(
            sum_of(&[host("a"), away, drained]),
            "3 hosts: 1 can be used, 1 takes no new dumps, 1 cannot be used."
        );
    }
}
