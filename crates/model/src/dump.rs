//! A dump from the moment it is asked for to its end.
//!
//! ```text
//! queued ──► running ──► completed
//!    │          ├──────► failed       (also: found running after a crash)
//!    └──────────┴──────► cancelled
//! ```

use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::{
    ByteCount, CaptureMode, DumpId, EndReason, GuestName, HostId, JobState, Message, Millis, Record,
    Timestamp, WaitsFor,
};

/// The four states that existing clients know. A cancelled dump is `failed` to them, with a message that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DumpState {
    /// Waiting.
    Queued,
    /// Being taken.
    Running,
    /// Done.
    Completed,
    /// Ended without an image.
    Failed,
}

impl From<JobState> for DumpState {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Queued => Self::Queued,
            JobState::Running => Self::Running,
            JobState::Completed => Self::Completed,
            JobState::Failed | JobState::Cancelled => Self::Failed,
        }
    }
}

impl From<DumpState> for JobState {
    fn from(state: DumpState) -> Self {
        match state {
            DumpState::Queued => Self::Queued,
            DumpState::Running => Self::Running,
            DumpState::Completed => Self::Completed,
            DumpState::Failed => Self::Failed,
        }
    }
}

/// How the pause of a guest was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseSource {
    /// From the times at which the hypervisor itself stopped and resumed the guest, by its own clock.
    HypervisorClock,
    /// From the moments at which the news of it arrived, which on a busy machine come late, one more than the other.
    EventArrival,
}

/// What a running dump is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DumpPhase {
    /// The guest is read: frozen it stands still, live it runs.
    #[default]
    Copying,
    /// The guest is left alone again; what was read of it is put in order, hashed and written.
    Storing,
}

/// How far a running dump is in its phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Bytes so far. While a live dump copies: of guest memory that came at least once. Else: of the uncompressed image
    /// that are being hashed and written or already are.
    pub bytes_done: ByteCount,
    /// Bytes in the end: predicted from the guest's memory until the headers of the image are known, exact after.
    pub bytes_expected: ByteCount,
}

impl Progress {
    /// 0 to 100. Never 100 before the end is known: the seal comes after the last byte.
    #[must_use]
    pub fn percent(self) -> f64 {
        if self.bytes_expected.0 == 0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "one decimal is kept")]
        let percent = self.bytes_done.0 as f64 / self.bytes_expected.0 as f64 * 100.0;
        (bounded(percent, 0.0, 99.9) * 10.0).floor() / 10.0
    }
}

/// How a live dump copies while the guest runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveProgress {
    /// How often the guest's memory was gone over: 1 is the first copy.
    pub iteration: u64,
    /// How fast the guest changes its memory, bytes per second.
    pub dirty_bytes_per_s: ByteCount,
}

/// The state of one dump in the shape of contract section 1. Fields after `duration_sec` are memdeck's own and
/// missing from other services.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DumpStatus {
    /// Which dump.
    pub dump_id: DumpId,
    /// The guest as the request named it.
    pub vm: String,
    /// One of the four states old clients know.
    pub state: DumpState,
    /// 0 to 100.
    pub progress: f64,
    /// One sentence for people.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub message: Message,
    /// When the guest began to be read.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When the job ended, however it ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// The image file on the hypervisor's host; only of a completed dump.
    #[serde(default)]
    pub dump_path: Option<String>,
    /// Seconds from start to end.
    #[serde(default)]
    pub duration_sec: Option<f64>,

    /// The host that takes it; only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The exact state, if the service reports it.
    #[serde(default)]
    pub job_state: Option<JobState>,
    /// The guest's name, once the request's reference was resolved.
    #[serde(default)]
    pub guest: Option<GuestName>,
    /// The guest's UUID, once the request's reference was resolved. Without it, which guest was meant rests on the text
    /// alone: a service that is not memdeck does not report it.
    #[serde(default)]
    pub guest_uuid: Option<String>,
    /// Why it ended without an image; `message` says it in one sentence.
    #[serde(default, deserialize_with = "EndReason::deserialize_tolerant")]
    pub end_reason: Option<EndReason>,
    /// When the job was accepted.
    #[serde(default)]
    pub queued_at: Option<Timestamp>,
    /// Bytes done and expected in the present phase, while it runs.
    #[serde(default)]
    pub bytes: Option<Progress>,
    /// What it is doing, while it runs.
    #[serde(default)]
    pub phase: Option<DumpPhase>,
    /// What it waits for, while it waits; `message` says it in one sentence.
    #[serde(
        default,
        deserialize_with = "WaitsFor::deserialize_tolerant",
        skip_serializing_if = "Option::is_none"
    )]
    pub waits_for: Option<WaitsFor>,
    /// How long the guest was stopped, once it runs again.
    #[serde(default)]
    pub pause_ms: Option<Millis>,
    /// How the memory is or was taken, once that is decided.
    #[serde(default)]
    pub mode: Option<CaptureMode>,
    /// Why another mode than the first choice was taken.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub fallback: Option<Message>,
    /// How a live dump copies, while it does.
    #[serde(default)]
    pub live: Option<LiveProgress>,
    /// The record of a completed dump.
    #[serde(default)]
    pub record: Option<Box<Record>>,
}

impl DumpStatus {
    /// The exact state where known, else the nearest one.
    #[must_use]
    pub fn exact_state(&self) -> JobState {
        self.job_state.unwrap_or_else(|| self.state.into())
    }

    /// The guest's name where known, else what the request called it.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.guest.as_ref().map_or(&self.vm, |name| &name.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_dump_is_failed_to_old_clients() {
        assert_eq!(serde_json::to_value(DumpState::from(JobState::Cancelled)).unwrap(), "failed");
    }

    #[test]
    fn progress_never_claims_the_end() {
        let at = |done, of| Progress { bytes_done: ByteCount(done), bytes_expected: ByteCount(of) }.percent();
        let shown =
            [at(0, 0), at(0, 10), at(455, 1000), at(10, 10), at(11, 10)].map(|percent| percent.to_string());
        assert_eq!(shown, ["0", "0", "45.5", "99.9", "99.9"]);
    }

    #[test]
    fn a_status_of_a_service_that_has_only_the_contract_is_read() {
        let status: DumpStatus = serde_json::from_str(
            r#"{"dump_id": "a1", "vm": "web-01", "state": "running", "progress": 45.5, "message": "m",
                "started_at": "2025-11-14T08:58:23.550273Z", "finished_at": null, "dump_path": null,
                "duration_sec": null}"#,
        )
        .unwrap();
        assert_eq!(status.exact_state(), JobState::Running);
        assert_eq!(status.display_name(), "web-01");
    }
}
