//! Whether a service answers, what it says of itself, and how its clock stands.

use std::time::{Duration, Instant};

use memdeck_model::{Message, Timestamp};
use memdeck_operations::HostFacts;

use super::{Known, Lacks};
use crate::protocol::HostReport;

/// Between two questions what the service is: its clock and its room change.
const REPORT_INTERVAL: Duration = Duration::from_secs(4);
/// A clock that is off by less is not worth a warning: the date of an answer is known to a second.
const CLOCK_TOLERANCE_MS: i64 = 10_000;

impl Known {
    /// That the clock of the service is far off.
    pub(super) fn clock_warning(&self) -> Option<Message> {
        let ahead = self.clock_ahead_ms.filter(|ahead| ahead.abs() >= CLOCK_TOLERANCE_MS)?;
        // In tens, so that it is not another sentence with each answer.
        let (off, direction) =
            (ahead.unsigned_abs() / 10_000 * 10, if ahead > 0 { "ahead" } else { "behind" });
        Some(Message::new(format_args!(
            "its clock is about {off} s {direction}, and so are the times of its dumps; set up a time service on both \
             machines"
        )))
    }

    /// What following the service has shown.
    pub fn facts(&self) -> HostFacts {
        HostFacts {
            condition: self.condition,
            version: self.report.as_ref().map(|report| report.version.clone()),
            last_contact: self.last_contact,
            clock_ahead_ms: self.clock_ahead_ms,
            active_dumps: u32::try_from(self.active().len()).unwrap_or(u32::MAX),
            free_bytes: self.report.as_ref().and_then(|report| report.free_bytes),
        }
    }

    /// It answered, and its clock was so far ahead by the date of the answer.
    pub fn note_contact(&mut self, now: Timestamp, ahead_ms: Option<i64>) {
        self.last_contact = Some(now);
        self.failures = 0;
        // What an agent says of its clock is more exact.
        if self.report.is_none() {
            self.clock_ahead_ms = ahead_ms;
        }
    }

    /// What an agent says of itself, and how far its clock is ahead; `None` of a service that has no such call.
    pub fn note_report(&mut self, told: Option<(HostReport, i64)>) {
        self.lacks.report = told.is_none();
        if let Some((report, ahead)) = told {
            self.report = Some(report);
            self.clock_ahead_ms = Some(ahead);
        }
    }

    /// That it speaks another version of the protocol, if it does.
    pub fn mismatch(&self) -> Option<Message> {
        let (ours, theirs) = (HostReport::PROTOCOL, self.report.as_ref()?.protocol);
        (theirs != ours).then(|| {
            Message::new(format_args!(
                "it speaks version {theirs} of the protocol, this dashboard version {ours}: install the same memdeck on both"
            ))
        })
    }

    /// The service is away, or cannot be used: what it said before may not be so when it is back.
    pub fn note_away(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.records_are_current = false;
        self.frozen_pause = None;
        self.lacks = Lacks::default();
        self.report = None;
        self.forget_storage_warning();
        self.last_capabilities = self.capabilities.take().or(self.last_capabilities);
    }

    /// Whether it is to be asked now what it is; then that counts as asked.
    pub fn may_ask_report(&mut self) -> bool {
        let is_due =
            self.report.is_none() || self.asked_report.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL);
        if self.lacks.report || !is_due {
            return false;
        }
        self.asked_report = Some(Instant::now());
        true
    }
}
