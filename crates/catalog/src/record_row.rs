//! A record as a row: written, found again, and read.

use memdeck_model::{
    Actor, ByteCount, CaptureMode, DumpId, ForeignRow, GuestName, Message, Millis, Record, Remark, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::column::{RECORD_COLUMNS, actor, foreign, instant, integer, word};
use crate::{CatalogError, pruned, row_digest, same_dump};

/// Inserts a record and returns its sequence number. `origin` is the service it was imported from.
pub(crate) fn insert(
    connection: &Connection,
    origin: Option<&str>,
    record: &Record,
) -> rusqlite::Result<i64> {
    if record.foreign.is_none() {
        same_dump::give_way(connection, record)?;
    }
    connection.prepare_cached(
        "INSERT INTO records (origin, dump_id, timestamp, dom, vmid, host, guest_uuid, sha256, duration_sec, raw_size_bytes,
                              gzip_size_bytes, ctime, mtime, atime, dump_path, mode, pause_ms, format, codec, ok,
                              point_in_time, fallback, job_downtime_ms, iterations, dirty_bytes_per_s,
                              encrypted, case_number, note, deleted_at, deleted_by, manifest_sha256, digests_root,
                              rebuilt_at, requested_by, foreign_row, difference_of)
         VALUES (:origin, :dump_id, :timestamp, :dom, :vmid, :host, :guest_uuid, :sha256, :duration_sec, :raw_size_bytes,
                 :gzip_size_bytes, :ctime, :mtime, :atime, :dump_path, :mode, :pause_ms, :format, :codec, :ok,
                 :point_in_time, :fallback, :job_downtime_ms, :iterations, :dirty_bytes_per_s,
                 :encrypted, :case_number, :note, :deleted_at, :deleted_by, :manifest_sha256, :digests_root,
                 :rebuilt_at, :requested_by, :foreign_row, :difference_of)",
    )?
    .execute(named_params! {
            ":origin": origin,
            ":dump_id": record.dump_id.as_ref().map(DumpId::as_str),
            ":timestamp": record.timestamp.unix_micros(),
            ":dom": record.dom.0,
            ":vmid": record.vmid,
            ":host": record.host,
            ":guest_uuid": record.guest_uuid,
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
            ":fallback": record.fallback.as_ref().map(Message::to_string),
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
            ":difference_of": record.difference_of.as_ref().map(DumpId::as_str),
        })?;
    let seq = connection.last_insert_rowid();
    row_digest::refresh(connection, seq)?;
    Ok(seq)
}

/// Whether the record is stored already, or was before it was archived: by its dump's name, or, without one, by guest and start.
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
    Ok(found.is_some() || pruned::has(connection, record)?)
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
        guest_uuid: row.get("guest_uuid")?,
        mode: word(row, "mode")?,
        pause_ms: number("pause_ms")?.map(Millis),
        raw_size_bytes: number("raw_size_bytes")?.map(ByteCount),
        format: row.get("format")?,
        codec: row.get("codec")?,
        difference_of: word(row, "difference_of")?,
        ok: row.get("ok")?,
        point_in_time: moment("point_in_time")?,
        fallback: row.get::<_, Option<String>>("fallback")?.map(Message::from),
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
