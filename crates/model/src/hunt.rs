//! Where patterns are in the memory of dumps.

use serde::{Deserialize, Serialize};

use crate::{ByteCount, DumpId, GuestName, GuestPhysAddr, Timestamp};

/// What a pattern is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PatternKind {
    /// Text, as UTF-8 and, if asked for, as UTF-16.
    #[default]
    Text,
    /// Bytes.
    Bytes,
    /// A regular expression over bytes.
    Regex,
    /// The fingerprint of a page.
    Page,
}

/// A pattern that was hunted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HuntedPattern {
    /// As it was given.
    pub pattern: String,
    /// What it is.
    pub kind: PatternKind,
    /// How often it was found; where the hunt was truncated, until then.
    pub hits: u64,
}

/// A dump that was searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuntedDump {
    /// Which dump, where that is known.
    pub dump_id: Option<DumpId>,
    /// Whose memory it is, where that is known.
    pub guest: Option<GuestName>,
    /// When the dump began, where that is known.
    pub taken_at: Option<Timestamp>,
    /// The stored image.
    pub path: String,
    /// Size of its memory.
    pub memory_bytes: ByteCount,
    /// How much of it was unpacked and searched; the rest is zeroes, or was searched in an earlier dump of this hunt.
    pub searched_bytes: ByteCount,
    /// How often anything was found.
    pub hits: u64,
    /// Why it was not searched to its end, if it was not. What was found until then counts.
    pub problem: Option<String>,
}

/// A place where a pattern is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuntHit {
    /// Which of the dumps, from 0.
    pub dump: u32,
    /// Which of the patterns, from 0.
    pub pattern: u32,
    /// Where it begins.
    pub address: GuestPhysAddr,
    /// How many bytes it is.
    pub bytes: u32,
    /// Where the bytes around it begin.
    pub around_address: GuestPhysAddr,
    /// The bytes around it and itself, as far as they are kept; lower-case hexadecimal digits on the wire.
    #[serde(with = "crate::hex")]
    pub around: Vec<u8>,
}

/// What a hunt came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuntReport {
    /// The patterns, in the order in which they were given.
    pub patterns: Vec<HuntedPattern>,
    /// The dumps, in the order in which they were searched.
    pub dumps: Vec<HuntedDump>,
    /// How often anything was found.
    pub hits: u64,
    /// Whether there may be more: the hunt ended at the limit of hits.
    pub truncated: bool,
}

/// How far a hunt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuntProgress {
    /// Memory of dumps that is done with.
    pub bytes_done: ByteCount,
    /// Of all dumps.
    pub bytes_expected: ByteCount,
    /// What was found until now.
    pub hits: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_around_a_hit_are_hexadecimal_digits_on_the_wire() {
        let hit = HuntHit {
            dump: 0,
            pattern: 1,
            address: GuestPhysAddr(4096),
            bytes: 1,
            around_address: GuestPhysAddr(4095),
            around: vec![0, 255, 16],
        };
        let json = serde_json::to_string(&hit).unwrap();
        assert!(json.contains("\"around\":\"00ff10\""), "{json}");
        assert_eq!(serde_json::from_str::<HuntHit>(&json).unwrap(), hit);
        assert!(serde_json::from_str::<HuntHit>(&json.replace("00ff10", "00ff1")).is_err());
        assert!(serde_json::from_str::<HuntHit>(&json.replace("00ff10", "00ffgg")).is_err());
    }
}
