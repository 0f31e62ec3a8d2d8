//! Which records can be archived, and why others stay.

use memdeck_model::archive::{ArchiveChoice, StayReason};
use memdeck_model::{GuestName, Record, Timestamp};
use rusqlite::named_params;

use crate::column::{RECORD_COLUMNS, word};
use crate::holds::HELD;
use crate::listing::Place;
use crate::record_row::read_record;
use crate::{Catalog, CatalogError};

/// A record that was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveCandidate {
    pub seq: u64,
    pub record: Record,
    /// Of the row, so that it is removed only as it was archived.
    pub digest: String,
    /// Why it stays; `None` if it can go.
    pub stays: Option<StayReason>,
}

/// Why a record stays, as a word of [`StayReason`]; NULL if it can go. `:waits` says whether a point that waits is waited for.
pub(super) fn stays() -> String {
    format!(
        "CASE
             WHEN {HELD} IS NOT NULL THEN 'held'
             WHEN ok = 1 AND deleted_at IS NULL AND foreign_row IS NULL AND dump_path IS NOT NULL AND dump_path <> ''
                 THEN 'image_kept'
             WHEN EXISTS (SELECT 1 FROM deletions WHERE record_seq = records.seq AND files_gone = 0) THEN 'being_deleted'
             WHEN EXISTS (SELECT 1 FROM intents WHERE intents.dump_id = records.dump_id) THEN 'guest_in_care'
             WHEN :waits AND EXISTS (SELECT 1 FROM outbox WHERE record_seq = records.seq) THEN 'point_waits'
         END"
    )
}

impl Catalog {
    /// Up to `limit` of the records that a choice means, the oldest first, behind `place` (from the oldest without one), and the
    /// place behind the last of them; no place if there are no more. With `waits_for_points`, one whose point is not in the
    /// time-series store yet stays.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn archive_candidates(
        &self,
        choice: &ArchiveChoice,
        waits_for_points: bool,
        place: Option<Place>,
        limit: u32,
    ) -> Result<(Vec<ArchiveCandidate>, Option<Place>), CatalogError> {
        self.list("look for records to archive", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {RECORD_COLUMNS}, {stays} AS stays FROM records
                 WHERE (timestamp, seq) > (:timestamp, :seq) AND (:before IS NULL OR timestamp < :before)
                     AND (:dom IS NULL OR dom = :dom) AND (NOT :deleted OR deleted_at IS NOT NULL)
                 ORDER BY timestamp, seq LIMIT :limit",
                stays = stays()
            ))?;
            let Place { timestamp, seq } = place.unwrap_or(Place::BEGINNING);
            let mut rows = statement.query(named_params! {
                ":waits": waits_for_points,
                ":timestamp": timestamp,
                ":seq": seq,
                ":before": choice.before.map(Timestamp::unix_micros),
                ":dom": choice.guest.as_ref().map(|GuestName(name)| name),
                ":deleted": choice.deleted,
                ":limit": limit,
            })?;
            let (mut found, mut last) = (Vec::new(), None);
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get("seq")?;
                last = Some(Place { timestamp: row.get("timestamp")?, seq });
                let record = read_record(row)?;
                // What something else changed is no record of memdeck's, and is not signed as one.
                let altered = record.altered.then_some(StayReason::Altered);
                let stays = word(row, "stays")?.or(altered);
                let digest = row.get::<_, Option<String>>("row_digest")?.unwrap_or_default();
                found.push(ArchiveCandidate { seq: seq.unsigned_abs(), record, digest, stays });
            }
            let is_full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
            Ok((found, last.filter(|_| is_full)))
        })
    }
}
