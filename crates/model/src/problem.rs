//! The one error that crosses the wire.

use serde::{Deserialize, Serialize};

use crate::{DumpId, Message};

/// What kind of failure a caller can react to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The request itself is wrong; sending it again changes nothing.
    Invalid,
    /// What was named does not exist.
    NotFound,
    /// What was named existed, and does not exist any more.
    Gone,
    /// The request contradicts the present state.
    Conflict,
    /// The key of the request belongs to another one.
    KeyReused,
    /// The caller must say who it is.
    Unauthorized,
    /// The caller is known and may not do that.
    Forbidden,
    /// A part memdeck depends on does not answer; trying again later may help.
    Unavailable,
    /// memdeck failed; its log has the details.
    Internal,
}

impl ProblemKind {
    /// The status code of the HTTP answer.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::KeyReused => 422,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// An error as callers see it: a kind to react to and a sentence for people. REST puts the sentence into `detail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// What kind of failure this is.
    pub kind: ProblemKind,
    /// What failed, on which object, and what to do now.
    pub detail: Message,
    /// The request that failed, as the server's log names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What may have been meant, where a name means several things.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    /// The dumps whose images are stored as differences to the one that was to be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed_by: Vec<DumpId>,
}

impl Problem {
    /// A problem of `kind` with the sentence `detail`.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<Message>) -> Self {
        Self { kind, detail: detail.into(), request_id: None, candidates: Vec::new(), needed_by: Vec::new() }
    }
}
