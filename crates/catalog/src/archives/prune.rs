//! Removes records that an archive has, and lists archives.

use memdeck_model::DumpId;
use memdeck_model::archive::Archive;
use memdeck_model::audit::NewEntry;
use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::ArchiveCandidate;
use super::choose::stays;
use crate::column::integer;
use crate::{Catalog, CatalogError, audit, pruned};

/// The most archives that are listed.
const MOST_ARCHIVES: u32 = 10_000;

impl Catalog {
    /// Keeps an archive in the list and removes its records, with their jobs and whatever else is only about them. `entry` is noted
    /// in the audit. All of it or nothing: a record that is not as it was archived, or that has to stay by now, keeps all of them.
    ///
    /// # Errors
    /// [`CatalogError::ArchivedRecordChanged`], or `SQLite` refused.
    pub fn prune(
        &self,
        archive: &Archive,
        records: &[ArchiveCandidate],
        waits_for_points: bool,
        entry: &NewEntry,
    ) -> Result<(), CatalogError> {
        let json = serde_json::to_string(archive)
            .map_err(|_| CatalogError::Undecodable { column: "archive", value: archive.name.clone() })?;
        self.write("remove archived records", |tx| {
            tx.execute(
                "INSERT INTO archives (name, made_at, archive) VALUES (?1, ?2, ?3)",
                params![archive.name, archive.made_at.unix_micros(), json],
            )?;
            let id = tx.last_insert_rowid();
            for record in records {
                check(tx, record, waits_for_points)?;
                remove(tx, id, record)?;
            }
            audit::append(tx, entry).map(drop)
        })
    }

    /// Whether the record of that dump was archived and removed.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn is_pruned(&self, dump_id: &DumpId) -> Result<bool, CatalogError> {
        self.read("look for an archived record", |connection| Ok(pruned::has_dump(connection, dump_id)?))
    }

    /// The name of the archive that has the record of that dump; `None` if none was made of it here.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn archive_of(&self, dump_id: &DumpId) -> Result<Option<String>, CatalogError> {
        self.read("look for an archived record", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name FROM pruned JOIN archives ON archives.id = pruned.archive WHERE dump_id = ?1",
            )?;
            Ok(statement.query_row([dump_id.as_str()], |row| row.get(0)).optional()?)
        })
    }

    /// The archives that were made here, the newest first.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn archives(&self) -> Result<Vec<Archive>, CatalogError> {
        self.list("list archives", |connection| {
            let mut statement =
                connection.prepare_cached("SELECT archive FROM archives ORDER BY id DESC LIMIT ?1")?;
            let mut rows = statement.query([MOST_ARCHIVES])?;
            let mut archives = Vec::new();
            while let Some(row) = rows.next()? {
                let json: String = row.get(0)?;
                let archive = serde_json::from_str(&json);
                archives
                    .push(archive.map_err(|_| CatalogError::Undecodable { column: "archive", value: json })?);
            }
            Ok(archives)
        })
    }
}

fn check(connection: &Connection, record: &ArchiveCandidate, waits: bool) -> Result<(), CatalogError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT row_digest = :digest AND {} IS NULL FROM records WHERE seq = :seq",
        stays()
    ))?;
    let values = named_params! { ":digest": record.digest, ":waits": waits, ":seq": integer(record.seq) };
    let is_as_it_was: Option<Option<bool>> = statement.query_row(values, |row| row.get(0)).optional()?;
    if is_as_it_was.flatten() == Some(true) {
        return Ok(());
    }
    let dump = match &record.record.dump_id {
        Some(dump_id) => dump_id.to_string(),
        None => format!("of {} at {}", record.record.dom, record.record.timestamp),
    };
    Err(CatalogError::ArchivedRecordChanged { dump })
}

fn remove(connection: &Connection, archive: i64, record: &ArchiveCandidate) -> rusqlite::Result<()> {
    let seq = integer(record.seq);
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([seq]).map(drop);
    let mut keep = connection.prepare_cached(
        "INSERT INTO pruned (archive, dump_id, timestamp, dom, vmid, host, sha256, dump_path, is_foreign,
                             deletion_seq, deleted_at, deleted_by)
         SELECT ?2, dump_id, timestamp, dom, vmid, host, sha256, dump_path, foreign_row IS NOT NULL,
                deletions.seq, deleted_at, deleted_by
         FROM records LEFT JOIN deletions ON deletions.record_seq = records.seq WHERE records.seq = ?1",
    )?;
    keep.execute((seq, archive))?;
    run("DELETE FROM jobs WHERE record_seq = ?1")?;
    run("DELETE FROM outbox WHERE record_seq = ?1")?;
    run("DELETE FROM deletions WHERE record_seq = ?1")?;
    run("DELETE FROM verifications WHERE dump_id = (SELECT dump_id FROM records WHERE seq = ?1)")?;
    run("DELETE FROM records WHERE seq = ?1")
}
