//! What a check of the audit found.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AuditHash, AuditHead};
use crate::{DumpId, Timestamp};

/// Somebody who knew the end of the audit at one moment: the manifest of a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    pub dump_id: DumpId,
    pub head: AuditHead,
}

/// What is not as memdeck wrote it. Numbers are those that the rows have now, unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AuditFinding {
    /// The row says something else than memdeck wrote.
    Changed { seq: u64 },
    /// These rows are gone; both ends are included.
    Removed { from: u64, to: u64 },
    /// memdeck did not write these rows; both ends are included.
    Inserted { from: u64, to: u64 },
    /// The row had another number when it was written.
    Reordered { seq: u64, was: u64 },
    /// Nothing says any more which row is the newest.
    EndRemoved,
    /// A manifest names another hash of this row: it or rows before it were written anew.
    Rewritten { seq: u64, dump_id: DumpId },
    /// A manifest names a chain that is not there: the rows up to this one are gone, or the image came from elsewhere.
    ChainRemoved { chain: AuditHash, seq: u64, dump_id: DumpId },
}

impl fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { seq } => write!(f, "row {seq} was changed"),
            Self::Removed { from, to } if from == to => write!(f, "row {from} was removed"),
            Self::Removed { from, to } => write!(f, "rows {from} to {to} were removed"),
            Self::Inserted { from, to } if from == to => write!(f, "row {from} was inserted"),
            Self::Inserted { from, to } => write!(f, "rows {from} to {to} were inserted"),
            Self::Reordered { seq, was } => write!(f, "rows were reordered: row {seq} was row {was}"),
            Self::EndRemoved => f.write_str("the note of the newest row was removed"),
            Self::Rewritten { seq, dump_id } => {
                write!(
                    f,
                    "rows up to {seq} were written anew: the manifest of dump {dump_id} names another hash"
                )
            }
            Self::ChainRemoved { seq, dump_id, .. } => write!(
                f,
                "{seq} rows or more are gone: the manifest of dump {dump_id} names an audit that is not in this catalog"
            ),
        }
    }
}

/// The catalog was restored, and the audit went on from what the backup held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Restored {
    pub at: Timestamp,
    /// Rows that are missing because of it, at least: as many as manifests name.
    pub missing: u64,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, missing } = self;
        match missing {
            0 => write!(f, "restored at {at}, no row that a manifest names is missing"),
            1 => write!(f, "restored at {at}, 1 row missing"),
            _ => write!(f, "restored at {at}, {missing} rows missing"),
        }
    }
}

/// What a check of the whole audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditReport {
    /// Whether every row is as memdeck wrote it, and where it was written.
    pub intact: bool,
    /// Rows that were read.
    pub rows: u64,
    /// The newest row.
    pub head: Option<AuditHead>,
    /// Manifests that were compared with it.
    pub witnesses: u64,
    /// Restorations of the catalog, the oldest first.
    pub restored: Vec<Restored>,
    /// What is wrong, by its kind and then by the numbers of rows; the first thousand.
    pub findings: Vec<AuditFinding>,
    /// Whether there is more than that.
    pub more: bool,
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, witnesses, .. } = self;
        let manifests = match witnesses {
            0 => "no manifest names a row".to_owned(),
            1 => "the 1 manifest that names a row agrees".to_owned(),
            _ => format!("the {witnesses} manifests that name rows agree"),
        };
        if self.intact {
            write!(f, "The audit is intact: {rows} rows, each as it was written; {manifests}.")?;
        } else {
            write!(f, "The audit was manipulated ({rows} rows are there).")?;
        }
        for restored in &self.restored {
            write!(f, " The catalog was {restored}.")?;
        }
        Ok(())
    }
}
