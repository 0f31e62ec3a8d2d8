//! Which images others are stored as differences to.
//!
//! A difference is one to an image that is stored whole, never to another difference. An image that is needed is not deleted:
//! that a dump is compared with it, and that it is marked as deleted, are transactions that look for each other.

use memdeck_model::{DumpId, Record};
use rusqlite::{Connection, OptionalExtension, params};

use crate::column::decode;
use crate::jobs::active;
use crate::kept_images::KEPT;
use crate::record_row::numbered_records;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// The record of the image that a running dump of a guest, by its UUID, is to be stored as a difference to: the newest whole
    /// one of that UUID and name that was taken here and is kept, was not found damaged, nor a difference to it, and has fewer than `most` differences to it so far, those that
    /// were deleted included. Until the dump has ended nobody deletes that image. `None` if there is none, or it is time for a
    /// whole one.
    ///
    /// # Errors
    /// The job is unknown or has ended, or `SQLite` refused.
    pub fn choose_base(
        &self,
        dump_id: &DumpId,
        guest_uuid: &str,
        most: u32,
    ) -> Result<Option<Record>, CatalogError> {
        self.write("choose the base of a difference", |tx| {
            active(tx, dump_id)?;
            let newest: Option<i64> = tx
                .query_row(
                    &format!(
                        "SELECT seq FROM records WHERE {KEPT} AND guest_uuid = ?1 AND difference_of IS NULL
                         AND dom = (SELECT coalesce(guest_name, vm) FROM jobs WHERE jobs.dump_id = ?2)
                         AND encrypted = 0 AND dump_id IS NOT NULL AND NOT EXISTS (
                             SELECT 1 FROM verifications JOIN records AS verified USING (dump_id)
                             WHERE verdict = 'damaged'
                                 AND (verified.dump_id = records.dump_id OR verified.difference_of = records.dump_id))
                         ORDER BY timestamp DESC, seq DESC LIMIT 1"
                    ),
                    [guest_uuid, dump_id.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(seq) = newest else { return Ok(None) };
            let found = numbered_records(tx, "WHERE records.seq = ?1", [seq])?;
            let Some((_, record)) = found.into_iter().next() else { return Ok(None) };
            let base = record.dump_id.as_ref().map(DumpId::as_str);
            let differences: u32 =
                tx.query_row("SELECT count(*) FROM records WHERE difference_of = ?1", [base], |row| {
                    row.get(0)
                })?;
            if differences >= most {
                return Ok(None);
            }
            tx.execute("UPDATE jobs SET base = ?2 WHERE dump_id = ?1", params![dump_id.as_str(), base])?;
            Ok(Some(record))
        })
    }
}

/// The dumps that need the image of this one, oldest first.
pub(crate) fn needed_by(connection: &Connection, dump_id: &DumpId) -> Result<Vec<DumpId>, CatalogError> {
    let mut statement = connection.prepare_cached(
        "SELECT dump_id FROM (
             SELECT dump_id, timestamp AS at FROM records
             WHERE difference_of = ?1 AND deleted_at IS NULL AND origin IS NULL AND dump_id IS NOT NULL
             UNION ALL
             SELECT dump_id, queued_at AS at FROM jobs WHERE base = ?1 AND state IN ('queued', 'running')
         ) ORDER BY at",
    )?;
    let found = statement.query_map([dump_id.as_str()], |row| row.get(0))?;
    found.map(|dump_id| decode("dump_id", dump_id?)).collect()
}
