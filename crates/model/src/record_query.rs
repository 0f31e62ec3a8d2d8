//! Which part of which records is asked for, and in what order.

use std::cmp::Ordering;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Record, RecordFilter};

/// What records can be ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordColumn {
    /// When the dump began.
    #[default]
    Timestamp,
    /// The guest's name; ASCII letters in either case are the same.
    Dom,
    /// libvirt's id: shorter ones first, so that numbers are in their own order.
    Vmid,
    /// Seconds from the start to the seal.
    DurationSec,
    Sha256,
    /// The stored file.
    DumpPath,
    /// The size of the stored file.
    GzipSizeBytes,
    /// The size of the uncompressed image.
    RawSizeBytes,
}

impl RecordColumn {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Timestamp,
        Self::Dom,
        Self::Vmid,
        Self::DurationSec,
        Self::Sha256,
        Self::DumpPath,
        Self::GzipSizeBytes,
        Self::RawSizeBytes,
    ];

    /// The word on the wire: the name of the record's field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Dom => "dom",
            Self::Vmid => "vmid",
            Self::DurationSec => "duration_sec",
            Self::Sha256 => "sha256",
            Self::DumpPath => "dump_path",
            Self::GzipSizeBytes => "gzip_size_bytes",
            Self::RawSizeBytes => "raw_size_bytes",
        }
    }

    /// The order that is meant if none is named: names from A to Z, times and amounts from the largest.
    #[must_use]
    pub fn first_order(self) -> SortOrder {
        match self {
            Self::Timestamp | Self::DurationSec | Self::GzipSizeBytes | Self::RawSizeBytes => SortOrder::Desc,
            Self::Dom | Self::Vmid | Self::Sha256 | Self::DumpPath => SortOrder::Asc,
        }
    }
}

impl FromStr for RecordColumn {
    type Err = SortError;

    fn from_str(text: &str) -> Result<Self, SortError> {
        Self::ALL.into_iter().find(|column| column.as_str() == text).ok_or(SortError::Column)
    }
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SortOrder {
    Asc,
    #[default]
    Desc,
}

impl SortOrder {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }

    /// The other one.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Asc => Self::Desc,
            Self::Desc => Self::Asc,
        }
    }
}

impl FromStr for SortOrder {
    type Err = SortError;

    fn from_str(text: &str) -> Result<Self, SortError> {
        [Self::Asc, Self::Desc].into_iter().find(|order| order.as_str() == text).ok_or(SortError::Order)
    }
}

/// Why an order cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SortError {
    #[error(
        "records are sorted by timestamp, dom, vmid, duration_sec, sha256, dump_path, gzip_size_bytes or \
         raw_size_bytes"
    )]
    Column,
    #[error("an order is asc or desc")]
    Order,
}

/// In what order records come. What is unknown comes last either way; equals come newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecordSort {
    /// By what.
    pub by: RecordColumn,
    /// Which end first.
    pub order: SortOrder,
}

impl RecordSort {
    /// How `a` stands to `b`.
    #[must_use]
    pub fn compare(self, a: &Record, b: &Record) -> Ordering {
        let newest_first = || b.timestamp.cmp(&a.timestamp);
        let by_column = match self.by {
            RecordColumn::Timestamp => self.directed(a.timestamp.cmp(&b.timestamp)),
            RecordColumn::Dom => {
                self.directed(a.dom.0.to_ascii_lowercase().cmp(&b.dom.0.to_ascii_lowercase()))
            }
            RecordColumn::Vmid => {
                let key = |record: &Record| {
                    (!record.vmid.is_empty()).then(|| (record.vmid.chars().count(), record.vmid.clone()))
                };
                self.known_first(key(a), key(b), Ord::cmp)
            }
            RecordColumn::DurationSec => self.known_first(a.duration_sec, b.duration_sec, |a, b| {
                a.partial_cmp(b).unwrap_or(Ordering::Equal)
            }),
            RecordColumn::Sha256 => self.known_first(a.sha256.as_ref(), b.sha256.as_ref(), Ord::cmp),
            RecordColumn::DumpPath => self.known_first(a.dump_path.as_ref(), b.dump_path.as_ref(), Ord::cmp),
            RecordColumn::GzipSizeBytes => self.known_first(a.gzip_size_bytes, b.gzip_size_bytes, Ord::cmp),
            RecordColumn::RawSizeBytes => self.known_first(a.raw_size_bytes, b.raw_size_bytes, Ord::cmp),
        };
        by_column.then_with(newest_first)
    }

    fn directed(self, ascending: Ordering) -> Ordering {
        match self.order {
            SortOrder::Asc => ascending,
            SortOrder::Desc => ascending.reverse(),
        }
    }

    fn known_first<T>(self, a: Option<T>, b: Option<T>, compare: fn(&T, &T) -> Ordering) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => self.directed(compare(&a, &b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
}

/// Which records to list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordQuery {
    /// Which are meant.
    #[serde(default)]
    pub filter: RecordFilter,
    /// In what order.
    #[serde(default)]
    pub sort: RecordSort,
    /// At most this many.
    pub limit: u32,
    /// After skipping this many.
    pub offset: u64,
}

impl RecordQuery {
    /// What a request without a usable limit gets, and the most that one answer holds.
    pub const DEFAULT_LIMIT: u32 = 1000;

    /// All records, newest first.
    #[must_use]
    pub fn newest(limit: u32, offset: u64) -> Self {
        Self { filter: RecordFilter::default(), sort: RecordSort::default(), limit, offset }
    }

    /// As the contract reads a request's numbers: a limit ≤ 0 counts as 1000, a negative offset as 0. Limits above
    /// 1000 are served in pages of 1000, so that one answer stays small.
    #[must_use]
    pub fn from_request(
        filter: RecordFilter,
        sort: RecordSort,
        limit: Option<i64>,
        offset: Option<i64>,
    ) -> Self {
        let limit = limit.filter(|&limit| limit > 0).and_then(|limit| u32::try_from(limit).ok());
        let limit = limit.unwrap_or(Self::DEFAULT_LIMIT);
        let offset = offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
        Self { filter, sort, limit, offset }.bounded()
    }

    /// With a limit that one answer may hold.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self { limit: self.limit.min(Self::DEFAULT_LIMIT), ..self }
    }
}

/// A page of records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordPage {
    pub records: Vec<Record>,
    /// How many records this answer holds.
    pub count: u64,
    /// The limit that was applied.
    pub limit: u32,
    /// The offset that was applied.
    pub offset: u64,
    /// How many records match the filter in all.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GuestName, Timestamp};

    #[test]
    fn odd_limits_and_offsets_are_read_as_the_contract_says() {
        let read = |limit, offset| {
            let (filter, sort) = (RecordFilter::default(), RecordSort::default());
            let query = RecordQuery::from_request(filter, sort, limit, offset);
            (query.limit, query.offset)
        };
        assert_eq!(read(None, None), (1000, 0));
        assert_eq!(read(Some(0), Some(-1)), (1000, 0));
        assert_eq!(read(Some(-5), Some(7)), (1000, 7));
        assert_eq!(read(Some(25), Some(50)), (25, 50));
        assert_eq!(read(Some(i64::MAX), Some(i64::MAX)), (1000, i64::MAX.unsigned_abs()));
    }

    #[test]
    fn a_query_of_before_filters_means_the_newest() {
        let query: RecordQuery = serde_json::from_str(r#"{"limit": 25, "offset": 50}"#).unwrap();
        assert_eq!(query, RecordQuery::newest(25, 50));
    }

    #[test]
    fn words_are_read_back() {
        for column in RecordColumn::ALL {
            assert_eq!(column.as_str().parse(), Ok(column));
            assert_eq!(serde_json::to_value(column).unwrap(), column.as_str());
        }
        for order in [SortOrder::Asc, SortOrder::Desc] {
            assert_eq!(order.as_str().parse(), Ok(order));
        }
        assert_eq!("note".parse::<RecordColumn>(), Err(SortError::Column));
        assert_eq!("up".parse::<SortOrder>(), Err(SortError::Order));
    }

    #[test]
    fn unknown_is_last_either_way_and_equals_are_newest_first() {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let record = |name: &str, id: &str, second, duration_sec| Record {
            duration_sec,
            ..Record::unknown(GuestName(name.to_owned()), id.to_owned(), at(second))
        };
        let records = [
            record("b", "10", 1, Some(2.0)),
            record("A", "9", 2, None),
            record("a", "", 3, Some(1.0)),
            record("c", "9", 4, Some(2.0)),
        ];
        let sorted = |by, order| {
            let mut sorted: Vec<&Record> = records.iter().collect();
            sorted.sort_by(|a, b| RecordSort { by, order }.compare(a, b));
            sorted.iter().map(|record| record.timestamp.unix_seconds()).collect::<Vec<_>>()
        };
        assert_eq!(sorted(RecordColumn::DurationSec, SortOrder::Asc), [3, 4, 1, 2]);
        assert_eq!(sorted(RecordColumn::DurationSec, SortOrder::Desc), [4, 1, 3, 2]);
        assert_eq!(sorted(RecordColumn::Dom, SortOrder::Asc), [3, 2, 1, 4]);
        assert_eq!(sorted(RecordColumn::Vmid, SortOrder::Asc), [4, 2, 1, 3]);
        assert_eq!(sorted(RecordColumn::Vmid, SortOrder::Desc), [1, 4, 2, 3]);
        assert_eq!(sorted(RecordColumn::Timestamp, SortOrder::Desc), [4, 3, 2, 1]);
    }
}
