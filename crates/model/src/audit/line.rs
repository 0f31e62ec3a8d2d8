//! An entry in words, for people: the page, tables, spreadsheets.

use serde::{Deserialize, Serialize};

use super::{AuditEntry, AuditReport, AuditResult};
use crate::{DumpId, Timestamp};

/// An entry in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    pub seq: u64,
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// From where; empty if it did not come over a network.
    pub address: String,
    pub action: String,
    /// On what. Of a dump without its id, which is `dump_id`.
    pub object: String,
    pub dump_id: Option<DumpId>,
    pub result: AuditResult,
    pub details: String,
    /// The hash of the entry, 64 hexadecimal digits.
    pub hash: String,
}

impl From<&AuditEntry> for AuditLine {
    fn from(entry: &AuditEntry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at,
            actor: entry.actor.to_string(),
            address: entry.address.clone().unwrap_or_default(),
            action: entry.action.label().to_owned(),
            object: match entry.object.guest_of_dump() {
                Some(guest) => format!("dump of {guest}"),
                None => entry.object.to_string(),
            },
            dump_id: entry.object.dump_id().cloned(),
            result: entry.result,
            details: entry.details.to_string(),
            hash: entry.hash.to_string(),
        }
    }
}

/// A page of the audit in words, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLines {
    pub lines: Vec<AuditLine>,
    /// What to give as `before` for the next ones; `None` if there are no more.
    pub next: Option<u64>,
}

/// What a check found, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerdict {
    pub intact: bool,
    /// All in all.
    pub sentence: String,
    /// What is wrong, a sentence each.
    pub findings: Vec<String>,
}

impl From<&AuditReport> for AuditVerdict {
    fn from(report: &AuditReport) -> Self {
        let mut findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        if report.more {
            findings.push("and more".to_owned());
        }
        Self { intact: report.intact, sentence: report.to_string(), findings }
    }
}
