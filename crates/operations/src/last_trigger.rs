//! What became of the last request for dumps.

use std::collections::BTreeMap;

use memdeck_model::{DumpId, DumpStatus, EndReason, JobState, LastTrigger, Message, Millis, Timestamp};

/// Follows the dumps of the last request.
pub struct TriggerFollower {
    dump_timeout: Millis,
    last: Option<Followed>,
}

struct Followed {
    accepted: Timestamp,
    vm_ids: Vec<String>,
    /// The newest status of every dump of the request; empty if the request was refused.
    dumps: BTreeMap<DumpId, DumpStatus>,
    refusal: Option<Message>,
}

impl TriggerFollower {
    pub fn new(dump_timeout: Millis) -> Self {
        Self { dump_timeout, last: None }
    }

    /// A request was accepted.
    pub fn follow<'a>(
        &mut self,
        accepted: Timestamp,
        vm_ids: Vec<String>,
        statuses: impl Iterator<Item = &'a DumpStatus>,
    ) {
        let dumps = statuses.map(|status| (status.dump_id.clone(), status.clone())).collect();
        self.last = Some(Followed { accepted, vm_ids, dumps, refusal: None });
    }

    /// A request could not be passed on.
    pub fn refuse(&mut self, at: Timestamp, vm_ids: Vec<String>, reason: Message) {
        self.last = Some(Followed { accepted: at, vm_ids, dumps: BTreeMap::new(), refusal: Some(reason) });
    }

    /// A dump moved on. One that ended before it was followed stays ended.
    pub fn note(&mut self, status: &DumpStatus) {
        if let Some(known) = self.last.as_mut().and_then(|last| last.dumps.get_mut(&status.dump_id))
            && !known.exact_state().is_final()
        {
            known.clone_from(status);
        }
    }

    /// What became of it until `now`.
    pub fn last(&self, now: Timestamp) -> Option<LastTrigger> {
        let last = self.last.as_ref()?;
        let ended = last.dumps.values().all(|status| status.exact_state().is_final());
        let failures: Vec<String> = last
            .dumps
            .values()
            .filter(|status| matches!(status.exact_state(), JobState::Failed | JobState::Cancelled))
            .map(|status| status.message.to_string())
            .collect();
        let took_too_long = last.dumps.values().any(|status| self.took_too_long(status));
        let overdue = !ended && now.since(last.accepted) > self.longest();
        let status = if last.refusal.is_some() {
            "error"
        } else if took_too_long || overdue {
            "timeout"
        } else if !ended {
            "in_progress"
        } else if failures.is_empty() {
            "completed"
        } else {
            "failed"
        };
        let duration =
            ended.then(|| last.dumps.values().filter_map(|status| status.finished_at).max()).flatten();
        #[expect(clippy::cast_precision_loss, reason = "hours at most")]
        let duration = duration.map(|end| end.since(last.accepted).0 as f64 / 1000.0);
        let error =
            last.refusal.clone().or_else(|| (!failures.is_empty()).then(|| failures.join("; ").into()));
        Some(LastTrigger {
            timestamp: last.accepted,
            vm_ids: last.vm_ids.clone(),
            status: status.to_owned(),
            duration,
            error,
        })
    }

    /// Whether the time limit ended a dump. A service without reasons is judged by the time it took.
    fn took_too_long(&self, status: &DumpStatus) -> bool {
        if let Some(reason) = &status.end_reason {
            return matches!(reason, EndReason::TimeLimit { .. });
        }
        let taken = status.started_at.zip(status.finished_at).map(|(start, end)| end.since(start));
        status.exact_state() == JobState::Cancelled && taken.is_some_and(|taken| taken >= self.dump_timeout)
    }

    /// The longest a request can take: its dumps one after the other, each with its full time.
    fn longest(&self) -> Millis {
        let dumps = self.last.as_ref().map_or(0, |last| last.dumps.len() as u64);
        Millis(self.dump_timeout.0.saturating_mul(dumps))
    }
}
