//! The dumps the page follows: those that wait or run, and for a while those that ended.
//!
//! States come from two sides, answers and events, and may overtake each other; a dump never goes backwards.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use memdeck_model::{CaptureMode, DumpId, DumpStatus, JobState, Millis, Timestamp};

use super::rate::Rate;

/// How long an ended dump stays in the list.
const ENDED_STAYS: Millis = Millis(10 * 60 * 1000);

/// One dump.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What is known about it.
    pub status: DumpStatus,
    /// How fast it is being read.
    pub rate: Rate,
    /// What became of the operator's wish to cancel it, where there was one.
    pub cancel: Option<Cancel>,
    /// When the page heard of its end.
    ended_at: Option<Timestamp>,
}

/// What became of the wish to cancel a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// It was asked for; the end follows.
    Asked,
    /// It could not be asked for, and why. The dump goes on.
    Refused(String),
}

/// The dumps in the order in which they were asked for. A new one comes last, or in the place of the result of its
/// guest's dump before: no row moves because another dump begins or changes its state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jobs {
    jobs: Vec<Job>,
    dismissed: BTreeSet<DumpId>,
}

/// How many dumps wait and run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// They wait for their turn.
    pub queued: usize,
    /// Their guests are being read.
    pub running: usize,
}

/// What a status changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that calls for attention.
    Ordinary,
    /// A dump that the page saw waiting or running has ended.
    Ended,
}

impl Jobs {
    /// The dumps in the order in which they are shown.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    /// The dump `id`.
    pub fn get(&self, id: &DumpId) -> Option<&Job> {
        self.jobs.iter().find(|job| &job.status.dump_id == id)
    }

    /// The dump that `guest` waits for or is stopped for, by the name or the id it was asked for.
    pub fn active_of(&self, name: &str, id: Option<u32>) -> Option<&DumpStatus> {
        let id = id.map(|id| id.to_string());
        self.jobs.iter().map(|job| &job.status).find(|status| {
            let names_it = match &status.guest {
                Some(guest) => guest.0 == name,
                None => status.vm == name || Some(&status.vm) == id.as_ref(),
            };
            names_it && !status.exact_state().is_final()
        })
    }

    /// How many wait or run.
    pub fn active_count(&self) -> usize {
        self.jobs.iter().filter(|job| !job.status.exact_state().is_final()).count()
    }

    /// How many wait, and how many run.
    pub fn counts(&self) -> Counts {
        let count = |state| self.jobs.iter().filter(|job| job.status.exact_state() == state).count();
        Counts { queued: count(JobState::Queued), running: count(JobState::Running) }
    }

    /// Whether the last dump of the guest was refused because its memory is encrypted.
    pub fn was_refused_as_encrypted(&self, name: &str) -> bool {
        // The word that the refusal asks for stands for its reason: sentences change.
        self.jobs.iter().map(|job| &job.status).any(|status| {
            status.exact_state() == JobState::Failed
                && status.display_name() == name
                && status.message.contains("accept_encrypted")
        })
    }

    /// Takes in a status that was told at `now`.
    pub fn tell(&mut self, status: DumpStatus, now: Timestamp) -> Change {
        self.expire(now);
        if self.dismissed.contains(&status.dump_id) {
            return Change::Ordinary;
        }
        let is_final = status.exact_state().is_final();
        let Some(job) = self.jobs.iter_mut().find(|job| job.status.dump_id == status.dump_id) else {
            let mut job =
                Job { status, rate: Rate::default(), cancel: None, ended_at: is_final.then_some(now) };
            job.note_rate(now);
            self.insert(job);
            return Change::Ordinary;
        };
        if is_behind(&status, &job.status) {
            return Change::Ordinary;
        }
        job.status = status;
        job.note_rate(now);
        if is_final && job.ended_at.is_none() {
            job.ended_at = Some(now);
            return Change::Ended;
        }
        Change::Ordinary
    }

    /// The dumps that wait or run, for a later [`Self::reconcile`].
    pub fn active_ids(&self) -> BTreeSet<DumpId> {
        let active = self.jobs.iter().filter(|job| !job.status.exact_state().is_final());
        active.map(|job| job.status.dump_id.clone()).collect()
    }

    /// Takes in a full list that was asked for when `active_before` waited or ran. Of these, what the server does
    /// not know any more is forgotten; what began since stays.
    pub fn reconcile(&mut self, list: Vec<DumpStatus>, active_before: &BTreeSet<DumpId>, now: Timestamp) {
        let known: BTreeSet<_> = list.iter().map(|status| status.dump_id.clone()).collect();
        self.jobs.retain(|job| {
            let id = &job.status.dump_id;
            known.contains(id) || !active_before.contains(id) || job.status.exact_state().is_final()
        });
        let mut list = list;
        list.sort_by_key(began);
        for status in list {
            self.tell(status, now);
        }
        self.expire(now);
    }

    /// Takes note of the wish to cancel a dump that waits or runs. False where there is none such, or where it was
    /// asked for already.
    pub fn ask_cancel(&mut self, id: &DumpId) -> bool {
        let asked = Some(Cancel::Asked);
        let job = self.jobs.iter_mut().find(|job| &job.status.dump_id == id);
        match job.filter(|job| job.ended_at.is_none() && job.cancel != asked) {
            Some(job) => {
                job.cancel = asked;
                true
            }
            None => false,
        }
    }

    /// Takes note that the wish could not be passed on. Where the dump has ended meanwhile that says nothing any more.
    pub fn refuse_cancel(&mut self, id: &DumpId, why: String) {
        if let Some(job) =
            self.jobs.iter_mut().find(|job| &job.status.dump_id == id && job.ended_at.is_none())
        {
            job.cancel = Some(Cancel::Refused(why));
        }
    }

    /// Takes an ended dump off the list for good.
    pub fn dismiss(&mut self, id: &DumpId) {
        self.jobs.retain(|job| &job.status.dump_id != id || job.ended_at.is_none());
        self.dismissed.insert(id.clone());
    }

    /// The result of a guest's dump is no news any more once a later dump of it was asked for.
    /// In the place of the result of the guest's dump before; else behind all others.
    fn insert(&mut self, job: Job) {
        let name = job.status.display_name();
        let superseded = self
            .jobs
            .iter()
            .position(|known| known.ended_at.is_some() && known.status.display_name() == name);
        match superseded.and_then(|place| self.jobs.get_mut(place)) {
            // Two results that are told together: the later one stays.
            Some(known) if began(&known.status) > began(&job.status) => {}
            Some(known) => *known = job,
            None => self.jobs.push(job),
        }
    }

    fn expire(&mut self, now: Timestamp) {
        self.jobs.retain(|job| job.ended_at.is_none_or(|ended| now.since(ended) < ENDED_STAYS));
    }
}

impl Job {
    fn note_rate(&mut self, now: Timestamp) {
        if let (JobState::Running, Some(bytes)) = (self.status.exact_state(), self.status.bytes) {
            self.rate.note(now, bytes.bytes_done);
        }
    }
}

fn began(status: &DumpStatus) -> Option<Timestamp> {
    status.queued_at.or(status.started_at)
}

/// Whether `new` was overtaken by `known`.
fn is_behind(new: &DumpStatus, known: &DumpStatus) -> bool {
    let how_far = |status: &DumpStatus| match status.exact_state() {
        JobState::Queued => 0,
        JobState::Running => 1,
        JobState::Completed | JobState::Failed | JobState::Cancelled => 2,
    };
    // A dump that cannot be taken live begins anew as a frozen one.
    let which_attempt = |status: &DumpStatus| match status.mode {
        None => 0,
        Some(CaptureMode::Live) => 1,
        Some(CaptureMode::Frozen) => 2,
    };
    let order = |status: &DumpStatus| (how_far(status), which_attempt(status));
    match order(new).cmp(&order(known)) {
        Ordering::Less => true,
        Ordering::Equal => new.progress < known.progress,
        Ordering::Greater => false,
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{DumpState, GuestName};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    fn status(id: &str, state: DumpState, progress: f64) -> DumpStatus {
        status_of_guest("web-01", id, state, progress)
    }

    fn status_of_guest(vm: &str, id: &str, state: DumpState, progress: f64) -> DumpStatus {
        let json = serde_json::json!({"dump_id": id, "vm": vm, "state": state, "progress": progress});
        serde_json::from_value(json).unwrap()
    }

    fn told(statuses: &[(&str, DumpState, f64)]) -> (Jobs, Vec<Change>) {
        let mut jobs = Jobs::default();
        let changes = statuses
            .iter()
            .map(|&(id, state, progress)| jobs.tell(status(id, state, progress), at(0)))
            .collect();
        (jobs, changes)
    }

    fn state_of(jobs: &Jobs, id: &str) -> Option<(DumpState, f64)> {
        let job = jobs.get(&id.parse().unwrap())?;
        Some((job.status.state, job.status.progress))
    }

    #[test]
    fn the_end_of_a_dump_that_was_seen_running_calls_for_attention_once() {
        let (_, changes) = told(&[
            ("a", DumpState::Queued, 0.0),
            ("a", DumpState::Running, 40.0),
            ("a", DumpState::Completed, 100.0),
            ("a", DumpState::Completed, 100.0),
        ]);
        assert_eq!(changes, [Change::Ordinary, Change::Ordinary, Change::Ended, Change::Ordinary]);
    }

    #[test]
    fn a_dump_that_had_ended_when_the_page_opened_calls_for_none() {
        let (_, changes) = told(&[("a", DumpState::Failed, 0.0)]);
        assert_eq!(changes, [Change::Ordinary]);
    }

    #[test]
    fn a_dump_never_goes_backwards() {
        let (jobs, _) = told(&[("a", DumpState::Running, 40.0), ("a", DumpState::Running, 30.0)]);
        assert_eq!(state_of(&jobs, "a"), Some((DumpState::Running, 40.0)));
        let (jobs, _) = told(&[("a", DumpState::Failed, 10.0), ("a", DumpState::Running, 90.0)]);
        assert_eq!(state_of(&jobs, "a"), Some((DumpState::Failed, 10.0)));
    }

    #[test]
    fn a_dump_that_begins_anew_as_a_frozen_one_begins_at_zero() {
        let of_mode = |mode, progress| {
            let mut status = status("a", DumpState::Running, progress);
            status.mode = Some(mode);
            status
        };
        let mut jobs = Jobs::default();
        for status in [
            status("a", DumpState::Running, 0.0),
            of_mode(CaptureMode::Live, 40.0),
            of_mode(CaptureMode::Frozen, 0.0),
            of_mode(CaptureMode::Live, 41.0),
        ] {
            jobs.tell(status, at(0));
        }
        let known = &jobs.get(&"a".parse().unwrap()).unwrap().status;
        assert_eq!((known.mode, known.progress.to_string()), (Some(CaptureMode::Frozen), "0".to_owned()));
    }

    #[test]
    fn a_dump_is_cancelled_once_and_again_only_after_a_refusal() {
        let (mut jobs, _) = told(&[("a", DumpState::Running, 1.0)]);
        let id = "a".parse().unwrap();
        assert_eq!([jobs.ask_cancel(&id), jobs.ask_cancel(&id)], [true, false]);
        jobs.refuse_cancel(&id, "no answer".into());
        assert_eq!(jobs.get(&id).unwrap().cancel, Some(Cancel::Refused("no answer".into())));
        assert!(jobs.ask_cancel(&id));
    }

    #[test]
    fn a_dump_that_has_ended_is_not_cancelled() {
        let (mut jobs, _) = told(&[("a", DumpState::Running, 1.0), ("a", DumpState::Completed, 100.0)]);
        let id = "a".parse().unwrap();
        assert!(!jobs.ask_cancel(&id));
        jobs.refuse_cancel(&id, "too late".into());
        assert_eq!(jobs.get(&id).unwrap().cancel, None);
        assert!(!jobs.ask_cancel(&"unknown".parse().unwrap()));
    }

    #[test]
    fn a_full_list_removes_what_vanished_but_not_what_began_since() {
        let (mut jobs, _) = told(&[("gone", DumpState::Running, 1.0), ("stays", DumpState::Running, 1.0)]);
        let before = jobs.active_ids();
        jobs.tell(status("new", DumpState::Queued, 0.0), at(0));
        jobs.reconcile(vec![status("stays", DumpState::Running, 2.0)], &before, at(0));
        assert_eq!(state_of(&jobs, "gone"), None);
        assert_eq!(state_of(&jobs, "stays"), Some((DumpState::Running, 2.0)));
        assert_eq!(state_of(&jobs, "new"), Some((DumpState::Queued, 0.0)));
    }

    #[test]
    fn an_ended_dump_stays_for_ten_minutes_or_until_dismissed() {
        let (mut jobs, _) = told(&[("a", DumpState::Completed, 100.0)]);
        jobs.tell(status_of_guest("db-01", "b", DumpState::Failed, 5.0), at(0));
        jobs.dismiss(&"b".parse().unwrap());
        jobs.tell(status("b", DumpState::Failed, 5.0), at(1));
        assert_eq!(state_of(&jobs, "b"), None);
        jobs.reconcile(Vec::new(), &BTreeSet::new(), at(599));
        assert!(state_of(&jobs, "a").is_some());
        jobs.reconcile(Vec::new(), &BTreeSet::new(), at(600));
        assert_eq!(state_of(&jobs, "a"), None);
    }

    fn at_second(vm: &str, id: &str, second: i64, state: DumpState) -> DumpStatus {
        DumpStatus { queued_at: Some(at(second)), ..status_of_guest(vm, id, state, 0.0) }
    }

    fn shown(jobs: &Jobs) -> Vec<String> {
        jobs.iter().map(|job| job.status.dump_id.to_string()).collect()
    }

    #[test]
    fn no_row_moves_because_another_dump_begins_or_ends() {
        let mut jobs = Jobs::default();
        let list = vec![
            at_second("web-01", "b", 2, DumpState::Running),
            at_second("db-01", "a", 1, DumpState::Running),
        ];
        jobs.reconcile(list, &BTreeSet::new(), at(3));
        assert_eq!(shown(&jobs), ["a", "b"]);
        for (vm, id, state) in [
            ("mail", "c", DumpState::Queued),
            ("db-01", "a", DumpState::Completed),
            ("db-02", "d", DumpState::Queued),
        ] {
            jobs.tell(at_second(vm, id, 4, state), at(4));
        }
        assert_eq!(shown(&jobs), ["a", "b", "c", "d"]);
    }

    #[test]
    fn a_later_dump_of_the_guest_takes_the_place_of_a_result() {
        let mut jobs = Jobs::default();
        jobs.tell(at_second("web-01", "a", 1, DumpState::Failed), at(2));
        jobs.tell(at_second("db-01", "b", 2, DumpState::Running), at(2));
        jobs.tell(at_second("web-01", "c", 3, DumpState::Running), at(3));
        assert_eq!((shown(&jobs), jobs.active_count()), (vec!["c".to_owned(), "b".to_owned()], 2));
        // What is told late about the dump before changes nothing.
        jobs.tell(at_second("web-01", "c", 3, DumpState::Completed), at(4));
        jobs.tell(at_second("web-01", "a", 1, DumpState::Failed), at(5));
        assert_eq!(shown(&jobs), ["c", "b"]);
    }

    #[test]
    fn those_that_wait_and_those_that_run_are_counted() {
        let mut jobs = Jobs::default();
        for (vm, state) in [
            ("a", DumpState::Queued),
            ("b", DumpState::Queued),
            ("c", DumpState::Running),
            ("d", DumpState::Failed),
        ] {
            jobs.tell(status_of_guest(vm, vm, state, 0.0), at(0));
        }
        assert_eq!(jobs.counts(), Counts { queued: 2, running: 1 });
    }

    #[test]
    fn a_refusal_of_encrypted_memory_is_known_by_the_word_it_asks_for() {
        let mut refused = status("a", DumpState::Failed, 0.0);
        refused.message = "the memory of web-01 is encrypted (sev); ask with accept_encrypted".into();
        let mut jobs = Jobs::default();
        jobs.tell(refused, at(0));
        jobs.tell(status_of_guest("db-01", "b", DumpState::Failed, 0.0), at(0));
        assert!(jobs.was_refused_as_encrypted("web-01"));
        assert!(!jobs.was_refused_as_encrypted("db-01"));
    }

    #[test]
    fn a_guest_is_found_by_its_name_or_by_the_id_it_was_asked_for() {
        let mut by_id = status("a", DumpState::Queued, 0.0);
        by_id.vm = "7".into();
        let mut jobs = Jobs::default();
        jobs.tell(by_id.clone(), at(0));
        assert!(jobs.active_of("web-01", Some(7)).is_some());
        assert!(jobs.active_of("web-01", Some(8)).is_none());
        // Once the service has resolved the reference, only the name counts.
        by_id.guest = Some(GuestName("db-01".into()));
        jobs.tell(by_id, at(0));
        assert!(jobs.active_of("db-01", None).is_some());
        assert!(jobs.active_of("web-01", Some(7)).is_none());
        assert_eq!(jobs.active_count(), 1);
    }
}
