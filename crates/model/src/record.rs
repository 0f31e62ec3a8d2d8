//! The record of a finished dump, and figures over many of them.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Actor, ByteCount, CaptureMode, DumpId, GuestName, Message, Millis, Remark, Timestamp};

/// One finished dump in the shape of contract section 2. Fields after `dump_path` are memdeck's own. What is `None`
/// is unknown: a service that is not memdeck reports less. On the wire the fields up to `dump_path` are never null, because
/// existing clients end on it: an unknown text is empty, an unknown number 0.
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
    #[serde(default, with = "crate::unknown::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required))]
    pub sha256: Option<String>,
    /// Seconds from the start to the seal.
    #[serde(default, with = "crate::unknown::number")]
    #[cfg_attr(feature = "openapi", schema(value_type = f64, required))]
    pub duration_sec: Option<f64>,
    /// Size of the stored file, whatever its codec.
    #[serde(default, with = "crate::unknown::number")]
    #[cfg_attr(feature = "openapi", schema(value_type = ByteCount, required))]
    pub gzip_size_bytes: Option<ByteCount>,
    /// Change time of the stored file, Unix seconds.
    #[serde(default, with = "crate::unknown::number")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64, required))]
    pub ctime: Option<i64>,
    /// Modification time of the stored file, Unix seconds.
    #[serde(default, with = "crate::unknown::number")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64, required))]
    pub mtime: Option<i64>,
    /// Access time of the stored file, Unix seconds.
    #[serde(default, with = "crate::unknown::number")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64, required))]
    pub atime: Option<i64>,
    /// The stored file on `host`.
    #[serde(default, with = "crate::unknown::text")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required))]
    pub dump_path: Option<String>,

    /// Which dump.
    pub dump_id: Option<DumpId>,
    /// The hypervisor's host name.
    pub host: Option<String>,
    /// The guest's UUID. Unknown if the service that took the dump did not report it, or an earlier version recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_uuid: Option<String>,
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
    /// The dump whose image this one is stored as a difference to; `None` if it is stored whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference_of: Option<DumpId>,
    /// Whether the dump succeeded.
    pub ok: bool,

    /// The instant at which the guest's memory was as the image shows it.
    #[serde(default)]
    pub point_in_time: Option<Timestamp>,
    /// Why another mode than the first choice was taken.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub fallback: Option<Message>,
    /// The pause according to the hypervisor's own job statistics.
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
    /// Who asked for the dump. Unknown if the version that took it did not keep that here.
    #[serde(default, deserialize_with = "kept")]
    pub requested_by: Option<Actor>,
    /// Case number.
    #[serde(default)]
    pub case: Option<Remark>,
    /// Note.
    #[serde(default)]
    pub note: Option<Remark>,

    /// SHA-256 of the manifest file as it was sealed, 64 hexadecimal digits. Unknown if the version that took the dump
    /// did not record it.
    #[serde(default)]
    pub manifest_sha256: Option<String>,
    /// BLAKE3 root over the digests of the image's frames, 64 hexadecimal digits. Unknown as above.
    #[serde(default)]
    pub digests_root: Option<String>,
    /// When this record was made anew from the manifest, because the catalog had lost it: it is no witness against the
    /// manifest then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt_at: Option<Timestamp>,
    /// Whether the catalog's row is not as memdeck wrote it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub altered: bool,

    /// That no memdeck wrote this record: it was read from rows that other tools wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<ForeignRow>,

    /// When its image was deleted. The record stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Who deleted the image.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "kept")]
    pub deleted_by: Option<Actor>,
}

/// How much of a row that other tools wrote was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ForeignRow {
    /// Everything that is in the row. What is not in it is unknown.
    Whole,
    /// Not everything: the name of the guest is missing, or a value is of another kind than it should be. Such a value is left
    /// out.
    Partly,
}

impl ForeignRow {
    /// The word that is stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Partly => "partly",
        }
    }
}

impl std::str::FromStr for ForeignRow {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "whole" => Ok(Self::Whole),
            "partly" => Ok(Self::Partly),
            _ => Err(()),
        }
    }
}

impl Record {
    /// Whether nobody verified which guest was dumped: the record comes from a dump service that has only the three calls,
    /// which reports neither a UUID nor a format. The guest is the one that it took for the text of the request.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        self.format.is_none() && self.foreign.is_none()
    }

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
            guest_uuid: None,
            mode: None,
            pause_ms: None,
            raw_size_bytes: None,
            format: None,
            codec: None,
            difference_of: None,
            ok: true,
            point_in_time: None,
            fallback: None,
            job_downtime_ms: None,
            iterations: None,
            dirty_bytes_per_s: None,
            encrypted: false,
            requested_by: None,
            case: None,
            note: None,
            manifest_sha256: None,
            digests_root: None,
            rebuilt_at: None,
            altered: false,
            foreign: None,
            deleted_at: None,
            deleted_by: None,
        }
    }
}

fn kept<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Actor>, D::Error> {
    #[derive(Deserialize)]
    struct Kept(#[serde(deserialize_with = "Actor::deserialize_kept")] Actor);
    Ok(Option::<Kept>::deserialize(from)?.map(|Kept(actor)| actor))
}

/// Figures over all records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Stats {
    /// Finished dumps.
    pub total_dumps: u64,
    /// Different guests among them.
    pub total_vms: u64,
    /// Bytes of all stored files that were not deleted.
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
    fn the_old_fields_of_a_record_of_which_little_is_known_are_not_null() {
        let at = Timestamp::from_unix_micros(0).unwrap();
        let unknown = Record::unknown(GuestName("web-01".into()), String::new(), at);
        let json = serde_json::to_value(&unknown).unwrap();
        let old = ["sha256", "duration_sec", "gzip_size_bytes", "ctime", "mtime", "atime", "dump_path"];
        let told = old.map(|field| json[field].to_string());
        assert_eq!(told, ["\"\"", "0.0", "0", "0", "0", "0", "\"\""]);
        assert!(json["raw_size_bytes"].is_null(), "the fields that were added say what is not known");
        assert_eq!(
            serde_json::from_value::<Record>(json).unwrap(),
            unknown,
            "and it is unknown to whoever reads it"
        );
        let missing = serde_json::json!({
            "timestamp": at, "time": at, "dom": "web-01", "vmid": "", "ok": true, "sha256": null,
        });
        assert_eq!(serde_json::from_value::<Record>(missing).unwrap(), unknown);
    }
}
