//! The audit: an append-only log of everything that changes something or takes memory out, as a chain of SHA-256 hashes.
//!
//! ```text
//! row n-1: hash ──► row n: previous = that hash; hash = SHA-256(previous + canonical bytes of row n) ──► row n+1
//! ```
//!
//! Here is what an entry says ([`AuditEntry`]), how it becomes bytes ([`AuditRow::canonical`]) and what a check of the
//! chain concludes ([`ChainCheck`]). Who hashes and who keeps the rows is the catalog.

mod action;
mod check;
mod details;
mod entry;
mod hash;
mod line;
mod object;
mod query;
mod report;
mod row;

pub use action::{AuditAction, AuditResult};
pub use check::{ChainCheck, Hasher};
pub use details::{AuditDetails, ChainStart, SentPart};
pub use entry::{AuditEntry, NewEntry};
pub use hash::{AuditHash, AuditHead, ParseHashError};
pub use line::{AuditLine, AuditLines, AuditVerdict};
pub use object::AuditObject;
pub use query::{AuditFilter, AuditPage, AuditQuery};
pub use report::{AuditFinding, AuditReport, Restored, Witness};
pub use row::{AuditRow, RowError};
