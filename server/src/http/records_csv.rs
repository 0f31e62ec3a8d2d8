//! Records as CSV (RFC 4180, UTF-8): the ten columns that existing spreadsheets know, and memdeck's own behind them.
//!
//! What is unknown is an empty cell, and 0 if one of the ten holds a number. Spreadsheets run text that begins like a formula: such text gets an apostrophe
//! in front, which they take for "this is text". Numbers are left as they are.

use std::borrow::Cow;

use memdeck_model::{CaptureMode, DumpId, Message, Record, Remark};

/// The names of the columns. The first ten, and their order, are a contract.
const COLUMNS: [&str; 26] = [
    "VM ID",
    "VM Name",
    "Timestamp",
    "Duration (s)",
    "SHA256 Hash",
    "Dump Path",
    "Size (Bytes)",
    "File CTime",
    "File MTime",
    "File ATime",
    "Mode",
    "Pause (ms)",
    "Raw Size (Bytes)",
    "Host",
    "Case",
    "Note",
    "Dump ID",
    "OK",
    "Point In Time",
    "Format",
    "Codec",
    "Encrypted",
    "Fallback",
    "Job Downtime (ms)",
    "Iterations",
    "Dirty Rate (Bytes/s)",
];

/// The line of names.
pub fn head() -> Result<Vec<u8>, csv::Error> {
    lines(std::iter::once(COLUMNS.map(Cow::Borrowed)))
}

/// A line for every record.
pub fn rows(records: &[Record]) -> Result<Vec<u8>, csv::Error> {
    lines(records.iter().map(cells))
}

fn lines<'a>(rows: impl Iterator<Item = [Cow<'a, str>; COLUMNS.len()]>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::with_capacity(64 * 1024));
    for row in rows {
        writer.write_record(row.iter().map(|cell| cell.as_bytes()))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn cells(record: &Record) -> [Cow<'_, str>; COLUMNS.len()] {
    [
        text(Some(&record.vmid)),
        text(Some(&record.dom.0)),
        value(Some(record.timestamp)),
        value(Some(record.duration_sec.unwrap_or_default())),
        text(record.sha256.as_deref()),
        text(record.dump_path.as_deref()),
        value(Some(record.gzip_size_bytes.unwrap_or_default().0)),
        value(Some(record.ctime.unwrap_or_default())),
        value(Some(record.mtime.unwrap_or_default())),
        value(Some(record.atime.unwrap_or_default())),
        text(record.mode.map(CaptureMode::as_str)),
        value(record.pause_ms.map(|pause| pause.0)),
        value(record.raw_size_bytes.map(|size| size.0)),
        text(record.host.as_deref()),
        text(record.case.as_ref().map(Remark::as_str)),
        text(record.note.as_ref().map(Remark::as_str)),
        text(record.dump_id.as_ref().map(DumpId::as_str)),
        value(Some(record.ok)),
        value(record.point_in_time),
        text(record.format.as_deref()),
        text(record.codec.as_deref()),
        value(Some(record.encrypted)),
        sentence(record.fallback.as_ref()),
        value(record.job_downtime_ms.map(|downtime| downtime.0)),
        value(record.iterations),
        value(record.dirty_bytes_per_s.map(|rate| rate.0)),
    ]
}

/// A value that memdeck writes itself: a number, an instant, true or false.
fn value<'a>(value: Option<impl ToString>) -> Cow<'a, str> {
    value.map_or(Cow::Borrowed(""), |value| Cow::Owned(value.to_string()))
}

/// A sentence, which may quote text of others.
fn sentence<'a>(sentence: Option<&Message>) -> Cow<'a, str> {
    Cow::Owned(text(sentence.map(Message::to_string).as_deref()).into_owned())
}

/// Text that came from a guest, a file or another service.
pub(super) fn text(text: Option<&str>) -> Cow<'_, str> {
    /// With what a formula can begin, in full width too, and what some programs skip before looking.
    const BEGINNINGS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    match text {
        Some(text) if text.starts_with(BEGINNINGS) => Cow::Owned(format!("'{text}")),
        Some(text) => Cow::Borrowed(text),
        None => Cow::Borrowed(""),
    }
}
