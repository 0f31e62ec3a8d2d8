//! Figures over all dumps since the catalog was begun, for whoever watches memdeck: they survive restarts.
//!
//! What has ended does not change, so each row is counted once and the sums are kept: an answer costs what is new since
//! the last one. The first answer of a process reads all rows.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use memdeck_model::{ByteCount, Timestamp};
use rusqlite::Connection;

use crate::counted::{Counted, ModeFigures};
use crate::{Catalog, CatalogError};

/// Reason of a dump that an older version ended, or whose reason cannot be read.
const UNKNOWN: &str = "unknown";
/// Reason of a dump that ended well.
const COMPLETED: &str = "completed";

/// Figures over all dumps of this catalog's own service, and what waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DumpFigures {
    /// Dumps that have ended, by state and kind of end reason.
    pub ended: BTreeMap<(String, String), u64>,
    /// Finished dumps by mode: `live`, `frozen`, or `unknown` where an older version took them.
    pub by_mode: BTreeMap<String, ModeFigures>,
    /// Dumps that wait for their turn.
    pub queued: u64,
    /// Dumps that are being taken.
    pub running: u64,
    /// When the oldest of those that wait was asked for.
    pub oldest_queued: Option<Timestamp>,
    /// Guests that a dump has touched and that are not known to be as they were.
    pub open_intents: u64,
    /// Records whose point waits for `InfluxDB`.
    pub outbox: u64,
    /// Those of them that it did not take when they were offered.
    pub outbox_deferred: u64,
    /// Records by where they come from: `own`, `imported` from another memdeck, `foreign` tools.
    pub records: BTreeMap<&'static str, u64>,
    /// Bytes of all stored files that were not deleted.
    pub stored: ByteCount,
}

impl Catalog {
    /// Figures over all dumps.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn dump_figures(&self) -> Result<DumpFigures, CatalogError> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = self.list("count dumps", |connection| {
            count_records(connection, &mut counted)?;
            let ended = count_jobs(connection, &mut counted)?;
            waiting(connection, DumpFigures { ended, by_mode: counted.by_mode.clone(), ..Default::default() })
        })?;
        let stored = self.stats()?.total_size_bytes;
        Ok(DumpFigures { stored, ..figures })
    }
}

fn count_records(connection: &Connection, counted: &mut Counted) -> Result<(), CatalogError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, mode, duration_sec, pause_ms, raw_size_bytes, gzip_size_bytes
         FROM records WHERE origin IS NULL AND seq > ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query([counted.records_to])?;
    while let Some(row) = rows.next()? {
        // Read before anything is counted: a row that cannot be read is not counted in part.
        let seq = row.get("seq")?;
        let mode: Option<String> = row.get("mode")?;
        let duration: Option<f64> = row.get("duration_sec")?;
        let pause: Option<i64> = row.get("pause_ms")?;
        let raw: Option<i64> = row.get("raw_size_bytes")?;
        let stored: Option<i64> = row.get("gzip_size_bytes")?;
        let mode = counted.by_mode.entry(mode.unwrap_or_else(|| UNKNOWN.to_owned())).or_default();
        if let Some(seconds) = duration {
            mode.durations.add(seconds);
        }
        if let Some(millis) = pause {
            mode.pauses.add(Duration::from_millis(millis.unsigned_abs()).as_secs_f64());
        }
        mode.image_bytes += u128::from(raw.unwrap_or(0).unsigned_abs());
        mode.stored_bytes += u128::from(stored.unwrap_or(0).unsigned_abs());
        counted.records_to = seq;
    }
    Ok(())
}

/// All ends: those that were counted before, and those behind the oldest job that has not ended.
fn count_jobs(
    connection: &Connection,
    counted: &mut Counted,
) -> Result<BTreeMap<(String, String), u64>, CatalogError> {
    let all_ended_to: i64 = connection
        .prepare_cached(
            "SELECT coalesce((SELECT min(seq) - 1 FROM jobs WHERE state IN ('queued', 'running')),
                             (SELECT max(seq) FROM jobs), 0)",
        )?
        .query_row([], |row| row.get(0))?;
    add_ends(connection, counted.jobs_to, all_ended_to, &mut counted.ended)?;
    counted.jobs_to = counted.jobs_to.max(all_ended_to);
    let mut ended = counted.ended.clone();
    add_ends(connection, counted.jobs_to, i64::MAX, &mut ended)?;
    Ok(ended)
}

fn add_ends(
    connection: &Connection,
    above: i64,
    to: i64,
    ended: &mut BTreeMap<(String, String), u64>,
) -> Result<(), CatalogError> {
    let mut statement = connection.prepare_cached(
        "SELECT state, CASE WHEN json_valid(end_reason) THEN json_extract(end_reason, '$.kind') END, count(*)
         FROM jobs WHERE seq > ?1 AND seq <= ?2 AND state NOT IN ('queued', 'running') GROUP BY 1, 2",
    )?;
    let mut rows = statement.query([above, to])?;
    while let Some(row) = rows.next()? {
        let state: String = row.get(0)?;
        let reason: Option<String> = row.get(1)?;
        let without = if state == COMPLETED { COMPLETED } else { UNKNOWN };
        let reason = reason.unwrap_or_else(|| without.to_owned());
        *ended.entry((state, reason)).or_default() += row.get::<_, i64>(2)?.unsigned_abs();
    }
    Ok(())
}

/// What changes all the time and is counted by narrow indexes.
fn waiting(connection: &Connection, figures: DumpFigures) -> Result<DumpFigures, CatalogError> {
    let number = |sql: &str| -> rusqlite::Result<u64> {
        connection.prepare_cached(sql)?.query_row([], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()))
    };
    let oldest: Option<i64> = connection
        .prepare_cached(
            "SELECT min(queued_at) FROM jobs WHERE state IN ('queued', 'running') AND state = 'queued'",
        )?
        .query_row([], |row| row.get(0))?;
    let all = number("SELECT count(*) FROM records")?;
    let own = number("SELECT count(*) FROM records WHERE origin IS NULL")?;
    let named = number("SELECT count(*) FROM records WHERE dump_id IS NOT NULL")?;
    // Those of a service that names no dumps.
    let unnamed = number("SELECT count(*) FROM records WHERE dump_id IS NULL AND foreign_row IS NULL")?;
    let imported = named.saturating_sub(own) + unnamed;
    let foreign = all.saturating_sub(named + unnamed);
    Ok(DumpFigures {
        queued: number(
            "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND state = 'queued'",
        )?,
        running: number(
            "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND state = 'running'",
        )?,
        oldest_queued: oldest.and_then(|micros| Timestamp::from_unix_micros(micros).ok()),
        open_intents: number("SELECT count(*) FROM intents")?,
        outbox: number("SELECT count(*) FROM outbox")?,
        outbox_deferred: number("SELECT count(*) FROM outbox WHERE attempts > 0")?,
        records: [("own", own), ("imported", imported), ("foreign", foreign)].into(),
        ..figures
    })
}
