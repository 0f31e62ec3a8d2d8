//! What of all that happens is worth a notice.

use memdeck_model::notice::{GuestOf, Happening};
use memdeck_model::{
    ByteCount, CaptureMode, DumpStatus, EndReason, JobState, Message, Millis, Verification, VerificationState,
};

/// Findings of a verification that a notice names.
const MAX_FINDINGS: usize = 3;

/// From when on something is worth a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticeLimits {
    /// The longest pause of a guest that nobody needs to be told of.
    pub pause: Millis,
    /// What should be free on a volume of images.
    pub free: ByteCount,
}

impl Default for NoticeLimits {
    fn default() -> Self {
        Self { pause: Millis(10_000), free: ByteCount(10 << 30) }
    }
}

impl NoticeLimits {
    /// What there is to tell of a dump that has ended; nothing of one that has not.
    #[must_use]
    pub fn about_dump(&self, status: &DumpStatus) -> Vec<Happening> {
        let state = status.exact_state();
        if !state.is_final() {
            return Vec::new();
        }
        let dump_id = || status.dump_id.clone();
        let guest = || GuestOf { name: status.display_name().to_owned(), uuid: status.guest_uuid.clone() };
        let mut happened = Vec::new();
        if is_failure(state, status.end_reason.as_ref()) {
            happened.push(Happening::DumpFailed {
                dump_id: dump_id(),
                guest: guest(),
                reason: status.end_reason.clone(),
                detail: status.message.clone(),
            });
        }
        if let Some(why) = status.fallback.as_ref()
            && status.mode == Some(CaptureMode::Frozen)
        {
            happened.push(Happening::FellBack { dump_id: dump_id(), guest: guest(), why: why.clone() });
        }
        if let Some(pause_ms) = status.pause_ms
            && pause_ms > self.pause
        {
            happened.push(Happening::PausedLong {
                dump_id: dump_id(),
                guest: guest(),
                pause_ms,
                limit_ms: self.pause,
            });
        }
        happened
    }
}

/// Whether a dump ended in a way that nobody asked for.
fn is_failure(state: JobState, reason: Option<&EndReason>) -> bool {
    state == JobState::Failed || matches!(reason, Some(EndReason::TimeLimit { .. }))
}

/// What there is to tell of a verification: that it found damage, or could not look.
#[must_use]
pub fn about_verification(verification: &Verification, guest: Option<GuestOf>) -> Option<Happening> {
    if !verification.is_bad() {
        return None;
    }
    let found = found_in(verification);
    let detail = match verification.state {
        VerificationState::Failed => Message::new(format!("it could not be read: {found}")),
        _ => found,
    };
    Some(Happening::VerificationFailed { dump_id: verification.dump_id.clone(), guest, detail })
}

/// What a verification found wrong, or why it failed, in a part of a sentence.
#[must_use]
pub fn found_in(verification: &Verification) -> Message {
    if let Some(error) = &verification.error {
        return error.clone();
    }
    let findings = &verification.findings;
    let mut named: Vec<String> = findings.iter().take(MAX_FINDINGS).map(ToString::to_string).collect();
    if findings.len() > MAX_FINDINGS {
        named.push(format!("and {} more findings", findings.len() - MAX_FINDINGS));
    }
    Message::new(named.join("; "))
}

#[cfg(test)]
mod tests {
    use memdeck_model::notice::NoticeKind;
    use memdeck_model::{Actor, DumpId, Verdict};

    use super::*;

    fn kinds(change: impl Fn(&mut DumpStatus)) -> Vec<NoticeKind> {
        let mut status: DumpStatus =
            serde_json::from_str(r#"{"dump_id": "a1", "vm": "web-01", "state": "failed", "progress": 1.0}"#)
                .unwrap();
        change(&mut status);
        NoticeLimits::default().about_dump(&status).iter().map(Happening::kind).collect()
    }

    #[test]
    fn a_dump_that_somebody_ended_is_no_failure() {
        let ended = |state, reason: EndReason| {
            kinds(|status: &mut DumpStatus| {
                status.job_state = Some(state);
                status.end_reason = Some(reason.clone());
            })
        };
        let by = Actor::Page;
        let cancelled = EndReason::Cancelled { by, before_start: false };
        assert_eq!(ended(JobState::Cancelled, cancelled), []);
        assert_eq!(ended(JobState::Cancelled, EndReason::Shutdown), []);
        let limit = EndReason::TimeLimit { limit_ms: Millis(1) };
        assert_eq!(ended(JobState::Cancelled, limit), [NoticeKind::DumpFailed]);
        assert_eq!(ended(JobState::Failed, EndReason::Internal), [NoticeKind::DumpFailed]);
        assert_eq!(kinds(|_| {}), [NoticeKind::DumpFailed], "a service that gives no reason");
    }

    #[test]
    fn a_dump_that_stopped_its_guest_is_told_once_it_has_ended() {
        let completed = |state, pause| {
            kinds(move |status: &mut DumpStatus| {
                status.job_state = Some(state);
                status.mode = Some(CaptureMode::Frozen);
                status.fallback = Some("it has a device that cannot migrate".into());
                status.pause_ms = Some(Millis(pause));
            })
        };
        assert_eq!(completed(JobState::Completed, 10_000), [NoticeKind::FellBack]);
        assert_eq!(completed(JobState::Completed, 10_001), [NoticeKind::FellBack, NoticeKind::PausedLong]);
        assert_eq!(completed(JobState::Running, 10_001), []);
    }

    #[test]
    fn only_damage_and_what_cannot_be_read_is_told_of_verifications() {
        let of = |state, verdict| {
            let none = Verification::none("a1".parse::<DumpId>().unwrap());
            about_verification(&Verification { state, verdict, ..none }, None).is_some()
        };
        assert!(of(VerificationState::Finished, Some(Verdict::Damaged)));
        assert!(of(VerificationState::Failed, None));
        for verdict in [Verdict::Intact, Verdict::Sampled, Verdict::Unconfirmed] {
            assert!(!of(VerificationState::Finished, Some(verdict)));
        }
        assert!(!of(VerificationState::Running, None) && !of(VerificationState::Finished, None));
    }
}
