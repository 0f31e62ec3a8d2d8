//! Which guests can be dumped, and what dumping them means, in words.

use memdeck_model::{ByteCount, Guest, GuestState, Omitted, VmRef};

use crate::data::Jobs;

/// Why `guest` cannot be dumped now; `None` if it can.
pub fn obstacle(guest: &Guest, jobs: &Jobs) -> Option<String> {
    if !guest.state.has_memory() {
        return Some("Not running: there is no memory to dump.".to_owned());
    }
    jobs.active_of(guest).map(|status| match status.exact_state() {
        memdeck_model::JobState::Queued => "Dump queued.".to_owned(),
        _ => "Being dumped.".to_owned(),
    })
}

/// The guests that "all running guests" means and that can be dumped now.
pub fn running(guests: &[Guest], jobs: &Jobs) -> Vec<Guest> {
    let is_running = |guest: &&Guest| matches!(guest.state, GuestState::Running | GuestState::Blocked);
    guests.iter().filter(is_running).filter(|guest| obstacle(guest, jobs).is_none()).cloned().collect()
}

/// The guests that "all running guests" leaves out although they have memory, and why.
pub fn left_out(guests: &[Guest], jobs: &Jobs) -> Vec<(Guest, String)> {
    let why = |guest: &Guest| match Omitted::by_state(guest) {
        Some(omitted) => omitted.why.leaves_memory().then(|| format!("It is {}.", guest.state.as_str())),
        None => obstacle(guest, jobs),
    };
    guests.iter().filter_map(|guest| Some((guest.clone(), why(guest)?))).collect()
}

/// How a request names `guest`: by its UUID, so that no name can mean another one, and behind its host where there are
/// several.
pub fn reference(guest: &Guest) -> Option<VmRef> {
    VmRef::new(&guest.reference()).ok()
}

/// The memory of all of them.
pub fn memory_of(guests: &[Guest]) -> ByteCount {
    ByteCount(guests.iter().fold(0, |sum, guest| sum.saturating_add(guest.memory.0)))
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestName;

    use super::*;

    fn guest(name: &str, id: Option<u32>, state: GuestState) -> Guest {
        Guest {
            host: None,
            id,
            name: GuestName(name.into()),
            uuid: name.into(),
            state,
            vcpus: 1,
            memory_max: ByteCount::from_mib(512),
            memory: ByteCount::from_mib(512),
            cpu_time_ns: 0,
        }
    }

    fn dumping(name: &str) -> Jobs {
        let json = serde_json::json!({"dump_id": "a", "vm": name, "state": "running", "progress": 1.0});
        let mut jobs = Jobs::default();
        jobs.tell(serde_json::from_value(json).unwrap(), std::time::UNIX_EPOCH.into());
        jobs
    }

    #[test]
    fn a_guest_without_memory_cannot_be_dumped() {
        let why = obstacle(&guest("a", None, GuestState::Shutoff), &Jobs::default());
        assert_eq!(why.as_deref(), Some("Not running: there is no memory to dump."));
    }

    #[test]
    fn a_guest_is_dumped_once_at_a_time() {
        let web = guest("web-01", Some(1), GuestState::Running);
        assert_eq!(obstacle(&web, &dumping("web-01")).as_deref(), Some("Being dumped."));
        assert_eq!(obstacle(&web, &dumping("1")).as_deref(), Some("Being dumped."));
        assert_eq!(obstacle(&web, &dumping("db-01")), None);
    }

    #[test]
    fn all_running_guests_are_those_that_run_and_are_free() {
        let guests = [
            guest("a", Some(1), GuestState::Running),
            guest("b", Some(2), GuestState::Paused),
            guest("c", None, GuestState::Shutoff),
            guest("d", Some(4), GuestState::Running),
        ];
        let names: Vec<_> = running(&guests, &dumping("d")).into_iter().map(|guest| guest.name.0).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn a_guest_is_asked_for_by_its_uuid_whatever_its_name_could_mean() {
        for name in ["web-01", "42", "all", "twin "] {
            let guest = Guest { uuid: "the-uuid".into(), ..guest(name, Some(7), GuestState::Running) };
            assert_eq!(reference(&guest).unwrap().as_str(), "the-uuid");
        }
    }

    #[test]
    fn what_all_running_guests_leaves_out_is_told_with_its_reason() {
        let guests = [
            guest("a", Some(1), GuestState::Running),
            guest("b", Some(2), GuestState::Paused),
            guest("c", None, GuestState::Shutoff),
            guest("d", Some(4), GuestState::Running),
        ];
        let told: Vec<_> =
            left_out(&guests, &dumping("d")).into_iter().map(|(guest, why)| (guest.name.0, why)).collect();
        assert_eq!(
            told,
            [("b".to_owned(), "It is paused.".to_owned()), ("d".to_owned(), "Being dumped.".to_owned())]
        );
    }

    #[test]
    fn a_dump_of_a_guest_is_not_taken_for_one_of_its_namesake() {
        let json = serde_json::json!({
            "dump_id": "a", "vm": "2", "state": "running", "progress": 1.0, "guest": "web-01", "guest_uuid": "other",
        });
        let mut jobs = Jobs::default();
        jobs.tell(serde_json::from_value(json).unwrap(), std::time::UNIX_EPOCH.into());
        assert_eq!(obstacle(&guest("2", Some(9), GuestState::Running), &jobs), None);
        assert_eq!(obstacle(&guest("x", Some(2), GuestState::Running), &jobs), None);
        assert!(obstacle(&guest("other", Some(1), GuestState::Running), &jobs).is_some());
    }
}
