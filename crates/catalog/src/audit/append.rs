//! Adds entries.

use memdeck_model::audit::{
    AuditAction, AuditDetails, AuditHash, AuditHead, AuditObject, AuditResult, AuditRow, ChainStart, NewEntry,
};
use memdeck_model::{Actor, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{asker, sha256};
use crate::column::integer;
use crate::reserve::For;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Adds an entry, in a transaction of its own, and returns the end of the audit: that entry. When this returns, it is on
    /// disk.
    ///
    /// # Errors
    /// `SQLite` refused. Nobody may do what could not be noted.
    pub fn note(&self, entry: &NewEntry) -> Result<AuditHead, CatalogError> {
        self.conclude("note what is done", For::End, |tx| append(tx, entry))
    }

    /// Adds entries, all or none, and returns the end of the audit.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn note_all(&self, entries: &[NewEntry]) -> Result<Option<AuditHead>, CatalogError> {
        self.conclude("note what is done", For::End, |tx| {
            entries.iter().try_fold(None, |_, entry| append(tx, entry).map(Some))
        })
    }

    /// The end of the audit; `None` if there is no entry yet.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn audit_head(&self) -> Result<Option<AuditHead>, CatalogError> {
        self.read("read the end of the audit", head)
    }

    /// Adds the entry of a start. Before it comes, for each entry that says that something begins and that no other ends,
    /// one that says that the result is not known: memdeck ended before. Returns how many of them there were.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn note_start(&self, start: &NewEntry) -> Result<u64, CatalogError> {
        let at = start.at;
        self.conclude("note the start", For::Start, |tx| {
            let open = {
                let mut statement = tx.prepare_cached("SELECT seq FROM audit_open ORDER BY seq")?;
                statement.query_map([], |row| row.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?
            };
            for seq in &open {
                let Some(begun) = super::listing::row(tx, *seq)?.and_then(|row| row.read().ok()) else {
                    tx.execute("DELETE FROM audit_open WHERE seq = ?1", [seq])?;
                    continue;
                };
                let details = AuditDetails { begun: Some(begun.seq), ..AuditDetails::default() };
                let entry = NewEntry::new(at, Actor::Service, begun.action, begun.object);
                append(tx, &entry.with_result(AuditResult::Unknown).with(details))?;
            }
            append(tx, start)?;
            Ok(u64::try_from(open.len()).unwrap_or(u64::MAX))
        })
    }
}

/// Adds an entry within the transaction of what it tells. The first one of a catalog begins the chain.
pub(crate) fn append(connection: &Connection, entry: &NewEntry) -> Result<AuditHead, CatalogError> {
    let head = match head(connection)? {
        Some(head) => head,
        None => begin(connection, entry.at, None, ChainStart::default())?,
    };
    let previous = Some(&head);
    let appended = insert(connection, entry, previous, Some(head.chain))?;
    if entry.result == AuditResult::Begun {
        let mut open = connection.prepare_cached("INSERT INTO audit_open (seq) VALUES (?1)")?;
        open.execute([integer(appended.seq)])?;
    }
    if let Some(begun) = entry.details.begun {
        let mut close = connection.prepare_cached("DELETE FROM audit_open WHERE seq = ?1")?;
        close.execute([integer(begun)])?;
    }
    asker::noted(&appended);
    Ok(appended)
}

/// Begins another chain behind what is there, because the catalog was restored at `at`: what manifests say of rows after
/// that is of the chain before, and numbers that are given again are not taken for those.
pub(crate) fn begin_anew(connection: &Connection, at: Timestamp) -> Result<AuditHead, CatalogError> {
    let after = head(connection)?;
    let start = ChainStart { after: after.clone(), restored_at: Some(at), ..ChainStart::default() };
    // What had begun when the backup was made is nobody's any more.
    connection.execute("DELETE FROM audit_open", [])?;
    begin(connection, at, after.as_ref(), start)
}

fn begin(
    connection: &Connection,
    at: Timestamp,
    after: Option<&AuditHead>,
    start: ChainStart,
) -> Result<AuditHead, CatalogError> {
    let details = AuditDetails { chain: Some(start), ..AuditDetails::default() };
    let entry = NewEntry::new(at, Actor::Service, AuditAction::ChainBegun, AuditObject::Audit).with(details);
    insert(connection, &entry, after, None)
}

/// Writes a row behind `previous`; `chain` is that of the row, which is its own if it begins one.
fn insert(
    connection: &Connection,
    entry: &NewEntry,
    previous: Option<&AuditHead>,
    chain: Option<AuditHash>,
) -> Result<AuditHead, CatalogError> {
    let seq = previous.map_or(0, |previous| previous.seq).saturating_add(1);
    let hash = previous.map_or(AuditHash::NONE, |previous| previous.hash);
    let mut row = AuditRow::new(seq, entry, hash);
    if row.address.is_none() {
        row.address = asker::address();
    }
    let mut bytes = Vec::new();
    row.canonical(seq, &mut bytes);
    row.hash = sha256(&bytes);
    let mut statement = connection.prepare_cached(
        "INSERT INTO audit (seq, at, actor, address, action, object, result, details, previous, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    statement.execute(params![
        integer(seq),
        row.at,
        row.actor,
        row.address,
        row.action,
        row.object,
        row.result,
        row.details,
        row.previous.0,
        row.hash.0,
    ])?;
    let head = AuditHead { chain: chain.unwrap_or(row.hash), seq, hash: row.hash };
    let mut statement = connection.prepare_cached(
        "INSERT INTO audit_head (id, chain, seq, hash) VALUES (1, ?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET chain = excluded.chain, seq = excluded.seq, hash = excluded.hash",
    )?;
    statement.execute(params![head.chain.0, integer(head.seq), head.hash.0])?;
    Ok(head)
}

pub(super) fn head(connection: &Connection) -> Result<Option<AuditHead>, CatalogError> {
    let mut statement = connection.prepare_cached("SELECT chain, seq, hash FROM audit_head")?;
    let head = statement.query_row([], |row| {
        Ok(AuditHead {
            chain: AuditHash(row.get(0)?),
            seq: row.get::<_, i64>(1)?.cast_unsigned(),
            hash: AuditHash(row.get(2)?),
        })
    });
    Ok(head.optional()?)
}
