//! Why a dump ended without an image: data for programs, and the sentence that people read, made here and nowhere else.
//!
//! On the wire an object whose `kind` says which reason it is, with the facts of that reason beside it:
//! `{"kind": "no_space", "dir": "/var/lib/memdeck/dumps", "needed_bytes": 68719476736, "free_bytes": 1073741824}`.
//! A kind that this version does not know is read as [`EndReason::Unknown`]; the status's `message` still says it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{Actor, ByteCount, DumpId, GuestState, JobState, Message, Millis};

/// Why a dump ended without an image. `Display` is one sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", from = "Value")]
#[non_exhaustive]
pub enum EndReason {
    /// No guest is what the request named.
    UnknownGuest {
        /// As the request named it.
        vm: String,
        /// Where it was looked for.
        hypervisor: String,
    },
    /// Another dump of memdeck has the guest.
    GuestBusy {
        /// That dump.
        dump_id: DumpId,
    },
    /// A job that is not memdeck's has the guest: a migration, a save, a dump by another program.
    ForeignJob {
        /// The guest's name.
        guest: String,
        /// What libvirt calls the job, where it says.
        job: Option<String>,
        /// How long its end was waited for.
        waited_ms: Millis,
    },
    /// The guest has no memory to dump.
    NoMemory {
        /// The guest's name.
        guest: String,
        /// What it does.
        state: GuestState,
    },
    /// The guest's memory is encrypted against its host, and the request does not accept ciphertext.
    Encrypted {
        /// The guest's name.
        guest: String,
        /// `sev`, `sev-snp`, `tdx`, `s390-pv`.
        encryption: String,
    },
    /// The volume of the images is too small.
    NoSpace {
        /// The dump directory.
        dir: String,
        /// What the dump may need at most.
        needed_bytes: ByteCount,
        /// What is free.
        free_bytes: ByteCount,
    },
    /// A live dump was asked for and is not possible.
    NotLive {
        /// Why not.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        why: Message,
    },
    /// Somebody asked for it.
    Cancelled {
        by: Actor,
        /// Whether the guest had not been touched yet.
        before_start: bool,
    },
    /// It took longer than `DUMP_TIMEOUT`.
    TimeLimit { limit_ms: Millis },
    /// The guest would have stood still for longer than `FROZEN_PAUSE_LIMIT`.
    PauseLimit { limit_ms: Millis },
    /// Nothing of the guest's memory came, or could be kept, for too long.
    NoProgress {
        /// How long.
        waited_ms: Millis,
    },
    /// memdeck was stopped in an orderly way.
    Shutdown,
    /// memdeck died; its next start found the dump.
    LostInRestart,
    /// The guest ended during its dump.
    GuestEnded {
        /// The sentence that says how.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        detail: Message,
    },
    /// The hypervisor refused, failed or did not answer.
    HypervisorFailed {
        /// The sentence that says what failed and why.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        detail: Message,
    },
    /// What the hypervisor wrote is no whole image of the guest's memory.
    StreamFailed {
        /// The sentence that says what is wrong with it.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        detail: Message,
    },
    /// The image could not be stored.
    StorageFailed {
        /// The sentence that says what failed and why.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        detail: Message,
    },
    /// The catalog could not be used.
    CatalogFailed {
        /// The sentence that says what failed and why.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        detail: Message,
    },
    /// The service that took the dump does not know it any more.
    ServiceGone { service: String },
    /// A fault in memdeck.
    Internal,
    /// A reason of a newer version.
    Unknown,
}

/// Reads it field by field, as an actor is read: what serde derives for so many kinds was 40 kB of the page. What is not
/// understood is [`EndReason::Unknown`].
impl From<Value> for EndReason {
    fn from(reason: Value) -> Self {
        read(reason).unwrap_or(Self::Unknown)
    }
}

fn read(reason: Value) -> Option<EndReason> {
    let Value::Object(mut facts) = reason else { return None };
    let mut fact = |name: &str| facts.remove(name).filter(|fact| !fact.is_null());
    let text = |fact: Option<Value>| match fact? {
        Value::String(text) => Some(text),
        _ => None,
    };
    let number = |fact: Option<Value>| fact?.as_u64();
    let kind = text(fact("kind"))?;
    Some(match kind.as_str() {
        "unknown_guest" => {
            EndReason::UnknownGuest { vm: text(fact("vm"))?, hypervisor: text(fact("hypervisor"))? }
        }
        "guest_busy" => EndReason::GuestBusy { dump_id: text(fact("dump_id"))?.parse().ok()? },
        "foreign_job" => {
            let job = match fact("job") {
                Some(job) => Some(text(Some(job))?),
                None => None,
            };
            let waited_ms = Millis(number(fact("waited_ms"))?);
            EndReason::ForeignJob { guest: text(fact("guest"))?, job, waited_ms }
        }
        "no_memory" => {
            let state = GuestState::of_word(&text(fact("state"))?);
            EndReason::NoMemory { guest: text(fact("guest"))?, state }
        }
        "encrypted" => {
            EndReason::Encrypted { guest: text(fact("guest"))?, encryption: text(fact("encryption"))? }
        }
        "no_space" => EndReason::NoSpace {
            dir: text(fact("dir"))?,
            needed_bytes: ByteCount(number(fact("needed_bytes"))?),
            free_bytes: ByteCount(number(fact("free_bytes"))?),
        },
        "not_live" => EndReason::NotLive { why: text(fact("why"))?.into() },
        "cancelled" => {
            let before_start = match fact("before_start") {
                Some(before_start) => before_start.as_bool()?,
                None => false,
            };
            EndReason::Cancelled { by: Actor::kept(fact("by")?), before_start }
        }
        "time_limit" => EndReason::TimeLimit { limit_ms: Millis(number(fact("limit_ms"))?) },
        "pause_limit" => EndReason::PauseLimit { limit_ms: Millis(number(fact("limit_ms"))?) },
        "no_progress" => EndReason::NoProgress { waited_ms: Millis(number(fact("waited_ms"))?) },
        "shutdown" => EndReason::Shutdown,
        "lost_in_restart" => EndReason::LostInRestart,
        "guest_ended" => EndReason::GuestEnded { detail: text(fact("detail"))?.into() },
        "hypervisor_failed" => EndReason::HypervisorFailed { detail: text(fact("detail"))?.into() },
        "stream_failed" => EndReason::StreamFailed { detail: text(fact("detail"))?.into() },
        "storage_failed" => EndReason::StorageFailed { detail: text(fact("detail"))?.into() },
        "catalog_failed" => EndReason::CatalogFailed { detail: text(fact("detail"))?.into() },
        "service_gone" => EndReason::ServiceGone { service: text(fact("service"))? },
        "internal" => EndReason::Internal,
        _ => return None,
    })
}

impl EndReason {
    /// The state that a job with this end is in.
    #[must_use]
    pub fn state(&self) -> JobState {
        match self {
            Self::Cancelled { .. } | Self::TimeLimit { .. } | Self::Shutdown => JobState::Cancelled,
            _ => JobState::Failed,
        }
    }

    /// Reads what a field holds, where it may come from a newer version: nothing there is an error.
    ///
    /// # Errors
    /// The field is not JSON.
    pub fn deserialize_tolerant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Self>, D::Error> {
        Ok(Option::<Value>::deserialize(from)?.map(Self::from))
    }

    /// Reads the JSON that [`Self::to_json`] wrote, in this version or another one.
    #[must_use]
    pub fn from_json(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or(Self::Unknown)
    }

    /// The form on the wire and in the catalog.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only a map with keys that are no text could fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownGuest { vm, hypervisor } => write!(f, "no VM '{vm}' on {hypervisor}"),
            Self::GuestBusy { dump_id } => {
                write!(f, "another dump of this guest ({dump_id}) is running already")
            }
            Self::ForeignJob { guest, job, waited_ms } => write!(
                f,
                "another program's job ({}) has had VM '{guest}' for {waited_ms}; try again when it has ended \
                 (virsh domjobinfo)",
                job.as_deref().unwrap_or("libvirt does not say which")
            ),
            Self::NoMemory { guest, state } => {
                write!(f, "{guest} is {}: it has no memory to dump; start it first", state.as_str())
            }
            Self::Encrypted { guest, encryption } => write!(
                f,
                "the memory of {guest} is encrypted ({encryption}), so its image would be ciphertext; \
                 ask with accept_encrypted to dump it anyway"
            ),
            Self::NoSpace { dir, needed_bytes, free_bytes } => write!(
                f,
                "not enough space in {dir}: the dump may need {needed_bytes}, {free_bytes} are free; \
                 make room or move DUMP_DIR"
            ),
            Self::NotLive { why } => {
                write!(f, "a live dump is not possible: {why}; ask for mode auto or frozen")
            }
            Self::Cancelled { by, before_start: false } => write!(f, "cancelled by {by}"),
            Self::Cancelled { by, before_start: true } => write!(f, "cancelled by {by} before it began"),
            Self::TimeLimit { limit_ms } => {
                write!(f, "cancelled: it took longer than the limit of {limit_ms} (DUMP_TIMEOUT)")
            }
            Self::PauseLimit { limit_ms } => write!(
                f,
                "given up so that the guest runs: it would have stood still for longer than the limit of {limit_ms} \
                 (FROZEN_PAUSE_LIMIT); ask for a live dump, or raise the limit"
            ),
            Self::NoProgress { waited_ms } => write!(
                f,
                "given up so that the guest runs: for {waited_ms} nothing of its memory came or could be kept; \
                 check the dump directory's volume and libvirtd"
            ),
            Self::Shutdown => f.write_str("cancelled: memdeck was stopped while the dump was running"),
            Self::LostInRestart => f.write_str(
                "memdeck ended while this dump was running (crash, kill or power loss); its partial file was \
                 removed. Start the dump again.",
            ),
            Self::GuestEnded { detail }
            | Self::HypervisorFailed { detail }
            | Self::StreamFailed { detail }
            | Self::StorageFailed { detail }
            | Self::CatalogFailed { detail } => write!(f, "{detail}"),
            Self::ServiceGone { service } => write!(
                f,
                "the dump service {service} does not know this dump any more: it was restarted or forgot it; \
                 start the dump again"
            ),
            Self::Internal => f.write_str(
                "memdeck could not carry out this dump because of an internal error; its log has the details",
            ),
            Self::Unknown => f.write_str("for a reason that only a newer version of memdeck knows"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every() -> Vec<EndReason> {
        let text = || "x".to_owned();
        vec![
            EndReason::UnknownGuest { vm: text(), hypervisor: text() },
            EndReason::GuestBusy { dump_id: DumpId::from_uuid_bits(7) },
            EndReason::ForeignJob { guest: text(), job: None, waited_ms: Millis(7) },
            EndReason::NoMemory { guest: text(), state: GuestState::Shutoff },
            EndReason::Encrypted { guest: text(), encryption: text() },
            EndReason::NoSpace { dir: text(), needed_bytes: ByteCount(2), free_bytes: ByteCount(1) },
            EndReason::NotLive { why: "x".into() },
            EndReason::Cancelled { by: Actor::Page, before_start: true },
            EndReason::TimeLimit { limit_ms: Millis(7) },
            EndReason::PauseLimit { limit_ms: Millis(7) },
            EndReason::NoProgress { waited_ms: Millis(7) },
            EndReason::Shutdown,
            EndReason::LostInRestart,
            EndReason::GuestEnded { detail: "x".into() },
            EndReason::HypervisorFailed { detail: "x".into() },
            EndReason::StreamFailed { detail: "x".into() },
            EndReason::StorageFailed { detail: "x".into() },
            EndReason::CatalogFailed { detail: "x".into() },
            EndReason::ServiceGone { service: text() },
            EndReason::Internal,
        ]
    }

    #[test]
    fn every_reason_is_read_back_as_it_was_written() {
        for reason in every() {
            assert_eq!(EndReason::from_json(&reason.to_json()), reason);
            assert!(!reason.to_string().is_empty());
        }
    }

    #[test]
    fn a_reason_of_a_newer_version_does_not_make_a_status_unreadable() {
        for newer in [r#"{"kind": "swapped_out", "pages": 7}"#, r#"{"kind": "no_space", "dir": 7}"#, "7"] {
            let status = format!(
                r#"{{"dump_id": "a", "vm": "web-01", "state": "failed", "progress": 0.0, "end_reason": {newer}}}"#
            );
            let status: crate::DumpStatus = serde_json::from_str(&status).unwrap();
            assert_eq!(status.end_reason, Some(EndReason::Unknown), "{newer}");
        }
    }

    #[test]
    fn on_the_wire_a_reason_names_its_kind_and_its_facts() {
        let reason = EndReason::NoSpace {
            dir: "/dumps".to_owned(),
            needed_bytes: ByteCount(2),
            free_bytes: ByteCount(1),
        };
        assert_eq!(reason.to_json(), r#"{"kind":"no_space","dir":"/dumps","needed_bytes":2,"free_bytes":1}"#);
        assert_eq!(EndReason::Shutdown.to_json(), r#"{"kind":"shutdown"}"#);
    }

    #[test]
    fn only_what_was_asked_for_and_the_time_limit_cancel() {
        let cancelled: Vec<_> = every()
            .into_iter()
            .filter(|reason| reason.state() == JobState::Cancelled)
            .map(|reason| reason.to_json().split('"').nth(3).unwrap_or_default().to_owned())
            .collect();
        assert_eq!(cancelled, ["cancelled", "time_limit", "shutdown"]);
    }
}
