//! What is known of a dump service: its dumps, its health, what it can do.
//!
//! ```text
//! told active ──► told final
//!      └── missing in two answers that were asked for after it was known ──► lost (failed, `service_gone`)
//! ```

mod contact;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use memdeck_catalog::{GuestIdentity, RemoteDump};
use memdeck_model::{
    Capabilities, DumpId, DumpState, DumpStatus, EndReason, FailedCheck, FrozenPause, HostCondition,
    JobState, Message, Readiness, ReadinessCheck, ServiceHealth, Timestamp,
};

use crate::protocol::HostReport;

/// In so many answers an active dump must be missing before it counts as lost: one may overtake the dump's beginning.
const MISSING_IN_ANSWERS: u8 = 2;
/// The most lost dumps that are kept in memory.
const LOST_KEPT: usize = 100;
/// The first and the longest wait after an import that failed or found no end.
const IMPORT_WAITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(10));

/// Between two questions whether the service can store images and records.
const READINESS_INTERVAL: Duration = Duration::from_secs(4);

/// A dump that is followed.
struct Followed {
    dump: RemoteDump,
    seen_at: Timestamp,
    missing: u8,
}

/// Calls that a service does not have.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a call of its own")]
pub struct Lacks {
    pub frozen_pause: bool,
    pub readiness: bool,
    pub deletions: bool,
    pub verifications: bool,
    pub report: bool,
}

/// What is known of one service.
pub struct Known {
    service: String,
    dumps: BTreeMap<DumpId, Followed>,
    lost: Vec<RemoteDump>,
    /// What the service can do, as it said since it was last away.
    pub capabilities: Option<Capabilities>,
    /// As it said before that, in this or in an earlier process.
    pub last_capabilities: Option<Capabilities>,
    /// Its pause limit and how fast its host reads a guest, as it said last since it was away.
    pub frozen_pause: Option<FrozenPause>,
    /// Whether the service answers, and what keeps it from being used.
    pub condition: HostCondition,
    /// Why the service does not answer.
    pub error: Option<Message>,
    /// When it answered last.
    pub last_contact: Option<Timestamp>,
    /// How far its clock is ahead, in milliseconds.
    clock_ahead_ms: Option<i64>,
    /// What it says of itself, since it was last away.
    report: Option<HostReport>,
    /// Answers of the same kind of failure in a row.
    pub failures: u32,
    /// What keeps it from storing images or records.
    storage_warning: Option<Message>,
    /// What is wrong with the way to it.
    line_warning: Option<Message>,
    /// What is wrong with its list of dumps.
    list_warning: Option<Message>,
    /// What is wrong with its records.
    import_warning: Option<Message>,
    /// Whether all records were imported since it was last away.
    pub records_are_current: bool,
    /// Calls that it does not have, as far as they were tried since it was last away.
    pub lacks: Lacks,
    import_again: Option<(Instant, Duration)>,
    /// When it was asked last whether it can store images and records.
    asked_readiness: Option<Instant>,
    /// When it was asked last what it is.
    asked_report: Option<Instant>,
}

/// What an answer changed.
#[derive(Default)]
pub struct Changes {
    /// Statuses that differ from those that were told before.
    pub told: Vec<DumpStatus>,
    /// Dumps whose state differs: these are remembered.
    pub states: Vec<RemoteDump>,
    /// Whether one was completed.
    pub completed: bool,
}

impl Known {
    /// Of `service`, with the dumps that are remembered of it.
    pub fn new(
        service: String,
        remembered: Vec<RemoteDump>,
        last_capabilities: Option<Capabilities>,
    ) -> Self {
        let is_lost =
            |dump: &RemoteDump| matches!(dump.status.end_reason, Some(EndReason::ServiceGone { .. }));
        let (active, ended): (Vec<_>, Vec<_>) =
            remembered.into_iter().partition(|dump| !dump.status.exact_state().is_final());
        let follow = |dump: RemoteDump| {
            (dump.status.dump_id.clone(), Followed { seen_at: dump.changed_at, dump, missing: 0 })
        };
        Self {
            service,
            dumps: active.into_iter().map(follow).collect(),
            lost: ended.into_iter().filter(is_lost).collect(),
            capabilities: None,
            last_capabilities,
            frozen_pause: None,
            condition: HostCondition::Unasked,
            error: None,
            last_contact: None,
            clock_ahead_ms: None,
            report: None,
            failures: 0,
            storage_warning: None,
            line_warning: None,
            list_warning: None,
            import_warning: None,
            records_are_current: false,
            lacks: Lacks::default(),
            import_again: None,
            asked_readiness: None,
            asked_report: None,
        }
    }

    /// What pages are told of the service.
    pub fn health(&self) -> ServiceHealth {
        ServiceHealth {
            service: self.service.clone(),
            error: self.error.clone(),
            warning: [&self.line_warning, &self.storage_warning, &self.list_warning, &self.import_warning]
                .into_iter()
                .find_map(Clone::clone)
                .or_else(|| self.clock_warning()),
            capabilities: self.capabilities_or_last(),
        }
    }

    /// What the service can do as far as that is known; nothing speaks against anything before it was asked.
    pub fn capabilities_or_last(&self) -> Capabilities {
        self.capabilities.or(self.last_capabilities).unwrap_or(Capabilities::ALL)
    }

    /// Whether the pause limit and the rate are to be asked for now: after each dump, and while nothing is going on, because
    /// others dump there, too.
    pub fn may_have_another_frozen_pause(&self, completed: bool) -> bool {
        let is_due = completed || self.frozen_pause.is_none() || self.active().is_empty();
        is_due && !self.lacks.frozen_pause
    }

    /// The dumps that wait or run.
    pub fn active(&self) -> BTreeSet<DumpId> {
        let active = self.dumps.values().filter(|followed| !followed.dump.status.exact_state().is_final());
        active.map(|followed| followed.dump.status.dump_id.clone()).collect()
    }

    /// The text by which the service knows a dump's guest.
    pub fn asked_text(&self, dump_id: &DumpId) -> Option<String> {
        self.dumps.get(dump_id).map(|followed| followed.dump.status.vm.clone())
    }

    /// Every dump that the service told in its last answer.
    pub fn dumps(&self) -> Vec<RemoteDump> {
        self.dumps.values().map(|followed| followed.dump.clone()).collect()
    }

    /// Dumps that the service had forgotten before they ended.
    pub fn lost(&self) -> &[RemoteDump] {
        &self.lost
    }

    /// A status with what is known of its dump here: the guest that was meant, and when it was asked for.
    pub fn completed_by_memory(&self, status: DumpStatus) -> DumpStatus {
        match self.dumps.get(&status.dump_id) {
            Some(followed) => with_memory(status, &followed.dump),
            None => status,
        }
    }

    /// The newest dump of a guest that was meant by another text than the service knows.
    pub fn of_guest(&self, vm: &str) -> Option<DumpStatus> {
        let is_it = |guest: &GuestIdentity| guest.name.0 == vm || guest.uuid == vm || guest.vmid == vm;
        let told = self.dumps.values().map(|followed| &followed.dump).chain(&self.lost);
        let of_it = told.filter(|dump| dump.status.vm == vm || dump.guest.as_ref().is_some_and(is_it));
        let newest =
            of_it.max_by_key(|dump| (dump.status.queued_at.or(dump.status.started_at), dump.changed_at));
        newest.map(|dump| dump.status.clone())
    }

    /// The dumps of which something is known.
    pub fn ids(&self) -> BTreeSet<DumpId> {
        self.dumps.keys().cloned().collect()
    }

    /// Dumps were asked for; `dumps` is what the service answered and what was meant, `before` what was known when it was
    /// asked.
    pub fn ask(&mut self, dumps: Vec<RemoteDump>, before: &BTreeSet<DumpId>) -> Vec<DumpStatus> {
        let mut told = Vec::new();
        for mut dump in dumps {
            if let Some(known) = self.dumps.get(&dump.status.dump_id) {
                let status = with_memory(dump.status, &known.dump);
                // A guest that was being dumped keeps the dump that it has, and who asked for that one first. One that was
                // heard of while the answer was on its way is the one that was asked for.
                dump = if before.contains(&status.dump_id) {
                    RemoteDump { status, ..known.dump.clone() }
                } else {
                    RemoteDump { status, ..dump }
                };
            }
            let status = with_memory(dump.status.clone(), &dump);
            dump.status = status.clone();
            let followed = Followed { seen_at: dump.changed_at, dump, missing: 0 };
            self.dumps.insert(status.dump_id.clone(), followed);
            told.push(status);
        }
        told
    }

    /// Takes in an answer that was asked for when `before` waited or ran.
    pub fn take_in(
        &mut self,
        statuses: impl Iterator<Item = DumpStatus>,
        before: &BTreeSet<DumpId>,
        now: Timestamp,
    ) -> Changes {
        let mut changes = Changes::default();
        // A dump may stand under several names.
        let mut told = BTreeSet::new();
        for status in statuses {
            if told.insert(status.dump_id.clone()) {
                self.take_in_one(status, now, &mut changes);
            }
        }
        let missing: Vec<DumpId> =
            before.iter().filter(|dump_id| !told.contains(*dump_id)).cloned().collect();
        for dump_id in missing {
            self.miss(&dump_id, now, &mut changes);
        }
        // What has ended and is not told any more is in the catalog.
        self.dumps.retain(|dump_id, followed| {
            told.contains(dump_id) || !followed.dump.status.exact_state().is_final()
        });
        changes
    }

    fn take_in_one(&mut self, status: DumpStatus, now: Timestamp, changes: &mut Changes) {
        let known = self.dumps.get_mut(&status.dump_id);
        let status = match &known {
            Some(known) => with_memory(status, &known.dump),
            None => status,
        };
        let state = status.exact_state();
        let ended_at = status.finished_at.filter(|_| state.is_final());
        let mut dump = RemoteDump::told(status.clone(), ended_at.unwrap_or(now));
        if let Some(known) = known {
            known.seen_at = now;
            known.missing = 0;
            let before = known.dump.status.clone();
            if before == status {
                return;
            }
            dump = RemoteDump {
                status: status.clone(),
                changed_at: known.dump.changed_at,
                ..known.dump.clone()
            };
            if before.exact_state() != state {
                dump.changed_at = ended_at.unwrap_or(now);
                changes.states.push(dump.clone());
            }
            known.dump = dump;
        } else {
            changes.states.push(dump.clone());
            self.dumps.insert(status.dump_id.clone(), Followed { dump, seen_at: now, missing: 0 });
        }
        changes.completed |= state == JobState::Completed;
        changes.told.push(status);
    }

    /// An active dump was not in an answer.
    fn miss(&mut self, dump_id: &DumpId, now: Timestamp, changes: &mut Changes) {
        let Some(followed) = self.dumps.get_mut(dump_id) else { return };
        followed.missing = followed.missing.saturating_add(1);
        if followed.missing < MISSING_IN_ANSWERS || followed.dump.status.exact_state().is_final() {
            return;
        }
        let Some(Followed { dump, seen_at, .. }) = self.dumps.remove(dump_id) else { return };
        let reason = EndReason::ServiceGone { service: self.service.clone() };
        let mut status = dump.status;
        status.message = Message::new(format_args!(
            "{reason}. At {seen_at} it was {} at {:.1} %.",
            status.exact_state().as_str(),
            status.progress
        ));
        status.state = DumpState::Failed;
        status.job_state = Some(JobState::Failed);
        status.end_reason = Some(reason);
        status.finished_at = Some(now);
        let lost = RemoteDump { status: status.clone(), changed_at: now, ..dump };
        changes.states.push(lost.clone());
        changes.told.push(status);
        self.lost.push(lost);
        let too_many = self.lost.len().saturating_sub(LOST_KEPT);
        self.lost.drain(..too_many);
    }

    /// Whether records may be imported now: after one that failed or found no end there is a wait.
    pub fn may_import(&self) -> bool {
        self.import_again.is_none_or(|(at, _)| Instant::now() >= at)
    }

    /// How an import ended: `None` with everything, or what was wrong.
    pub fn note_import(&mut self, wrong: Option<Message>) {
        self.import_again = wrong.as_ref().map(|_| {
            let (first, longest) = IMPORT_WAITS;
            let wait = self.import_again.map_or(first, |(_, before)| before.saturating_mul(2).min(longest));
            (Instant::now() + wait, wait)
        });
        self.records_are_current = wrong.is_none();
        self.import_warning = wrong;
    }

    /// Whether it is to be asked now whether it can store images and records; then that counts as asked. Dumps that are
    /// followed are looked at more often than that.
    pub fn may_ask_readiness(&mut self) -> bool {
        let is_due = self.asked_readiness.is_none_or(|at| at.elapsed() >= READINESS_INTERVAL);
        if self.lacks.readiness || !is_due {
            return false;
        }
        self.asked_readiness = Some(Instant::now());
        true
    }

    /// Whether it can store images and records, as it says; `None` where it has no such call.
    pub fn note_readiness(&mut self, told: Option<&Readiness>) {
        self.lacks.readiness = told.is_none();
        let failed = told.into_iter().flat_map(|readiness| &readiness.failed);
        // Its hypervisor is seen by its guests.
        let stores = |failed: &&FailedCheck| {
            let checks = [ReadinessCheck::DumpDir, ReadinessCheck::StateDir, ReadinessCheck::Catalog];
            checks.contains(&failed.check)
        };
        let details: Vec<String> = failed.filter(stores).map(|failed| failed.detail.to_string()).collect();
        self.storage_warning = (!details.is_empty()).then(|| details.join(" ").into());
    }

    /// The service is away: what it said of its volumes may not be so when it is back.
    fn forget_storage_warning(&mut self) {
        self.storage_warning = None;
        self.asked_readiness = None;
    }

    /// What is wrong with the way to it; `None` where nothing is.
    pub fn note_line(&mut self, wrong: Option<Message>) {
        self.line_warning = wrong;
    }

    /// What is wrong with the list of dumps; `None` where nothing is.
    pub fn note_list(&mut self, wrong: Option<Message>) {
        self.list_warning = wrong;
    }
}

/// The name of a guest that was meant is the name of the dump's guest where the service tells none.
fn with_memory(mut status: DumpStatus, known: &RemoteDump) -> DumpStatus {
    if status.guest.is_none() {
        status.guest = known.guest.as_ref().map(|guest| guest.name.clone());
    }
    status.queued_at = status.queued_at.or(known.status.queued_at);
    status
}

#[cfg(test)]
mod tests;
