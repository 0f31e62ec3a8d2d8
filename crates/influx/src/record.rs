//! A record as a point of `mem_dumps`, with the tags `dom`, `host` and `vmid`, at the start of the dump.

use memdeck_model::{ByteCount, Record};

use crate::{FeedError, FieldValue, Point};

/// The measurement of dumps.
pub const MEM_DUMPS: &str = "mem_dumps";

/// The record's point. What the record does not know is left out. The same record makes the same series and time.
///
/// # Errors
/// A store counts nanoseconds in 64 bits and has no place for this record's time.
pub fn record_point(record: &Record) -> Result<Point, FeedError> {
    let Ok(unix_nanos) = i64::try_from(record.timestamp.unix_nanos()) else {
        return Err(FeedError::TimeOutOfRange { time: record.timestamp });
    };
    let host = record.host.clone().unwrap_or_default();
    Ok(Point {
        measurement: MEM_DUMPS,
        // In the order of their names, as the store keeps them.
        tags: vec![("dom", record.dom.0.clone()), ("host", host), ("vmid", record.vmid.clone())],
        fields: fields(record),
        unix_nanos,
    })
}

fn fields(record: &Record) -> Vec<(&'static str, FieldValue)> {
    // The store's integers end where an i64 does.
    let size = |size: ByteCount| FieldValue::Integer(i64::try_from(size.0).unwrap_or(i64::MAX));
    let text = |text: &Option<String>| text.clone().map(FieldValue::Text);
    let fields = [
        ("ok", Some(FieldValue::Boolean(record.ok))),
        ("sha256", text(&record.sha256)),
        // A witness outside of this host: an attacker who exchanges files and catalog does not reach this one.
        ("manifest_sha256", text(&record.manifest_sha256)),
        ("dump_path", text(&record.dump_path)),
        ("raw_size_bytes", record.raw_size_bytes.map(size)),
        ("gzip_size_bytes", record.gzip_size_bytes.map(size)),
        ("ctime", record.ctime.map(FieldValue::Integer)),
        ("mtime", record.mtime.map(FieldValue::Integer)),
        ("atime", record.atime.map(FieldValue::Integer)),
        ("duration_sec", record.duration_sec.map(FieldValue::Float)),
        // Tools that dump first and hash and compress afterwards report the first step separately. Here it is one pass.
        ("dump_duration_sec", record.duration_sec.map(FieldValue::Float)),
        // Tools that dump again and again number their rounds. This dump stands alone.
        ("loop", Some(FieldValue::Integer(0))),
        ("every_sec", Some(FieldValue::Integer(0))),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}
