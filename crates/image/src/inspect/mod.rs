//! Describes a stored image without unpacking it: its segments, its notes, its manifest, and its length in each format.
//!
//! Only what is read is checked here, and no memory is shown but the guest kernel's own description of itself (`VMCOREINFO`).

mod notes;

use std::path::Path;

use memdeck_model::{ByteCount, ExportFacts, ExportFormat, Inspection, Record, SegmentKind, with_causes};

use crate::export::layout_in;
use crate::format::elf::ElfCore;
use crate::read::error::ReadError;
use crate::read::evidence::Evidence;
use crate::read::headers::checked_headers;

/// Describes a stored image. Reads its headers, its notes and its manifest; if there are digests of its frames, what
/// is read is held against them.
///
/// # Errors
/// It cannot be read as far as its notes, or what is read is not what was stored.
pub fn inspect(path: &Path) -> Result<Inspection, ReadError> {
    match Evidence::open(path, None) {
        Err(ReadError::Manifest { path: manifest, source }) => {
            let problem = with_causes(&ReadError::Manifest { path: manifest, source });
            describe(Evidence::with_manifest(path, None, None)?, Some(problem))
        }
        evidence => describe(evidence?, None),
    }
}

/// The same for the image of a dump that the catalog has a record of.
///
/// # Errors
/// As [`inspect`]; also if the image or its manifest is not what the record says, or the manifest cannot be read.
pub fn inspect_recorded(path: &Path, record: &Record) -> Result<Inspection, ReadError> {
    describe(Evidence::open(path, Some(record))?, None)
}

fn describe(mut evidence: Evidence, problem: Option<String>) -> Result<Inspection, ReadError> {
    let path = evidence.path.clone();
    let core = checked_headers(&evidence)?;
    let mut image = evidence.reader()?;
    let notes = notes::read_notes(&mut image, &core.segments).map_err(|source| {
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
            let problem = with_causes(&ReadError::Layout { path: path.to_owned(), source });
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
