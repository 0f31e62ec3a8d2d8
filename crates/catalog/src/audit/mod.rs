//! The audit: appended to in the transaction of what it tells, read page by page, checked as a whole.
//!
//! What an entry says and what a check concludes is in `memdeck_model::audit`; here are the rows and the hashes.

mod append;
mod asker;
mod beside;
mod listing;
mod verify;

pub use asker::asked_from;
pub use beside::AuditBeside;

pub(crate) use append::{append, begin_anew};

use memdeck_model::audit::AuditHash;
use sha2::{Digest as _, Sha256};

fn sha256(bytes: &[u8]) -> AuditHash {
    AuditHash(Sha256::digest(bytes).into())
}
