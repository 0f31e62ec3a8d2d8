//! Deletions of images.
//!
//! ```text
//! mark_deleted ──► record says deleted, files may be there ──► (files removed) ──► settle_deletion
//!                        └── found by unsettled_deletions after a crash
//! ```
//!
//! First the mark, then the files: a record never promises an image that is gone.

use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, NewEntry};
use memdeck_model::{Actor, Deletion, DumpId, Record};
use rusqlite::{Connection, OptionalExtension};

use crate::column::{actor, instant, word};
use crate::record_row::numbered_records;
use crate::reserve::For;
use crate::{Catalog, CatalogError, audit, bases, row_digest};

/// A record, and the service it was imported from.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedRecord {
    pub record: Record,
    /// `None` for a dump that this memdeck took: its image is on this host.
    pub origin: Option<String>,
}

impl Catalog {
    /// The record of that dump, and whose it is.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn owned_record_of(&self, dump_id: &DumpId) -> Result<Option<OwnedRecord>, CatalogError> {
        self.read("read a record", |connection| {
            let Some(record) = record_of(connection, dump_id)? else { return Ok(None) };
            let origin = connection.query_row(
                "SELECT origin FROM records WHERE dump_id = ?1",
                [dump_id.as_str()],
                |row| row.get(0),
            )?;
            Ok(Some(OwnedRecord { record, origin }))
        })
    }

    /// Marks the image of an own record as deleted, and returns the record. One that is marked already is left as it is.
    ///
    /// # Errors
    /// There is no own record of that dump, other images are differences to this one, or `SQLite` refused.
    pub fn mark_deleted(&self, deletion: &Deletion) -> Result<Record, CatalogError> {
        self.conclude("mark an image as deleted", For::Deletion, |tx| {
            let dump_id = &deletion.dump_id;
            let own: Option<i64> = tx
                .query_row(
                    "SELECT seq FROM records WHERE dump_id = ?1 AND origin IS NULL",
                    [dump_id.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(seq) = own else { return Err(CatalogError::UnknownDump(dump_id.clone())) };
            let needed_by = bases::needed_by(tx, dump_id)?;
            if !needed_by.is_empty() {
                return Err(CatalogError::ImageNeeded { dump_id: dump_id.clone(), needed_by });
            }
            let is_marked = mark(tx, deletion, None)?;
            tx.execute("INSERT OR IGNORE INTO deletions (record_seq) VALUES (?1)", [seq])?;
            let record = record_of(tx, dump_id)?.ok_or_else(|| CatalogError::UnknownDump(dump_id.clone()))?;
            if is_marked {
                note(tx, deletion, &record)?;
            }
            Ok(record)
        })
    }

    /// Notes that no file of a deleted image is left.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn settle_deletion(&self, dump_id: &DumpId) -> Result<(), CatalogError> {
        self.conclude("note that an image is gone", For::Deletion, |tx| {
            tx.execute(
                "UPDATE deletions SET files_gone = 1
                 WHERE record_seq = (SELECT seq FROM records WHERE dump_id = ?1)",
                [dump_id.as_str()],
            )?;
            Ok(())
        })
    }

    /// Records that are marked as deleted, and whose files may still be there.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn unsettled_deletions(&self) -> Result<Vec<Record>, CatalogError> {
        self.read("list deletions", |connection| {
            let records = numbered_records(
                connection,
                "WHERE seq IN (SELECT record_seq FROM deletions WHERE files_gone = 0) ORDER BY seq",
                [],
            )?;
            Ok(records.into_iter().map(|(_, record)| record).collect())
        })
    }

    /// Up to `limit` deletions of own images with a sequence number above `seq`, in the order in which they were asked
    /// for. This is what another memdeck follows. Those of records that were archived are among them.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn deletions_since(&self, seq: u64, limit: u32) -> Result<Vec<(u64, Deletion)>, CatalogError> {
        self.read("list deletions", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT deletions.seq AS seq, dump_id, deleted_at, deleted_by
                 FROM deletions JOIN records ON records.seq = record_seq
                 WHERE deletions.seq > ?1 AND dump_id IS NOT NULL AND deleted_at IS NOT NULL
                 UNION ALL
                 SELECT deletion_seq AS seq, dump_id, deleted_at, deleted_by FROM pruned
                 WHERE deletion_seq > ?1 AND dump_id IS NOT NULL AND deleted_at IS NOT NULL
                 ORDER BY seq LIMIT ?2",
            )?;
            let mut rows = statement.query([i64::try_from(seq).unwrap_or(i64::MAX), i64::from(limit)])?;
            let mut deletions = Vec::new();
            while let Some(row) = rows.next()? {
                let Some(dump_id) = word(row, "dump_id")? else { continue };
                let deleted_at = instant("deleted_at", row.get("deleted_at")?)?;
                let deleted_by = actor(row, "deleted_by")?.unwrap_or(Actor::Unknown);
                let deletion = Deletion { dump_id, deleted_at, deleted_by };
                deletions.push((row.get::<_, i64>(0)?.unsigned_abs(), deletion));
            }
            Ok(deletions)
        })
    }

    /// Marks records that were imported from `service` as deleted, as that service reports, and remembers under `cursor`
    /// the highest of its numbers. Gives the records that changed. A dump that is not known is passed over: its record
    /// will come with the mark. A dump of this memdeck or of another service is passed over, too: nobody speaks for
    /// images of others.
    ///
    /// A record is from `service` if its origin is that, or that with `#` and the identity of one of its catalogs.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn import_deletions(
        &self,
        service: &str,
        cursor: &str,
        deletions: &[(u64, Deletion)],
    ) -> Result<Vec<Record>, CatalogError> {
        let Some(highest) = deletions.iter().map(|(seq, _)| *seq).max() else { return Ok(Vec::new()) };
        self.write("import deletions", |tx| {
            let mut changed = Vec::new();
            for (_, deletion) in deletions {
                if mark(tx, deletion, Some(service))? {
                    changed.extend(record_of(tx, &deletion.dump_id)?);
                }
            }
            crate::import::remember(tx, cursor, highest)?;
            Ok(changed)
        })
    }
}

fn note(connection: &Connection, deletion: &Deletion, record: &Record) -> Result<(), CatalogError> {
    let object = AuditObject::Dump {
        dump_id: deletion.dump_id.clone(),
        guest: Some(record.dom.0.clone()),
        uuid: None,
        host: record.host.clone(),
    };
    let details = AuditDetails {
        bytes: record.gzip_size_bytes,
        sha256: record.sha256.clone(),
        case: record.case.clone(),
        ..AuditDetails::default()
    };
    let (at, by) = (deletion.deleted_at, deletion.deleted_by.clone());
    let entry = NewEntry::new(at, by, AuditAction::ImageDeleted, object).with(details);
    audit::append(connection, &entry).map(drop)
}

/// Whether that changed anything. Only a record of `service` is marked; without one, only an own record.
fn mark(connection: &Connection, deletion: &Deletion, service: Option<&str>) -> rusqlite::Result<bool> {
    let changed = connection.execute(
        "UPDATE records SET deleted_at = ?2, deleted_by = ?3
         WHERE dump_id = ?1 AND deleted_at IS NULL
         AND (origin IS ?4 OR substr(origin, 1, length(?4) + 1) = ?4 || '#')",
        (
            deletion.dump_id.as_str(),
            deletion.deleted_at.unix_micros(),
            deletion.deleted_by.to_json(),
            service,
        ),
    )?;
    if changed > 0 {
        let of_dump = "SELECT seq FROM records WHERE dump_id = ?1";
        let seq = connection.query_row(of_dump, [deletion.dump_id.as_str()], |row| row.get(0))?;
        row_digest::refresh(connection, seq)?;
    }
    Ok(changed > 0)
}

fn record_of(connection: &Connection, dump_id: &DumpId) -> Result<Option<Record>, CatalogError> {
    let found = numbered_records(connection, "WHERE records.dump_id = ?1", [dump_id.as_str()])?;
    Ok(found.into_iter().next().map(|(_, record)| record))
}
