//! The dumps the page follows: those that wait or run, and for a while those that ended.
//!
//! States come from two sides, answers and events, and may overtake each other; a dump never goes backwards.

use std::cmp::{Ordering, Reverse};

use memdeck_model::{CaptureMode, DumpId, DumpStatus, EndReason, Guest, JobState, Millis, Timestamp};

use super::rate::Rate;
use crate::data::order::sorted;

/// How long an ended dump stays in the list.
const ENDED_STAYS: Millis = Millis(10 * 60 * 1000);

/// One dump.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What is known about it.
    pub status: DumpStatus,
    /// How fast it is being read.
    pub rate: Rate,
    /// What became of the operator's wish to cancel it, if there was one.
    pub cancel: Option<Cancel>,
    /// When the page heard of its end.
    pub(super) ended_at: Option<Timestamp>,
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
/// guest's dump before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jobs {
    jobs: Vec<Job>,
    dismissed: Vec<DumpId>,
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
    /// The dumps in the order in which they are shown: those that run, those that wait, those that ended, the latest
    /// first. Among those that run or wait, the one that was asked for first comes first.
    ///
    /// Where `held` are shown and in use, they keep their places and the others follow.
    pub fn shown(&self, held: &[DumpId]) -> Vec<DumpId> {
        let place = |job: &&Job| held.iter().position(|id| *id == job.status.dump_id).unwrap_or(held.len());
        let group = |job: &&Job| match job.status.exact_state() {
            JobState::Running => 0,
            JobState::Queued => 1,
            JobState::Completed | JobState::Failed | JobState::Cancelled => 2,
        };
        let ended = |job: &&Job| Reverse(job.ended_at.map(|told| job.status.finished_at.unwrap_or(told)));
        let order = |job: &&Job| (place(job), group(job), ended(job));
        // Equals stay in the order in which they were asked for.
        let jobs = sorted(self.jobs.iter().collect(), |a, b| order(a).cmp(&order(b)));
        jobs.into_iter().map(|job| job.status.dump_id.clone()).collect()
    }

    /// The dump `id`.
    pub fn get(&self, id: &DumpId) -> Option<&Job> {
        self.jobs.iter().find(|job| &job.status.dump_id == id)
    }

    /// The dump that `guest` waits for or is stopped for.
    pub fn active_of(&self, guest: &Guest) -> Option<&DumpStatus> {
        let mut statuses = self.jobs.iter().map(|job| &job.status);
        statuses.find(|status| is_of(status, guest) && !status.exact_state().is_final())
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
    pub fn was_refused_as_encrypted(&self, guest: &Guest) -> bool {
        self.jobs.iter().map(|job| &job.status).any(|status| {
            is_of(status, guest) && matches!(status.end_reason, Some(EndReason::Encrypted { .. }))
        })
    }

    /// Takes in a status that arrived at `now`.
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
    pub fn active_ids(&self) -> Vec<DumpId> {
        let active = self.jobs.iter().filter(|job| !job.status.exact_state().is_final());
        active.map(|job| job.status.dump_id.clone()).collect()
    }

    /// Takes in a full list that was asked for when `active_before` waited or ran. Of these, what the server does
    /// not know any more is forgotten; what began since stays.
    pub fn reconcile(&mut self, list: Vec<DumpStatus>, active_before: &[DumpId], now: Timestamp) {
        let known: Vec<_> = list.iter().map(|status| status.dump_id.clone()).collect();
        self.jobs.retain(|job| {
            let id = &job.status.dump_id;
            known.contains(id) || !active_before.contains(id) || job.status.exact_state().is_final()
        });
        for status in sorted(list, |a, b| began(a).cmp(&began(b))) {
            self.tell(status, now);
        }
        self.expire(now);
    }

    /// Takes note of the wish to cancel a dump that waits or runs. False if there is none such, or where it was
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

    /// Takes note that the wish could not be passed on. If the dump has ended meanwhile that says nothing any more.
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
        self.dismissed.push(id.clone());
    }

    /// The result of a guest's dump is no news any more once a later dump of it was asked for: the new one takes its place,
    /// and stands behind all others if there is none.
    fn insert(&mut self, job: Job) {
        let is_same_guest = |known: &Job| {
            let is_named_alike = match (&known.status.guest_uuid, &job.status.guest_uuid) {
                (Some(known), Some(new)) => known == new,
                _ => known.status.display_name() == job.status.display_name(),
            };
            known.status.host == job.status.host && is_named_alike
        };
        let superseded = self.jobs.iter().position(|known| known.ended_at.is_some() && is_same_guest(known));
        match superseded.and_then(|place| self.jobs.get_mut(place)) {
            // Two results that arrive together: the later one stays.
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

/// Whether it is a dump of `guest`: on its host, and by UUID; if the service does not report it, by name, or else by the text that was
/// asked for.
fn is_of(status: &DumpStatus, guest: &Guest) -> bool {
    if status.host != guest.host {
        return false;
    }
    match (&status.guest_uuid, &status.guest) {
        (Some(uuid), _) => *uuid == guest.uuid,
        (None, Some(name)) => *name == guest.name,
        (None, None) => {
            status.vm == guest.name.0
                || status.vm == guest.uuid
                || guest.id.is_some_and(|id| status.vm == id.to_string())
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
