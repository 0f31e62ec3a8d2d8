//! What else an entry says: typed fields, each of which stands only where it is known.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::AuditHead;
use crate::{ByteCount, CaptureMode, EndReason, Message, Millis, ModeChoice, Remark, Timestamp, Verdict};

/// Half-open, in bytes of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SentPart {
    pub start: u64,
    pub end: u64,
}

/// How a chain begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ChainStart {
    /// The last row before it, as the catalog has it; `None` for the first chain of a catalog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<AuditHead>,
    /// When the catalog was restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Timestamp>,
    /// The furthest row of an earlier chain that a manifest names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witnessed: Option<AuditHead>,
    /// Rows that were written before the restoration and are missing, at least: as many as manifests name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
}

/// What else an entry says. What is not known or does not apply is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct AuditDetails {
    /// The sequence number of the entry that this one ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun: Option<u64>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Message>,
    /// Why a dump ended without an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// The mode that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_mode: Option<ModeChoice>,
    /// The mode that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<CaptureMode>,
    /// How long the guest was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<Millis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Remark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Remark>,
    /// SHA-256 of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The form of the bytes that were sent: `elf`, `raw`, `lime`, `avml` or `stored`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The part that was asked for; missing for the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<SentPart>,
    /// Bytes that were sent, or that an image has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<ByteCount>,
    /// What a verification found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The name of what was set: a role, a field of a setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it was before. Never a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is now. Never a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How many: rows, records, images, failures that were not noted one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The version of memdeck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The name of the request in the log of memdeck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The end of the audit of the agent that did it, when it answered: the row there is about this, or came just after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AuditHead>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainStart>,
}

impl fmt::Display for AuditDetails {
    /// What people read beside action, object and result; empty where there is nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said: Vec<String> = Vec::new();
        let mut say = |what: Option<String>| said.extend(what);
        say(self.mode.map(|mode| mode.as_str().to_owned()));
        say(self.asked_mode.filter(|_| self.mode.is_none()).map(|mode| format!("mode {}", mode.as_str())));
        say(self.format.as_ref().map(|format| format!("as {format}")));
        say(self.part.map(|SentPart { start, end }| format!("bytes {start} to {}", end.saturating_sub(1))));
        say(self.bytes.map(|bytes| bytes.to_string()));
        say(self.pause_ms.map(|pause| format!("guest stopped for {pause}")));
        say(self.verdict.map(|verdict| format!("verdict {}", verdict.as_str())));
        say(self.case.as_ref().map(|case| format!("case {}", case.as_str())));
        say(self.name.clone());
        say(match (&self.before, &self.value) {
            (Some(before), Some(value)) => Some(format!("{before} → {value}")),
            (before, value) => value.clone().or_else(|| before.clone()),
        });
        say(self.count.filter(|count| *count > 1).map(|count| format!("{count} times")));
        say(self.version.as_ref().map(|version| format!("version {version}")));
        say(self.reason.as_ref().map(ToString::to_string));
        if let Some(ChainStart { after, restored_at, missing, .. }) = &self.chain {
            say(after.as_ref().map(|after| format!("goes on behind row {}", after.seq)));
            say(restored_at.map(|at| format!("the catalog was restored at {at}")));
            say(missing.map(|missing| format!("{missing} rows missing")));
        }
        say(self.begun.map(|begun| format!("begun in row {begun}")));
        say(self.agent.as_ref().map(|agent| format!("row {} of the agent", agent.seq)));
        f.write_str(&said.join("; "))
    }
}

impl AuditDetails {
    /// Nothing but why, in words of a bounded length.
    #[must_use]
    pub fn because(reason: impl std::fmt::Display) -> Self {
        Self { reason: Some(Message::new(reason).bounded(500)), ..Self::default() }
    }
}
