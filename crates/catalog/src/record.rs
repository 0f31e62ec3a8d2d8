//! Records of finished dumps: how they are stored, handed on and counted. Listing them is in [`crate::listing`].

use memdeck_model::{
    Actor, ByteCount, CaptureMode, DumpId, ForeignRow, GuestName, Millis, Record, Remark, Stats, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::{Catalog, CatalogError, foreign, row_digest};

/// The columns that [`read_record`] reads, as a statement selects them.
pub(crate) const RECORD_COLUMNS: &str =
    "records.seq, records.dump_id, records.timestamp, records.dom, records.vmid,
    records.host, records.sha256, records.duration_sec, records.raw_size_bytes, records.gzip_size_bytes,
    records.ctime, records.mtime, records.atime, records.dump_path, records.mode, records.pause_ms,
    records.format, records.codec, records.ok, records.point_in_time, records.fallback,
    records.job_downtime_ms, records.iterations, records.dirty_bytes_per_s, records.encrypted,
    records.case_number, records.note, records.deleted_at, records.deleted_by, records.origin,
    records.manifest_sha256, records.digests_root, records.rebuilt_at, records.requested_by,
    records.foreign_row, records.row_digest";

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

    /// Figures over all records. Guests are told apart by host and name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn stats(&self) -> Result<Stats, CatalogError> {
        self.list("count records", |connection| {
            self.totals.answer(self.version(connection)?, (), |()| totals(connection))
        })
    }
}

fn totals(connection: &Connection) -> Result<Stats, CatalogError> {
    let total_vms = connection
        .prepare_cached("SELECT count(*) FROM (SELECT DISTINCT dom, host FROM records)")?
        .query_row([], unsigned)?;
    // SQLite fails when a sum of integers overflows, so sizes are summed in two halves.
    let mut sums = connection.prepare_cached(
        "SELECT count(*) AS dumps,
                coalesce(sum(gzip_size_bytes >> 32) FILTER (WHERE deleted_at IS NULL), 0) AS high,
                coalesce(sum(gzip_size_bytes & 0xffffffff) FILTER (WHERE deleted_at IS NULL), 0) AS low,
                coalesce(avg(duration_sec), 0.0) AS duration, max(timestamp) AS last
         FROM records INDEXED BY records_listing",
    )?;
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

/// Inserts a record and gives its sequence number. `origin` is the service it was imported from.
pub(crate) fn insert(
    connection: &Connection,
    origin: Option<&str>,
    record: &Record,
) -> rusqlite::Result<i64> {
    if record.foreign.is_none() {
        foreign::give_way(connection, record)?;
    }
    connection.prepare_cached(
        "INSERT INTO records (origin, dump_id, timestamp, dom, vmid, host, sha256, duration_sec, raw_size_bytes,
                              gzip_size_bytes, ctime, mtime, atime, dump_path, mode, pause_ms, format, codec, ok,
                              point_in_time, fallback, job_downtime_ms, iterations, dirty_bytes_per_s,
                              encrypted, case_number, note, deleted_at, deleted_by, manifest_sha256, digests_root,
                              rebuilt_at, requested_by, foreign_row)
         VALUES (:origin, :dump_id, :timestamp, :dom, :vmid, :host, :sha256, :duration_sec, :raw_size_bytes,
                 :gzip_size_bytes, :ctime, :mtime, :atime, :dump_path, :mode, :pause_ms, :format, :codec, :ok,
                 :point_in_time, :fallback, :job_downtime_ms, :iterations, :dirty_bytes_per_s,
                 :encrypted, :case_number, :note, :deleted_at, :deleted_by, :manifest_sha256, :digests_root,
                 :rebuilt_at, :requested_by, :foreign_row)",
    )?
    .execute(named_params! {
            ":origin": origin,
            ":dump_id": record.dump_id.as_ref().map(DumpId::as_str),
            ":timestamp": record.timestamp.unix_micros(),
            ":dom": record.dom.0,
            ":vmid": record.vmid,
            ":host": record.host,
            ":sha256": record.sha256,
            ":duration_sec": record.duration_sec,
            ":raw_size_bytes": record.raw_size_bytes.map(|size| integer(size.0)),
            ":gzip_size_bytes": record.gzip_size_bytes.map(|size| integer(size.0)),
            ":ctime": record.ctime,
            ":mtime": record.mtime,
            ":atime": record.atime,
            ":dump_path": record.dump_path,
            ":mode": record.mode.map(CaptureMode::as_str),
            ":pause_ms": record.pause_ms.map(|pause| integer(pause.0)),
            ":format": record.format,
            ":codec": record.codec,
            ":ok": record.ok,
            ":point_in_time": record.point_in_time.map(Timestamp::unix_micros),
            ":fallback": record.fallback,
            ":job_downtime_ms": record.job_downtime_ms.map(|downtime| integer(downtime.0)),
            ":iterations": record.iterations.map(integer),
            ":dirty_bytes_per_s": record.dirty_bytes_per_s.map(|rate| integer(rate.0)),
            ":encrypted": record.encrypted,
            ":case_number": record.case.as_ref().map(Remark::as_str),
            ":note": record.note.as_ref().map(Remark::as_str),
            ":deleted_at": record.deleted_at.map(Timestamp::unix_micros),
            ":deleted_by": record.deleted_by.as_ref().map(Actor::to_json),
            ":manifest_sha256": record.manifest_sha256,
            ":digests_root": record.digests_root,
            ":rebuilt_at": record.rebuilt_at.map(Timestamp::unix_micros),
            ":requested_by": record.requested_by.as_ref().map(Actor::to_json),
            ":foreign_row": record.foreign.map(ForeignRow::as_str),
        })?;
    let seq = connection.last_insert_rowid();
    row_digest::refresh(connection, seq)?;
    Ok(seq)
}

/// Whether the record is stored already: by its dump's name, or, without one, by guest and start.
pub(crate) fn is_known(connection: &Connection, record: &Record) -> rusqlite::Result<bool> {
    let found: Option<i64> = match &record.dump_id {
        Some(dump_id) => connection
            .query_row("SELECT seq FROM records WHERE dump_id = ?1", [dump_id.as_str()], |row| row.get(0))
            .optional()?,
        None => connection
            .query_row(
                "SELECT seq FROM records WHERE dom = ?1 AND vmid = ?2 AND timestamp = ?3",
                (&record.dom.0, &record.vmid, record.timestamp.unix_micros()),
                |row| row.get(0),
            )
            .optional()?,
    };
    Ok(found.is_some())
}

/// Records that `clause` selects, each with its sequence number.
pub(crate) fn numbered_records(
    connection: &Connection,
    clause: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<(u64, Record)>, CatalogError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {RECORD_COLUMNS} FROM records {clause}"))?;
    let mut rows = statement.query(parameters)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push((row.get::<_, i64>("seq")?.unsigned_abs(), read_record(row)?));
    }
    Ok(records)
}

/// Reads a row that selects [`RECORD_COLUMNS`].
pub(crate) fn read_record(row: &Row<'_>) -> Result<Record, CatalogError> {
    let timestamp = instant("timestamp", row.get("timestamp")?)?;
    let number = |column| row.get::<_, Option<i64>>(column).map(|value| value.map(i64::unsigned_abs));
    let moment = |column: &'static str| {
        row.get::<_, Option<i64>>(column)?.map(|micros| instant(column, micros)).transpose()
    };
    Ok(Record {
        timestamp,
        time: timestamp,
        dom: GuestName(row.get("dom")?),
        vmid: row.get("vmid")?,
        sha256: row.get("sha256")?,
        duration_sec: row.get("duration_sec")?,
        gzip_size_bytes: number("gzip_size_bytes")?.map(ByteCount),
        ctime: row.get("ctime")?,
        mtime: row.get("mtime")?,
        atime: row.get("atime")?,
        dump_path: row.get("dump_path")?,
        dump_id: word(row, "dump_id")?,
        host: row.get("host")?,
        mode: word(row, "mode")?,
        pause_ms: number("pause_ms")?.map(Millis),
        raw_size_bytes: number("raw_size_bytes")?.map(ByteCount),
        format: row.get("format")?,
        codec: row.get("codec")?,
        ok: row.get("ok")?,
        point_in_time: moment("point_in_time")?,
        fallback: row.get("fallback")?,
        job_downtime_ms: number("job_downtime_ms")?.map(Millis),
        iterations: number("iterations")?,
        dirty_bytes_per_s: number("dirty_bytes_per_s")?.map(ByteCount),
        encrypted: row.get("encrypted")?,
        case: word(row, "case_number")?,
        note: word(row, "note")?,
        manifest_sha256: row.get("manifest_sha256")?,
        digests_root: row.get("digests_root")?,
        rebuilt_at: moment("rebuilt_at")?,
        altered: row_digest::is_altered(row)?,
        foreign: foreign(row)?,
        deleted_at: moment("deleted_at")?,
        deleted_by: actor(row, "deleted_by")?,
        requested_by: actor(row, "requested_by")?,
    })
}

fn foreign(row: &Row<'_>) -> Result<Option<ForeignRow>, CatalogError> {
    let column = "foreign_row";
    let word: Option<String> = row.get(column)?;
    word.map(|word| word.parse().map_err(|()| CatalogError::Undecodable { column, value: word })).transpose()
}

/// Reads an instant that this program wrote.
pub(crate) fn instant(column: &'static str, micros: i64) -> Result<Timestamp, CatalogError> {
    Timestamp::from_unix_micros(micros)
        .map_err(|_| CatalogError::Undecodable { column, value: micros.to_string() })
}

/// Reads who asked for something.
pub(crate) fn actor(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Actor>> {
    Ok(row.get::<_, Option<String>>(column)?.map(|kept| Actor::from_kept(&kept)))
}

/// Reads a word that this program wrote.
pub(crate) fn decode<T: std::str::FromStr>(column: &'static str, text: String) -> Result<T, CatalogError> {
    text.parse().map_err(|_| CatalogError::Undecodable { column, value: text })
}

/// Reads a column that holds a word or text that this program wrote, or nothing.
pub(crate) fn word<T: std::str::FromStr>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<Option<T>, CatalogError> {
    row.get::<_, Option<String>>(column)?.map(|text| decode(column, text)).transpose()
}

/// `SQLite`'s integers end at 2^63 - 1. No size or duration comes near: a remote service that claims more gets the
/// largest number, rather than stopping the import of everything after it.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(i64::unsigned_abs)
}
