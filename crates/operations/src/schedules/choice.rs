//! Which guests a run has, and when each one's turn comes.

use std::collections::{BTreeMap, VecDeque};

use memdeck_model::schedule::{GuestChoice, Plan, RunGuest, RunGuestState};
use memdeck_model::{Guest, GuestName, GuestState, HostId, Millis, Timestamp};

/// A guest that this run has dumped already. Guests of two hosts may have one name, and one UUID where they are copies.
#[derive(Debug)]
pub(super) struct Dumped {
    pub host: Option<HostId>,
    /// Unknown where of the dump only its record is known: its name has to do then.
    pub uuid: Option<String>,
    pub name: GuestName,
}

impl Dumped {
    fn is(&self, guest: &Guest) -> bool {
        let is_same = self.uuid.as_ref().map_or(self.name == guest.name, |uuid| *uuid == guest.uuid);
        is_same && self.host == guest.host
    }
}

/// The guests of a run that begins at `now`: one host after the other, evenly over the time over which they are spread.
pub(super) fn chosen(plan: &Plan, guests: &[Guest], dumped: &[Dumped], now: Timestamp) -> Vec<RunGuest> {
    let (found, unknown) = plan.guests.find_in(guests);
    let named = matches!(plan.guests, GuestChoice::Named { .. });
    let of = |guest: &Guest| {
        let reason = if dumped.iter().any(|dumped| dumped.is(guest)) {
            Some("this run has dumped it already".to_owned())
        } else if guest.state == GuestState::Unknown || (named && guest.state.has_memory()) {
            None
        } else {
            (guest.state != GuestState::Running)
                .then(|| format!("it has no memory to dump: its state is {}", guest.state.as_str()))
        };
        RunGuest {
            host: guest.host.clone(),
            name: guest.name.clone(),
            uuid: guest.uuid.clone(),
            due: now,
            state: if reason.is_some() { RunGuestState::Skipped } else { RunGuestState::Waiting },
            dump_id: None,
            asked_at: None,
            reason: reason.map(Into::into),
        }
    };
    let mut chosen = in_turn(found.into_iter().map(of).collect());
    let waiting = chosen.iter().filter(|guest| guest.state == RunGuestState::Waiting).count();
    let window = Millis(u64::from(plan.spread_min) * 60_000);
    let turns = chosen.iter_mut().filter(|guest| guest.state == RunGuestState::Waiting);
    for (turn, guest) in turns.enumerate() {
        guest.due = now.plus(Millis(window.0 * turn as u64 / waiting.max(1) as u64));
    }
    chosen.extend(unknown.into_iter().map(|vm| RunGuest {
        host: None,
        name: GuestName(vm.as_str().to_owned()),
        uuid: String::new(),
        due: now,
        state: RunGuestState::Failed,
        dump_id: None,
        asked_at: None,
        reason: Some("there is no guest of this name".into()),
    }));
    chosen
}

/// Of every host one, then of every host another one.
fn in_turn(guests: Vec<RunGuest>) -> Vec<RunGuest> {
    let mut by_host: BTreeMap<Option<HostId>, VecDeque<RunGuest>> = BTreeMap::new();
    for guest in guests {
        by_host.entry(guest.host.clone()).or_default().push_back(guest);
    }
    let mut ordered = Vec::new();
    while !by_host.is_empty() {
        by_host.retain(|_, queue| {
            ordered.extend(queue.pop_front());
            !queue.is_empty()
        });
    }
    ordered
}

#[cfg(test)]
mod tests {
    use memdeck_model::ByteCount;
    use memdeck_model::schedule::When;

    use super::*;

    fn guest(host: &str, name: &str, state: GuestState) -> Guest {
        Guest {
            host: Some(host.parse().unwrap()),
            id: Some(1),
            name: GuestName(name.to_owned()),
            uuid: format!("uuid-of-{name}"),
            state,
            vcpus: 1,
            memory_max: ByteCount(1),
            memory: ByteCount(1),
            cpu_time_ns: 0,
        }
    }

    fn begin() -> Timestamp {
        "2026-11-14T02:30:00Z".parse().unwrap()
    }

    fn plan(guests: GuestChoice, spread_min: u32) -> Plan {
        Plan { spread_min, ..Plan::of(When::Hour { minute: 0 }, guests) }
    }

    #[test]
    fn hosts_take_turns_and_guests_are_spread_evenly() {
        let running = |host, name| guest(host, name, GuestState::Running);
        let guests = [
            running("a", "a1"),
            running("a", "a2"),
            running("b", "b1"),
            guest("b", "b2", GuestState::Shutoff),
        ];
        let chosen = chosen(&plan(GuestChoice::All, 30), &guests, &[], begin());
        let told: Vec<(&str, u64)> =
            chosen.iter().map(|guest| (guest.name.0.as_str(), guest.due.since(begin()).0 / 60_000)).collect();
        assert_eq!(told, [("a1", 0), ("b1", 10), ("a2", 20)]);
    }

    #[test]
    fn who_is_named_and_cannot_be_dumped_is_told() {
        let guests = [guest("a", "a1", GuestState::Paused), guest("a", "a2", GuestState::Shutoff)];
        let named = ["a1", "a/a2", "a9"].map(|name| memdeck_model::VmRef::new(name).unwrap()).to_vec();
        let chosen = chosen(&plan(GuestChoice::Named { guests: named }, 0), &guests, &[], begin());
        let states: Vec<_> = chosen.iter().map(|guest| (guest.name.0.as_str(), guest.state)).collect();
        let expected =
            [("a1", RunGuestState::Waiting), ("a2", RunGuestState::Skipped), ("a9", RunGuestState::Failed)];
        assert_eq!(states, expected);
        assert!(chosen.iter().skip(1).all(|guest| guest.reason.is_some()));
    }

    #[test]
    fn guests_of_a_host_that_does_not_answer_wait_for_it_and_are_not_forgotten() {
        let guests = [guest("a", "a1", GuestState::Unknown)];
        let chosen = chosen(&plan(GuestChoice::All, 0), &guests, &[], begin());
        assert_eq!(chosen[0].state, RunGuestState::Waiting);
    }

    /// Who is skipped of `a/db-01`, `b/db-01` and `b/web-01`, which is a copy of `a/db-01` and has its UUID.
    fn skipped(host: &str, uuid: Option<&str>, name: &str) -> Vec<String> {
        let running = |host, name| guest(host, name, GuestState::Running);
        let copy = Guest { uuid: "uuid-of-db-01".to_owned(), ..running("b", "web-01") };
        let renewed = Guest { uuid: "another-uuid".to_owned(), ..running("b", "db-01") };
        let dumped = Dumped {
            host: Some(host.parse().unwrap()),
            uuid: uuid.map(str::to_owned),
            name: GuestName(name.to_owned()),
        };
        let chosen =
            chosen(&plan(GuestChoice::All, 0), &[running("a", "db-01"), renewed, copy], &[dumped], begin());
        let skipped = chosen.iter().filter(|guest| guest.state == RunGuestState::Skipped);
        skipped.map(|guest| format!("{}/{}", guest.host.as_ref().unwrap(), guest.name)).collect()
    }

    #[test]
    fn whom_a_run_has_dumped_it_does_not_dump_again_and_a_namesake_or_copy_elsewhere_it_does() {
        assert_eq!(skipped("a", Some("uuid-of-db-01"), "db-01"), ["a/db-01"]);
        assert_eq!(skipped("a", None, "db-01"), ["a/db-01"]);
        assert_eq!(skipped("b", None, "db-01"), ["b/db-01"]);
        assert_eq!(skipped("b", Some("uuid-of-db-01"), "its-name-then"), ["b/web-01"]);
        assert_eq!(skipped("b", Some("of-one-that-is-gone"), "db-01"), [""; 0]);
        assert_eq!(skipped("c", None, "db-01"), [""; 0]);
    }
}
