//! Brings the dump records that other tools wrote into InfluxDB to the catalog, where the table, the search and the figures
//! find them.
//!
//! ```text
//! from where the last process ended ──► step by step to the newest row ──► every few seconds: what is new ─┐
//!                     ▲                                                             ▲                       │
//!                     └────────────── every hour, from the beginning ◄──────────────┴───────────────────────┘
//! ```
//!
//! A row has the time at which its dump began and is written when it ended, or much later from a backlog. So what is new is
//! asked from some hours before the newest row, and now and then everything is looked at again. Rows that are known change
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_influx::{Backoff, FeedError, MEM_DUMPS, Row, RowQuery, RowSource};
use memdeck_model::{ByteCount, ForeignImport, ForeignRow, GuestName, Message, Record, with_causes};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use memdeck_operations::blocking;

/// How the rows are followed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Rows read at once.
    pub step: u32,
    /// Records stored in one transaction: a dump that ends meanwhile waits for no more.
    pub transaction: usize,
    /// The time between two looks at what is new.
    pub interval: Duration,
    /// How far before the newest row a look begins: longer than a dump takes.
    pub overlap: Duration,
    /// The time between two looks at everything.
    pub again: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            step: 2_000,
            transaction: 500,
            interval: Duration::from_secs(5),
            overlap: Duration::from_hours(2),
            again: Duration::from_hours(1),
        }
    }
}

/// The most rows of one nanosecond: beyond, what is read would not fit into memory.
const MOST_AT_ONCE: u32 = 64_000;

/// Why rows were not brought.
#[derive(Debug, thiserror::Error)]
pub enum ForeignRowsError {
    /// InfluxDB.
    #[error(transparent)]
    Store(#[from] FeedError),
    #[error("the catalog did not take rows of InfluxDB")]
    Catalog(#[from] CatalogError),
}

/// Brings rows from a store to a catalog.
pub struct ForeignRows {
    source: Arc<dyn RowSource>,
    catalog: Arc<Catalog>,
    pace: Pace,
    /// Names the rows in the catalog.
    origin: String,
    progress: watch::Sender<ForeignImport>,
}

impl ForeignRows {
    /// Nothing is read before [`Self::follow`].
    pub fn new(source: Arc<dyn RowSource>, catalog: Arc<Catalog>, pace: Pace) -> Self {
        let origin = format!("rows of {}", source.describe());
        Self { source, catalog, pace, origin, progress: watch::Sender::default() }
    }

    /// How far the rows have been read.
    pub fn progress(&self) -> watch::Receiver<ForeignImport> {
        self.progress.subscribe()
    }

    /// Reads for ever. That InfluxDB is away is logged once; it is tried again at growing intervals.
    pub async fn follow(self) {
        let mut backoff = Backoff::new(self.pace.interval, Duration::from_mins(1));
        let mut everything_at = None;
        loop {
            let from_the_beginning = everything_at.is_some_and(|at| at <= Instant::now());
            if everything_at.is_none() || from_the_beginning {
                everything_at = Some(Instant::now() + self.pace.again);
            }
            match self.catch_up(from_the_beginning).await {
                Ok(()) => {
                    backoff.reset();
                    tokio::time::sleep(self.pace.interval).await;
                }
                Err(error) => {
                    if from_the_beginning {
                        everything_at = Some(Instant::now());
                    }
                    self.note_problem(&error);
                    tokio::time::sleep(backoff.wait()).await;
                }
            }
        }
    }

    /// Reads until there is nothing newer: from the beginning, or from some time before the newest row that was read.
    ///
    /// # Errors
    /// InfluxDB or the catalog failed. What was read until then is kept.
    pub async fn catch_up(&self, from_the_beginning: bool) -> Result<(), ForeignRowsError> {
        let read_until = {
            let (catalog, origin) = (Arc::clone(&self.catalog), self.origin.clone());
            blocking(move || catalog.cursor(&origin)).await?
        };
        let overlap = u64::try_from(self.pace.overlap.as_micros()).unwrap_or(u64::MAX);
        let start =
            i64::try_from(read_until.saturating_sub(overlap)).unwrap_or(i64::MAX).saturating_mul(1000);
        let mut from_nanos = (read_until > 0 && !from_the_beginning).then_some(start);
        let mut limit = self.pace.step;
        loop {
            let query = RowQuery {
                measurement: MEM_DUMPS,
                columns: Vec::new(),
                from_nanos,
                until_nanos: None,
                limit,
            };
            let rows = self.source.rows(&query).await?;
            let is_last = rows.len() < limit as usize;
            let newest = rows.last().and_then(Row::unix_nanos);
            self.store(rows).await?;
            if is_last {
                break;
            }
            match newest {
                // All rows of this step are of one nanosecond: a larger step gets beyond it.
                Some(newest) if from_nanos == Some(newest) && limit < MOST_AT_ONCE => limit *= 2,
                Some(newest) if from_nanos == Some(newest) => from_nanos = newest.checked_add(1),
                Some(newest) => {
                    from_nanos = Some(newest);
                    limit = self.pace.step;
                }
                None => break,
            }
        }
        self.progress.send_modify(|progress| {
            progress.is_complete = true;
            progress.problem = None;
        });
        Ok(())
    }

    async fn store(&self, rows: Vec<Row>) -> Result<(), ForeignRowsError> {
        for rows in rows.chunks(self.pace.transaction.max(1)) {
            let records: Vec<Record> = rows.iter().filter_map(record_of).collect();
            let partly = records.iter().filter(|record| record.foreign == Some(ForeignRow::Partly)).count();
            let newest = records.iter().map(|record| record.timestamp.unix_micros()).max().unwrap_or(0);
            let (catalog, origin) = (Arc::clone(&self.catalog), self.origin.clone());
            let imported = blocking(move || catalog.import_foreign(&origin, &records, newest)).await?;
            self.progress.send_modify(|progress| {
                progress.rows_read += rows.len() as u64;
                progress.records_added += imported.added;
                progress.records_changed += imported.changed;
                progress.rows_partly_understood += partly as u64;
                progress.problem = None;
            });
        }
        Ok(())
    }

    /// The first failure is news; that it goes on is not.
    fn note_problem(&self, error: &ForeignRowsError) {
        let sentence = with_causes(error);
        if self.progress.borrow().problem.is_none() {
            tracing::warn!(error = sentence, "rows of other tools cannot be read now");
        }
        self.progress.send_modify(|progress| progress.problem = Some(Message::new(sentence)));
    }
}

/// The record of a row, as far as it can be understood. `None` only for a row without a time, which no table has.
pub fn record_of(row: &Row) -> Option<Record> {
    let mut reader = Reader { row, is_whole: true };
    let dom = reader.text("dom").unwrap_or_default();
    reader.is_whole &= !dom.is_empty();
    let vmid = reader.text("vmid").unwrap_or_default();
    let mut record = Record {
        sha256: reader.text("sha256"),
        manifest_sha256: reader.text("manifest_sha256"),
        dump_path: reader.text("dump_path"),
        host: reader.text("host"),
        raw_size_bytes: reader.size("raw_size_bytes"),
        gzip_size_bytes: reader.size("gzip_size_bytes"),
        ctime: reader.whole("ctime"),
        mtime: reader.whole("mtime"),
        atime: reader.whole("atime"),
        duration_sec: reader.seconds("duration_sec"),
        // A row that does not say that the dump failed is of one that did not: older tools wrote no other.
        ok: reader.truth("ok").unwrap_or(true),
        ..Record::unknown(GuestName(dom), vmid, row.time()?)
    };
    // Tools that dump first and hash and compress afterwards may report only the first step.
    record.duration_sec = record.duration_sec.or_else(|| reader.seconds("dump_duration_sec"));
    record.foreign = Some(if reader.is_whole { ForeignRow::Whole } else { ForeignRow::Partly });
    Some(record)
}

/// Reads the values of a row in whatever type they are, and remembers whether one could not be read.
struct Reader<'a> {
    row: &'a Row,
    is_whole: bool,
}

/// Longer texts are cut: no tool writes them on purpose.
const LONGEST_TEXT: usize = 4096;

impl Reader<'_> {
    fn read<T>(&mut self, column: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.row.0.get(column)?;
        let read = read(value);
        self.is_whole &= read.is_some();
        read
    }

    /// A text; a number is written as one. An empty text is none.
    fn text(&mut self, column: &str) -> Option<String> {
        let text = self.read(column, |value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })?;
        let text: String = text.chars().take(LONGEST_TEXT).collect();
        (!text.is_empty()).then_some(text)
    }

    /// A number, also if it is a text.
    fn number(value: &Value) -> Option<f64> {
        let number = match value {
            Value::String(text) => text.trim().parse().ok()?,
            value => value.as_f64()?,
        };
        number.is_finite().then_some(number)
    }

    /// A whole number; of a float the part before the point.
    fn whole(&mut self, column: &str) -> Option<i64> {
        self.read(column, |value| {
            let text = value.as_str().and_then(|text| text.trim().parse().ok());
            value.as_i64().or(text).or_else(|| {
                let number = Self::number(value)?.trunc();
                // Beyond 2^53 a float has no ones.
                #[expect(clippy::cast_possible_truncation, reason = "it lies in the range of an i64")]
                (number.abs() < 9.0e18).then_some(number as i64)
            })
        })
    }

    fn size(&mut self, column: &str) -> Option<ByteCount> {
        let size = self.whole(column)?;
        let size = u64::try_from(size).ok().map(ByteCount);
        self.is_whole &= size.is_some();
        size
    }

    fn seconds(&mut self, column: &str) -> Option<f64> {
        self.read(column, |value| Self::number(value).filter(|seconds| *seconds >= 0.0))
    }

    fn truth(&mut self, column: &str) -> Option<bool> {
        self.read(column, |value| match value {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
            value => Self::number(value).map(|number| number != 0.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(row: Value) -> Record {
        record_of(&Row(serde_json::from_value(row).unwrap())).unwrap()
    }

    #[test]
    fn numbers_as_floats_and_a_time_without_a_zone_are_understood() {
        let told = record(json!({
            "time": "2025-10-09T08:53:20", "dom": "web-01", "vmid": 7, "ok": 1, "sha256": "ab",
            "raw_size_bytes": 537_133_056.0, "gzip_size_bytes": "45", "ctime": 1.9e9, "duration_sec": "1.5", "loop": 0.0,
        }));
        assert_eq!(told.timestamp.to_string(), "2025-10-09T08:53:20.000000Z");
        assert_eq!((told.dom.0.as_str(), told.vmid.as_str()), ("web-01", "7"));
        assert_eq!(told.raw_size_bytes, Some(ByteCount(537_133_056)));
        assert_eq!((told.gzip_size_bytes, told.ctime), (Some(ByteCount(45)), Some(1_900_000_000)));
        assert_eq!((told.duration_sec, told.ok), (Some(1.5), true));
        assert_eq!(told.foreign, Some(ForeignRow::Whole));
    }

    #[test]
    fn what_is_missing_is_unknown_and_no_fault() {
        let told = record(json!({"time": "2025-10-09T08:53:20Z", "dom": "web-01", "dump_duration_sec": 2}));
        assert_eq!((told.sha256, told.dump_path, told.host), (None, None, None));
        assert_eq!((told.duration_sec, told.foreign), (Some(2.0), Some(ForeignRow::Whole)));
    }

    #[test]
    fn what_cannot_be_understood_is_left_out_and_marked() {
        for row in [
            json!({"time": "2025-10-09T08:53:20Z", "dom": "web-01", "raw_size_bytes": "many"}),
            json!({"time": "2025-10-09T08:53:20Z", "dom": "web-01", "raw_size_bytes": -1}),
            json!({"time": "2025-10-09T08:53:20Z", "dom": "web-01", "ok": "perhaps"}),
            json!({"time": "2025-10-09T08:53:20Z", "dom": "web-01", "sha256": true}),
            json!({"time": "2025-10-09T08:53:20Z", "vmid": "7"}),
        ] {
            let told = record(row.clone());
            assert_eq!(told.foreign, Some(ForeignRow::Partly), "{row}");
            assert_eq!(told.raw_size_bytes, None);
        }
    }
}
