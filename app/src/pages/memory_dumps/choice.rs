//! Which guests can be dumped, and what dumping them means, in words.

use memdeck_model::{ByteCount, Guest, GuestState, VmRef};

use super::jobs::Jobs;

/// Why `guest` cannot be dumped now; `None` where it can.
pub fn obstacle(guest: &Guest, jobs: &Jobs) -> Option<String> {
    if !guest.state.has_memory() {
        return Some("Does not run: there is no memory to read.".to_owned());
    }
    jobs.active_of(&guest.name.0, guest.id).map(|status| match status.exact_state() {
        memdeck_model::JobState::Queued => "A dump of it is waiting.".to_owned(),
        _ => "Is being dumped.".to_owned(),
    })
}

/// The guests that "all running guests" means and that can be dumped now.
pub fn running(guests: &[Guest], jobs: &Jobs) -> Vec<Guest> {
    let is_running = |guest: &&Guest| matches!(guest.state, GuestState::Running | GuestState::Blocked);
    guests.iter().filter(is_running).filter(|guest| obstacle(guest, jobs).is_none()).cloned().collect()
}

/// How a request names `guest`: by its name, which a restart does not change; by its id where the name could be
/// read as something else.
pub fn reference(guest: &Guest) -> Option<VmRef> {
    let name = guest.name.0.as_str();
    let is_ambiguous = name == memdeck_model::ALL_GUESTS || name.bytes().all(|b| b.is_ascii_digit());
    match guest.id {
        Some(id) if is_ambiguous => VmRef::new(&id.to_string()).ok(),
        _ => VmRef::new(name).ok(),
    }
}

/// The memory of all of them.
pub fn memory_of(guests: &[Guest]) -> ByteCount {
    ByteCount(guests.iter().fold(0, |sum, guest| sum.saturating_add(guest.memory.0)))
}

/// About how long a guest stands still while `memory` of it is read, at the 1 GiB per second that hashing and
/// compressing as it streams allows.
pub fn expected_pause(memory: ByteCount) -> String {
    let seconds = memory.0.div_ceil(1024 * 1024 * 1024);
    match seconds {
        0..=1 => "about a second".to_owned(),
        2..=119 => format!("about {seconds} s"),
        _ => format!("about {} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestName;

    use super::*;

    fn guest(name: &str, id: Option<u32>, state: GuestState) -> Guest {
        Guest {
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
        assert_eq!(why.as_deref(), Some("Does not run: there is no memory to read."));
    }

    #[test]
    fn a_guest_is_dumped_once_at_a_time() {
        let web = guest("web-01", Some(1), GuestState::Running);
        assert_eq!(obstacle(&web, &dumping("web-01")).as_deref(), Some("Is being dumped."));
        assert_eq!(obstacle(&web, &dumping("1")).as_deref(), Some("Is being dumped."));
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
    fn a_name_that_could_mean_something_else_is_replaced_by_the_id() {
        let named = |name| reference(&guest(name, Some(7), GuestState::Running)).unwrap().to_string();
        assert_eq!([named("web-01"), named("42"), named("all")], ["web-01", "7", "7"]);
    }

    #[test]
    fn the_pause_is_told_in_round_numbers() {
        let told = [0, 256, 1024, 4096, 131_072].map(|mib| expected_pause(ByteCount::from_mib(mib)));
        assert_eq!(told, ["about a second", "about a second", "about a second", "about 4 s", "about 3 min"]);
    }
}
