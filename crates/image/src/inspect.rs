//! What a stored image is, without unpacking it: its segments, its notes, what the manifest says of it, and how long it
//! is in each format.
//!
//! Only what is read is checked here, and no memory is shown but the guest kernel's own description of itself (`VMCOREINFO`).

mod notes;

use std::path::{Path, PathBuf};

use memdeck_model::{ByteCount, Record};
use serde::Serialize;

pub use self::notes::NoteFacts;
use crate::elf::{ElfCore, Segment, SegmentKind};
use crate::evidence::Evidence;
use crate::export::{ExportFormat, layout_in, read_core};
use crate::manifest::Manifest;
use crate::reader::ReadError;
use crate::verify::sentence;

/// A stored image as its own headers and its manifest describe it.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The stored file.
    pub path: PathBuf,
    /// Its size.
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
    /// CPUs of which the image has the registers (`NT_PRSTATUS`).
    pub cpus: u64,
    /// Its notes, the first thousand.
    pub notes: Vec<NoteFacts>,
    /// The guest kernel's description of itself, where its note was found: lines of `NAME=VALUE`.
    pub vmcoreinfo: Option<String>,
    /// How long the image is in each format, and what the format leaves out.
    pub exports: Vec<ExportFacts>,
    /// The manifest beside the image.
    pub manifest: Option<Manifest>,
    /// Why there is none, or why it is not to be believed.
    pub manifest_problem: Option<String>,
}

/// A format in which the image can be exported.
#[derive(Clone, Debug, Serialize)]
pub struct ExportFacts {
    /// Which.
    pub format: ExportFormat,
    /// How long the export is; `None` where that is not known before it is made, or where it cannot be made.
    pub size_bytes: Option<ByteCount>,
    /// Segments of memory that it leaves out.
    pub omitted: Vec<Segment>,
    /// Why it cannot be made.
    pub problem: Option<String>,
}

/// Describes a stored image. Reads its headers, its notes and its manifest; where there are digests of its frames, what
/// is read is held against them.
///
/// # Errors
/// It cannot be read as far as its notes, or what is read is not what was stored.
pub fn inspect(path: &Path) -> Result<Inspection, ReadError> {
    match Evidence::open(path, None) {
        Err(ReadError::Manifest { path: manifest, source }) => {
            let problem = sentence(&ReadError::Manifest { path: manifest, source });
            describe(Evidence::with_manifest(path, None, None)?, Some(problem))
        }
        evidence => describe(evidence?, None),
    }
}

/// The same for the image of a dump that the catalog has a record of.
///
/// # Errors
/// As [`inspect`]; also where the image or its manifest is not what the record says, or the manifest cannot be read.
pub fn inspect_recorded(path: &Path, record: &Record) -> Result<Inspection, ReadError> {
    describe(Evidence::open(path, Some(record))?, None)
}

fn describe(mut evidence: Evidence, problem: Option<String>) -> Result<Inspection, ReadError> {
    let path = evidence.path.clone();
    let core = read_core(&evidence)?;
    let mut image = evidence.reader()?;
    let notes = notes::read(&mut image, &core.segments).map_err(|source| {
        source.downcast::<ReadError>().unwrap_or_else(|source| ReadError::Read {
            path: path.clone(),
            offset: 0,
            source,
        })
    })?;
    let (manifest, manifest_problem) = match (evidence.manifest.take(), problem) {
        (Some(manifest), _) if manifest.raw_size_bytes == image.raw_size() => (Some(manifest), None),
        (Some(_), _) => (None, Some("it describes another image".to_owned())),
        (None, Some(problem)) => (None, Some(problem)),
        (None, None) => (None, Some("there is none beside the image".to_owned())),
    };
    let facts = |format| export_facts(&path, &core, image.raw_size(), format);
    let exports = ExportFormat::ALL.into_iter().map(facts).collect();
    let table = image.seek_table();
    let stored_size = table.frames_end().saturating_add(table.table_bytes());
    let memory = core.segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
    Ok(Inspection {
        path,
        stored_size_bytes: ByteCount(stored_size),
        raw_size_bytes: image.raw_size(),
        compression_ratio: ratio(stored_size, image.raw_size().0),
        frames: table.frames(),
        zero_frames: manifest.as_ref().map(|manifest| manifest.frames.zero),
        frame_bytes: ByteCount(table.frame_bytes().into()),
        memory_bytes: ByteCount(memory.map(|segment| segment.file_bytes.0).fold(0, u64::saturating_add)),
        cpus: notes.cpus,
        notes: notes.listed,
        vmcoreinfo: notes.vmcoreinfo,
        exports,
        segments: core.segments,
        manifest,
        manifest_problem,
    })
}

fn export_facts(path: &Path, core: &ElfCore, raw_size: ByteCount, format: ExportFormat) -> ExportFacts {
    match layout_in(format, core, raw_size) {
        Ok((size_bytes, omitted)) => ExportFacts { format, size_bytes, omitted, problem: None },
        Err(source) => {
            let problem = sentence(&ReadError::Layout { path: path.to_owned(), source });
            ExportFacts { format, size_bytes: None, omitted: Vec::new(), problem: Some(problem) }
        }
    }
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "a ratio to be read by people")]
fn ratio(stored: u64, raw: u64) -> f64 {
    if raw == 0 { 0.0 } else { stored as f64 / raw as f64 }
}

#[cfg(test)]
mod tests;
