//! The record of a finished dump, and what is asked of many of them.

use serde::{Deserialize, Serialize};

use crate::{ByteCount, CaptureMode, DumpId, GuestName, Millis, Remark, Timestamp};

/// One finished dump in the shape of contract section 2. Fields after `dump_path` are memdeck's own. What is `None`
/// is unknown: a service that is not memdeck tells less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Record {
    /// When the dump began.
    pub timestamp: Timestamp,
    /// The same instant; existing clients read either.
    pub time: Timestamp,
    /// The guest's name.
    pub dom: GuestName,
    /// libvirt's id of the guest at that time, as text.
    pub vmid: String,
    /// SHA-256 of the uncompressed image, 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// Seconds from the start to the seal.
    pub duration_sec: Option<f64>,
    /// Size of the stored file, whatever its codec.
    pub gzip_size_bytes: Option<ByteCount>,
    /// Change time of the stored file, Unix seconds.
    pub ctime: Option<i64>,
    /// Modification time of the stored file, Unix seconds.
    pub mtime: Option<i64>,
    /// Access time of the stored file, Unix seconds.
    pub atime: Option<i64>,
    /// The stored file on `host`.
    pub dump_path: Option<String>,

    /// Which dump.
    pub dump_id: Option<DumpId>,
    /// The hypervisor's host name.
    pub host: Option<String>,
    /// How it was taken.
    pub mode: Option<CaptureMode>,
    /// How long the guest was stopped.
    pub pause_ms: Option<Millis>,
    /// Size of the uncompressed image.
    pub raw_size_bytes: Option<ByteCount>,
    /// Format of the image under the codec: `elf`.
    pub format: Option<String>,
    /// Codec of the stored file: `zstd`.
    pub codec: Option<String>,
    /// Whether the dump succeeded.
    pub ok: bool,

    /// The instant at which the guest's memory was as the image shows it.
    #[serde(default)]
    pub point_in_time: Option<Timestamp>,
    /// Why another mode than the first choice was taken.
    #[serde(default)]
    pub fallback: Option<String>,
    /// The pause as the hypervisor's own job statistics tell it.
    #[serde(default)]
    pub job_downtime_ms: Option<Millis>,
    /// How often a live dump went over the guest's memory.
    #[serde(default)]
    pub iterations: Option<u64>,
    /// How fast the guest changed its memory during a live dump, bytes per second.
    #[serde(default)]
    pub dirty_bytes_per_s: Option<ByteCount>,
    /// Whether the image is ciphertext, because the guest's memory is encrypted.
    #[serde(default)]
    pub encrypted: bool,
    /// Case number.
    #[serde(default)]
    pub case: Option<Remark>,
    /// Note.
    #[serde(default)]
    pub note: Option<Remark>,
}

impl Record {
    /// A successful dump of which nothing is known but the guest and when it began.
    #[must_use]
    pub fn unknown(dom: GuestName, vmid: String, timestamp: Timestamp) -> Self {
        Self {
            timestamp,
            time: timestamp,
            dom,
            vmid,
            sha256: None,
            duration_sec: None,
            gzip_size_bytes: None,
            ctime: None,
            mtime: None,
            atime: None,
            dump_path: None,
            dump_id: None,
            host: None,
            mode: None,
            pause_ms: None,
            raw_size_bytes: None,
            format: None,
            codec: None,
            ok: true,
            point_in_time: None,
            fallback: None,
            job_downtime_ms: None,
            iterations: None,
            dirty_bytes_per_s: None,
            encrypted: false,
            case: None,
            note: None,
        }
    }
}

/// Which records to list, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordQuery {
    /// At most this many.
    pub limit: u32,
    /// After skipping this many.
    pub offset: u64,
}

impl RecordQuery {
    /// What a request without a usable limit gets, and the most that one answer holds.
    pub const DEFAULT_LIMIT: u32 = 1000;

    /// As the contract reads a request's numbers: a limit ≤ 0 counts as 1000, a negative offset as 0. Limits above
    /// 1000 are served in pages of 1000, so that one answer stays small.
    #[must_use]
    pub fn from_request(limit: Option<i64>, offset: Option<i64>) -> Self {
        let limit = limit.filter(|&limit| limit > 0).and_then(|limit| u32::try_from(limit).ok());
        Self {
            limit: limit.unwrap_or(Self::DEFAULT_LIMIT).min(Self::DEFAULT_LIMIT),
            offset: offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0),
        }
    }
}

/// A page of records, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecordPage {
    /// The records.
    pub records: Vec<Record>,
    /// How many records this answer holds.
    pub count: u64,
    /// The limit that was applied.
    pub limit: u32,
    /// The offset that was applied.
    pub offset: u64,
    /// How many records there are in all.
    pub total: u64,
}

/// Figures over all records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stats {
    /// Finished dumps.
    pub total_dumps: u64,
    /// Different guests among them.
    pub total_vms: u64,
    /// Bytes of all stored files.
    pub total_size_bytes: ByteCount,
    /// Mean of the known durations, in seconds; 0 without any.
    pub avg_duration_sec: f64,
    /// When the newest dump began.
    pub last_dump: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_limits_and_offsets_are_read_as_the_contract_says() {
        let read = |limit, offset| {
            let query = RecordQuery::from_request(limit, offset);
            (query.limit, query.offset)
        };
        assert_eq!(read(None, None), (1000, 0));
        assert_eq!(read(Some(0), Some(-1)), (1000, 0));
        assert_eq!(read(Some(-5), Some(7)), (1000, 7));
        assert_eq!(read(Some(25), Some(50)), (25, 50));
        assert_eq!(read(Some(i64::MAX), Some(i64::MAX)), (1000, i64::MAX.unsigned_abs()));
    }
}
