//! The newest dump of each guest.

use serde::{Deserialize, Serialize};

use crate::{ByteCount, DumpId, GuestName, Millis, Record, Timestamp};

/// What a list of guests shows of the newest successful dump of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastDump {
    /// The guest's name.
    pub dom: GuestName,
    /// Where it was taken, as far as that is known: names are unique on a host only.
    pub host: Option<String>,
    /// Which dump, if that is known.
    pub dump_id: Option<DumpId>,
    /// When it began.
    pub at: Timestamp,
    /// Size of the stored file.
    pub stored: Option<ByteCount>,
    /// How long the guest was stopped.
    pub pause_ms: Option<Millis>,
}

impl From<&Record> for LastDump {
    fn from(record: &Record) -> Self {
        Self {
            dom: record.dom.clone(),
            host: record.host.clone(),
            dump_id: record.dump_id.clone(),
            at: record.timestamp,
            stored: record.gzip_size_bytes,
            pause_ms: record.pause_ms,
        }
    }
}
