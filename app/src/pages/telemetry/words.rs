//! The sentences of this page.

use memdeck_model::Timestamp;
use memdeck_model::telemetry::{BalloonStats, CheckState, CollectorStatus, Connection, Diagnosis};

use super::happened::Happened;
use crate::time::relative;
use crate::ui::{Icon, Tone};
use crate::words::{grouped, lower_first, sentence};

/// A number of things: `1 guest`, `2 guests`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// How the collector stands, in a word.
pub fn standing(status: &CollectorStatus) -> (Tone, Icon, &'static str) {
    match &status.connection {
        _ if !status.running => (Tone::Neutral, Icon::Pause, "Stopped"),
        Connection::Reconnecting { .. } => (Tone::Bad, Icon::Alert, "Reconnecting"),
        Connection::Idle => (Tone::Active, Icon::Clock, "Starting"),
        Connection::Connected => (Tone::Good, Icon::Activity, "Running"),
    }
}

/// The same in a sentence.
pub fn told(status: &CollectorStatus) -> String {
    if !status.running {
        return "Nothing is measured now. Charts have a gap until the collector is started again. Dumps are not affected."
            .to_owned();
    }
    match &status.connection {
        Connection::Idle => "The first values will appear in a moment.".to_owned(),
        Connection::Connected => {
            format!("All guests are measured every {}.", status.interval_ms)
        }
        Connection::Reconnecting { .. } => "No new values arrive until the hypervisor answers.".to_owned(),
    }
}

/// Why nothing comes from the hypervisor, and what happens next.
pub fn outage(connection: &Connection, now: Timestamp) -> Option<String> {
    let Connection::Reconnecting { since, attempts, next_attempt, error } = connection else { return None };
    let asked = counted(*attempts, "time", "times");
    let next = if *next_attempt > now { relative(*next_attempt, now) } else { "now".to_owned() };
    let next = if next == "just now" { "now".to_owned() } else { next };
    Some(format!(
        "{} It has been away since {}; it was asked {asked} since then and is asked again {next}. The diagnosis below says what \
         can be done.",
        sentence(&error.to_string()),
        relative(*since, now),
    ))
}

/// Why a guest does not report what its memory is used for; `None` if it does.
pub fn without_balloon(balloon: &BalloonStats) -> Option<String> {
    match balloon {
        BalloonStats::Reported => None,
        BalloonStats::SwitchedOn => Some("was just asked for its memory statistics".to_owned()),
        BalloonStats::Off => Some("no memory statistics: a setting keeps memdeck from asking".to_owned()),
        BalloonStats::Impossible { reason } => {
            Some(format!("no memory statistics: {}", lower_first(&reason.to_string())))
        }
    }
}

/// How a check went: its tone, icon and word.
pub fn found(state: CheckState) -> (Tone, Icon, &'static str) {
    match state {
        CheckState::Ok => (Tone::Good, Icon::Check, "Works"),
        CheckState::Warning => (Tone::Waiting, Icon::Alert, "Works in part"),
        CheckState::Failed => (Tone::Bad, Icon::Alert, "Does not work"),
        CheckState::Off => (Tone::Neutral, Icon::Ban, "Not tried"),
    }
}

/// What a screen reader announces of a diagnosis.
pub fn spoken(diagnosis: &Diagnosis) -> String {
    let count = |state| diagnosis.checks.iter().filter(|check| check.state == state).count();
    match (count(CheckState::Failed), count(CheckState::Warning)) {
        (0, 0) => "The diagnosis is done: nothing is wrong.".to_owned(),
        (0, warnings) => format!("The diagnosis is done: {warnings} in part."),
        (failed, warnings) => {
            format!("The diagnosis is done: {failed} failed, {warnings} in part.")
        }
    }
}

/// What happened: the colour of its line, its icon, the sentence, and what was said.
pub fn line_of(happened: &Happened) -> (&'static str, Icon, String, Option<String>) {
    let said = |error: &memdeck_model::Message| Some(sentence(&error.to_string()));
    match happened {
        Happened::Restarted => ("activity-line", Icon::Power, "memdeck was restarted.".to_owned(), None),
        Happened::Started(_) => {
            ("activity-line is-good", Icon::Play, "The collector was started.".to_owned(), None)
        }
        Happened::Stopped => ("activity-line", Icon::Pause, "The collector was stopped.".to_owned(), None),
        Happened::Failed(count, error) => (
            "activity-line is-bad",
            Icon::Alert,
            format!("{} failed.", counted(*count, "collection", "collections")),
            error.as_ref().and_then(said),
        ),
        Happened::Away(_, error) => {
            ("activity-line is-bad", Icon::Alert, "The hypervisor stopped answering.".to_owned(), said(error))
        }
        Happened::Back => {
            ("activity-line is-good", Icon::Check, "The hypervisor answers again.".to_owned(), None)
        }
        Happened::Missed(count) => (
            "activity-line is-waiting",
            Icon::Clock,
            format!("{} went by without a collection.", counted(*count, "interval", "intervals")),
            None,
        ),
        Happened::Dropped(count) => (
            "activity-line is-bad",
            Icon::Trash,
            format!("{} dropped: too many waited for InfluxDB.", counted(*count, "point was", "points were")),
            None,
        ),
        Happened::StoreFailed(error) => {
            ("activity-line is-bad", Icon::Alert, "The store of values failed.".to_owned(), said(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::Message;
    use memdeck_model::telemetry::Check;

    use super::super::happened::tests::running;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    #[test]
    fn a_collector_that_is_stopped_is_told_as_that_whatever_the_hypervisor_does() {
        let words = |status: &CollectorStatus| standing(status).2;
        assert_eq!(words(&running()), "Running");
        let gone = Connection::Reconnecting {
            since: at(0),
            attempts: 3,
            next_attempt: at(95),
            error: Message::new("cannot connect"),
        };
        assert_eq!(words(&CollectorStatus { connection: gone.clone(), ..running() }), "Reconnecting");
        assert_eq!(
            words(&CollectorStatus { running: false, connection: gone.clone(), ..running() }),
            "Stopped"
        );
        assert_eq!(outage(&Connection::Connected, at(90)), None);
        assert_eq!(
            outage(&gone, at(90)).as_deref(),
            Some(
                "Cannot connect. It has been away since 1 min ago; it was asked 3 times since then and is asked again in \
                 5 s. The diagnosis below says what can be done."
            )
        );
        assert!(outage(&gone, at(100)).is_some_and(|told| told.contains("asked again now.")));
    }

    #[test]
    fn a_diagnosis_is_summed_up_for_who_cannot_see_it() {
        let check = |state| Check {
            part: memdeck_model::telemetry::CheckedPart::Store,
            name: "libvirt: connect".to_owned(),
            state,
            finding: Message::new("connected"),
            remedy: None,
        };
        let of = |states: &[CheckState]| {
            spoken(&Diagnosis { checks: states.iter().map(|state| check(*state)).collect() })
        };
        assert_eq!(of(&[CheckState::Ok, CheckState::Off]), "The diagnosis is done: nothing is wrong.");
        assert_eq!(
            of(&[CheckState::Failed, CheckState::Warning, CheckState::Failed]),
            "The diagnosis is done: 2 failed, 1 in part."
        );
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(line_of(&Happened::Missed(1)).2, "1 interval went by without a collection.");
        assert_eq!(
            line_of(&Happened::Dropped(1200)).2,
            "1,200 points were dropped: too many waited for InfluxDB."
        );
    }
}
