//! Records of finished dumps: handed on and counted. How a row is coded is in [`crate::record_row`], listing in
//! [`crate::listing`].

use memdeck_model::{ByteCount, DumpId, Reach, Record, Stats};
use rusqlite::Connection;

use crate::column::{instant, unsigned};
use crate::record_row::numbered_records;
use crate::{Catalog, CatalogError, within};

impl Catalog {
    /// Up to `limit` of this catalog's own records with a sequence number above `seq`, in order of insertion. This
    /// is what another memdeck imports.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn records_since(&self, seq: u64, limit: u32) -> Result<Vec<(u64, Record)>, CatalogError> {
        self.read("list new records", |connection| {
            let seq = i64::try_from(seq).unwrap_or(i64::MAX);
            numbered_records(
                connection,
                "WHERE records.origin IS NULL AND records.seq > ?1 ORDER BY records.seq LIMIT ?2",
                [seq, i64::from(limit)],
            )
        })
    }

    /// The record of that dump, own or imported.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn record_of(&self, dump_id: &DumpId) -> Result<Option<Record>, CatalogError> {
        self.read("read a record", |connection| {
            let found = numbered_records(connection, "WHERE records.dump_id = ?1", [dump_id.as_str()])?;
            Ok(found.into_iter().next().map(|(_, record)| record))
        })
    }

    /// Figures over all records. Guests are distinguished by host and name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn stats(&self) -> Result<Stats, CatalogError> {
        self.stats_within(&Reach::Everything)
    }

    /// The same over the records of guests that somebody may see.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn stats_within(&self, reach: &Reach) -> Result<Stats, CatalogError> {
        self.list("count records", |connection| {
            self.totals.answer(self.version(connection)?, reach.clone(), |reach| totals(connection, reach))
        })
    }
}

fn totals(connection: &Connection, reach: &Reach) -> Result<Stats, CatalogError> {
    let guests = within::records_within(connection, reach, "INDEXED BY records_guests WHERE TRUE")?;
    let total_vms = connection
        .prepare_cached(&format!("SELECT count(*) FROM (SELECT DISTINCT dom, host FROM records {guests})"))?
        .query_row([], unsigned)?;
    let records = within::records_within(connection, reach, within::LISTING)?;
    // SQLite fails when a sum of integers overflows, so sizes are summed in two halves.
    let mut sums = connection.prepare_cached(&format!(
        "SELECT count(*) AS dumps,
                coalesce(sum(gzip_size_bytes >> 32) FILTER (WHERE deleted_at IS NULL), 0) AS high,
                coalesce(sum(gzip_size_bytes & 0xffffffff) FILTER (WHERE deleted_at IS NULL), 0) AS low,
                coalesce(avg(duration_sec), 0.0) AS duration, max(timestamp) AS last
         FROM records {records}"
    ))?;
    let (last_dump, stats) = sums.query_row([], |row| {
        let high: i64 = row.get("high")?;
        let low: i64 = row.get("low")?;
        let size = (u128::from(high.unsigned_abs()) << 32) + u128::from(low.unsigned_abs());
        let stats = Stats {
            total_dumps: row.get::<_, i64>("dumps")?.unsigned_abs(),
            total_vms,
            total_size_bytes: ByteCount(u64::try_from(size).unwrap_or(u64::MAX)),
            avg_duration_sec: row.get("duration")?,
            last_dump: None,
        };
        Ok((row.get::<_, Option<i64>>("last")?, stats))
    })?;
    let last_dump = last_dump.map(|micros| instant("timestamp", micros)).transpose()?;
    Ok(Stats { last_dump, ..stats })
}
