//! Rows: an entry as it is kept, and the bytes of it that are hashed.

use super::{AuditDetails, AuditEntry, AuditHash, NewEntry};
use crate::{Actor, Timestamp};

/// Begins the bytes of every row, so that no other hash of memdeck can be taken for one of the audit.
const DOMAIN: &[u8] = b"memdeck audit row 1\n";
/// Stands for the length of a text that is not there.
const NOTHING: u64 = u64::MAX;

/// An entry as it is kept: every column as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    pub seq: u64,
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// [`Actor`] as JSON.
    pub actor: String,
    /// The IP address of the caller.
    pub address: Option<String>,
    pub action: String,
    /// [`super::AuditObject`] as JSON.
    pub object: String,
    pub result: String,
    /// [`AuditDetails`] as JSON.
    pub details: String,
    /// The hash of the row before it.
    pub previous: AuditHash,
    /// SHA-256 of [`Self::canonical`].
    pub hash: AuditHash,
}

/// A row cannot be read as an entry: something else wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {seq} of the audit cannot be read: its column {column} means nothing to this program")]
pub struct RowError {
    pub seq: u64,
    pub column: &'static str,
}

impl AuditRow {
    /// The row with which `entry` is kept; its hash is still to be made.
    #[must_use]
    pub fn new(seq: u64, entry: &NewEntry, previous: AuditHash) -> Self {
        Self {
            seq,
            at: entry.at.unix_micros(),
            actor: entry.actor.to_json(),
            address: entry.address.clone(),
            action: entry.action.as_str().to_owned(),
            // Maps with keys that are no text are what could fail, and there are none.
            object: serde_json::to_string(&entry.object).unwrap_or_default(),
            result: entry.result.as_str().to_owned(),
            details: serde_json::to_string(&entry.details).unwrap_or_default(),
            previous,
            hash: AuditHash::NONE,
        }
    }

    /// What is hashed, in `bytes`, in place of what was there: the domain, the hash of the row before, the sequence number
    /// and the instant as 8 bytes in little endian, and each text behind its length in 8 bytes. `seq` is given so that a
    /// check can ask whether the row is one that had another number.
    pub fn canonical(&self, seq: u64, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend_from_slice(DOMAIN);
        bytes.extend_from_slice(&self.previous.0);
        bytes.extend_from_slice(&seq.to_le_bytes());
        bytes.extend_from_slice(&self.at.to_le_bytes());
        let texts = [
            Some(&self.actor),
            self.address.as_ref(),
            Some(&self.action),
            Some(&self.object),
            Some(&self.result),
            Some(&self.details),
        ];
        for text in texts {
            let length = text.map_or(NOTHING, |text| u64::try_from(text.len()).unwrap_or(NOTHING));
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(text.map_or(&[][..], |text| text.as_bytes()));
        }
    }

    /// What it says.
    ///
    /// # Errors
    /// A column holds what no version of memdeck writes.
    pub fn read(&self) -> Result<AuditEntry, RowError> {
        let unreadable = |column| RowError { seq: self.seq, column };
        Ok(AuditEntry {
            seq: self.seq,
            at: Timestamp::from_unix_micros(self.at).map_err(|_| unreadable("at"))?,
            actor: Actor::from_kept(&self.actor),
            address: self.address.clone(),
            action: self.action.parse().map_err(|()| unreadable("action"))?,
            object: serde_json::from_str(&self.object).map_err(|_| unreadable("object"))?,
            result: self.result.parse().map_err(|()| unreadable("result"))?,
            details: self.read_details().ok_or_else(|| unreadable("details"))?,
            previous: self.previous,
            hash: self.hash,
        })
    }

    pub(super) fn read_details(&self) -> Option<AuditDetails> {
        serde_json::from_str(&self.details).ok()
    }
}
