//! What can be asked about a stored image: its verification, its deletion.

use serde::{Deserialize, Serialize};

use crate::{Actor, ByteCount, DumpId, Message, Timestamp, Verdict};

/// How far a verification is.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerificationState {
    /// None is known.
    #[default]
    None,
    /// It reads the image.
    Running,
    /// It has a verdict.
    Finished,
    /// It could not read the image, and says nothing about it.
    Failed,
}

/// The newest verification of a dump's image.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Which dump.
    pub dump_id: DumpId,
    /// How far it is.
    pub state: VerificationState,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Actor>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Bytes of the image that were checked.
    pub bytes_done: ByteCount,
    /// Bytes of the image; 0 until that is known.
    pub bytes_expected: ByteCount,
    /// Once it is finished; a word that this version does not know is read as none.
    #[serde(default, deserialize_with = "Verdict::deserialize_tolerant")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub verdict: Option<Verdict>,
    /// What is wrong, a sentence for each finding.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub findings: Vec<Message>,
    /// Why it failed.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub error: Option<Message>,
    /// The whole report as `memdeck verify --json` prints it, once it is finished.
    pub report: Option<serde_json::Value>,
}

impl Verification {
    /// None so far.
    #[must_use]
    pub fn none(dump_id: DumpId) -> Self {
        Self {
            dump_id,
            state: VerificationState::None,
            requested_by: None,
            started_at: None,
            finished_at: None,
            bytes_done: ByteCount(0),
            bytes_expected: ByteCount(0),
            verdict: None,
            findings: Vec::new(),
            error: None,
            report: None,
        }
    }

    /// Whether it found damage, or could not read the image.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.state == VerificationState::Failed || self.verdict == Some(Verdict::Damaged)
    }

    /// The same without the whole report, which is large and seldom needed.
    #[must_use]
    pub fn in_short(&self) -> Self {
        Self { report: None, ..self.clone() }
    }
}

/// A request to delete a dump's image.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRequest {
    /// The guest's name, as the record has it: nobody deletes evidence by a slip.
    pub confirm: String,
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
}

impl DeleteRequest {
    /// Confirmed with the name of the guest.
    #[must_use]
    pub fn confirmed(guest: &str) -> Self {
        Self { confirm: guest.to_owned(), by: None }
    }

    /// Who wants it, as [`TriggerRequest::actor`](crate::TriggerRequest::actor).
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::claimed(self.by.as_ref())
    }

    /// On behalf of `actor`.
    #[must_use]
    pub fn by(self, actor: Actor) -> Self {
        Self { by: Some(actor), ..self }
    }
}

/// A deletion that was asked for.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Whose image.
    pub dump_id: DumpId,
    pub deleted_at: Timestamp,
    /// By whom.
    #[serde(deserialize_with = "Actor::deserialize_kept")]
    pub deleted_by: Actor,
}
