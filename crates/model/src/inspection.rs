//! What a stored image is: its headers, its notes, its manifest, and its length in each format.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{ByteCount, Manifest, Segment};

/// A format in which a stored image can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// The ELF core that is stored, as it is.
    Elf,
    /// The guest's RAM alone, each byte at its guest-physical address, holes filled with zeroes.
    Raw,
    /// `LiME`, version 1: every segment of memory after a header with its place.
    Lime,
    /// AVML (`LiME`, version 2): the same, compressed with snappy.
    Avml,
}

/// A word that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no format of an image; there are elf, raw, lime and avml")]
pub struct ParseFormatError(String);

impl ExportFormat {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Elf, Self::Raw, Self::Lime, Self::Avml];

    /// Its word, which is the ending of its files too.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elf => "elf",
            Self::Raw => "raw",
            Self::Lime => "lime",
            Self::Avml => "avml",
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ExportFormat {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, ParseFormatError> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| ParseFormatError(text.chars().take(40).collect()))
    }
}

/// A format in which an image can be exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFacts {
    pub format: ExportFormat,
    /// How long the export is; `None` if that is not known before it is made, or if it cannot be made.
    pub size_bytes: Option<ByteCount>,
    /// Segments of memory that it leaves out.
    pub omitted: Vec<Segment>,
    /// Why it cannot be made.
    pub problem: Option<String>,
}

/// A note of the ELF core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteFacts {
    /// Who defines its type: `CORE`, `QEMU`, `VMCOREINFO`, ...
    pub owner: String,
    /// Its type, a number that means something to its owner.
    #[serde(rename = "type")]
    pub kind: u32,
    /// What the type is called, if that is known.
    pub name: Option<Cow<'static, str>>,
    /// Bytes of its content.
    pub size_bytes: ByteCount,
}

/// A stored image as its own headers and its manifest describe it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// The stored file.
    pub path: PathBuf,
    pub stored_size_bytes: ByteCount,
    /// Size of the image under the codec.
    pub raw_size_bytes: ByteCount,
    /// The stored file's size divided by the image's.
    pub compression_ratio: f64,
    /// Frames of the stored file.
    pub frames: u64,
    /// Those of zeroes only; `None` without a manifest.
    pub zero_frames: Option<u64>,
    /// Bytes of the image in every frame but the last.
    pub frame_bytes: ByteCount,
    /// Bytes of guest memory in the image.
    pub memory_bytes: ByteCount,
    /// The segments of the image, in the order of its program headers.
    pub segments: Vec<Segment>,
    /// CPUs whose registers are in the image (`NT_PRSTATUS`).
    pub cpus: u64,
    /// Its notes, the first thousand.
    pub notes: Vec<NoteFacts>,
    /// The guest kernel's description of itself, if its note was found: lines of `NAME=VALUE`.
    pub vmcoreinfo: Option<String>,
    /// How long the image is in each format, and what the format leaves out.
    #[serde(deserialize_with = "known_formats")]
    pub exports: Vec<ExportFacts>,
    /// The manifest beside the image.
    pub manifest: Option<Manifest>,
    /// Why there is none, or why it is not to be believed.
    pub manifest_problem: Option<String>,
}

/// A newer version may have formats that this one does not know; they are left out.
fn known_formats<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ExportFacts>, D::Error> {
    let is_known = |export: &serde_json::Value| {
        export.get("format").is_some_and(|format| ExportFormat::deserialize(format).is_ok())
    };
    let exports = Vec::<serde_json::Value>::deserialize(from)?.into_iter().filter(is_known);
    exports.map(|export| serde_json::from_value(export).map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json() -> serde_json::Value {
        serde_json::json!({
            "path": "/dumps/web-01_a1.elf.zst", "stored_size_bytes": 1, "raw_size_bytes": 4, "compression_ratio": 0.25,
            "frames": 1, "zero_frames": null, "frame_bytes": 4, "memory_bytes": 4, "segments": [], "cpus": 1,
            "notes": [{"owner": "CORE", "type": 1, "name": "NT_PRSTATUS", "size_bytes": 336}], "vmcoreinfo": null,
            "exports": [{"format": "elf", "size_bytes": 4, "omitted": [], "problem": null}],
            "manifest": null, "manifest_problem": "there is none beside the image",
        })
    }

    #[test]
    fn an_inspection_survives_its_json() {
        let inspection: Inspection = serde_json::from_value(json()).unwrap();
        assert_eq!(serde_json::to_value(inspection).unwrap(), json());
    }

    #[test]
    fn formats_of_a_newer_version_are_left_out_and_damage_is_not() {
        let mut newer = json();
        newer["exports"]
            .as_array_mut()
            .unwrap()
            .push(serde_json::json!({"format": "vhdx", "size_bytes": "?"}));
        let inspection: Inspection = serde_json::from_value(newer).unwrap();
        assert_eq!(inspection.exports.len(), 1);
        let mut damaged = json();
        damaged["exports"][0]["size_bytes"] = "much".into();
        serde_json::from_value::<Inspection>(damaged).unwrap_err();
    }
}
