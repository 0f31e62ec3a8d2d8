//! What an export consists of, in the order of its bytes.
//!
//! `LiME` (<https://github.com/504ensicsLabs/LiME>, `doc/README.md`): before every range of memory a header of 32 bytes,
//! little-endian: magic `0x4C694D45`, version 1, first address, last address (inclusive), 8 bytes of zero.
//! AVML (<https://github.com/microsoft/avml>, `src/image.rs`): the same with magic `AVML` and version 2, then the range in
//! snappy's framing format, then the number of its compressed bytes as 64 bits, little-endian.

use std::ops::Range;

use memdeck_model::{ExportFormat, Segment, SegmentKind};

use super::ram;
use crate::format::elf::ElfCore;
use crate::format::hash::byte_len;
use crate::read::error::LayoutError;

const LIME_MAGIC: u32 = 0x4C69_4D45;
const AVML_MAGIC: u32 = u32::from_le_bytes(*b"AVML");

/// A part of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// These bytes.
    Literal(Vec<u8>),
    /// So many bytes of zero.
    Zeroes(u64),
    /// These bytes of the image, half-open.
    Image(Range<u64>),
    /// These bytes of the stored file's frames, half-open.
    Stored(Range<u64>),
    /// These bytes of the image in snappy's framing format, and the number of bytes that took.
    Snappy(Range<u64>),
}

/// An export's parts.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pieces: Vec<Piece>,
    /// Where each piece ends in the export; empty if that cannot be known.
    ends: Vec<u64>,
    omitted: Vec<Segment>,
}

impl Layout {
    /// The image as it is.
    pub(super) fn elf(raw_size: u64) -> Self {
        Self { pieces: vec![Piece::Image(0..raw_size)], ends: vec![raw_size], omitted: Vec::new() }
    }

    /// The stored file as it is: its frames, and this table behind them.
    pub(super) fn stored(frames_end: u64, table: &[u8]) -> Self {
        let length = frames_end.saturating_add(byte_len(table));
        let pieces = vec![Piece::Stored(0..frames_end), Piece::Literal(table.to_vec())];
        Self { pieces, ends: vec![frames_end, length], omitted: Vec::new() }
    }

    /// The image's memory in a format for memory alone.
    pub(super) fn of_memory(
        format: ExportFormat,
        core: &ElfCore,
        raw_size: u64,
    ) -> Result<Self, LayoutError> {
        let segments = memory(core, raw_size)?;
        let (pieces, omitted) = match format {
            ExportFormat::Elf => return Ok(Self::elf(raw_size)),
            ExportFormat::Raw => {
                let (ram, omitted) = ram::part(segments);
                (raw(&ram), omitted)
            }
            ExportFormat::Lime => (ranges(&segments, LIME_MAGIC, 1, Piece::Image), Vec::new()),
            ExportFormat::Avml => (ranges(&segments, AVML_MAGIC, 2, Piece::Snappy), Vec::new()),
        };
        let mut ends = Vec::new();
        let mut end = 0_u64;
        for piece in &pieces {
            let Some(length) = piece.length() else { break };
            end = end.checked_add(length).ok_or(LayoutError::TooLong)?;
            ends.push(end);
        }
        if ends.len() < pieces.len() {
            ends.clear();
        }
        Ok(Self { pieces, ends, omitted })
    }

    /// Of the whole export, where that can be known.
    pub(super) fn length(&self) -> Option<u64> {
        self.ends.last().copied()
    }

    pub(super) fn omitted(&self) -> &[Segment] {
        &self.omitted
    }

    /// The pieces of which these bytes of the export consist, cut to them. If places are not known, all pieces.
    pub(super) fn cut(&self, range: &Range<u64>) -> impl Iterator<Item = Piece> + '_ {
        let range = range.clone();
        let first = self.ends.partition_point(|end| *end <= range.start);
        (first..self.pieces.len()).map_while(move |index| {
            let piece = self.pieces.get(index)?;
            let Some(&end) = self.ends.get(index) else { return Some(piece.clone()) };
            let start = end.saturating_sub(piece.length()?);
            if start >= range.end {
                return None;
            }
            Some(piece.part(range.start.saturating_sub(start)..range.end.min(end).saturating_sub(start)))
        })
    }
}

impl Piece {
    fn length(&self) -> Option<u64> {
        match self {
            Self::Literal(bytes) => u64::try_from(bytes.len()).ok(),
            Self::Zeroes(count) => Some(*count),
            Self::Image(range) | Self::Stored(range) => Some(range.end.saturating_sub(range.start)),
            Self::Snappy(_) => None,
        }
    }

    /// These of its bytes; a range that lies within it.
    fn part(&self, part: Range<u64>) -> Self {
        match self {
            Self::Literal(bytes) => {
                let place = usize::try_from(part.start).ok().zip(usize::try_from(part.end).ok());
                let bytes = place.and_then(|(start, end)| bytes.get(start..end)).unwrap_or_default();
                Self::Literal(bytes.to_vec())
            }
            Self::Zeroes(_) => Self::Zeroes(part.end.saturating_sub(part.start)),
            Self::Image(range) => Self::Image(shifted(range, &part)),
            Self::Stored(range) => Self::Stored(shifted(range, &part)),
            Self::Snappy(range) => Self::Snappy(range.clone()),
        }
    }
}

/// These bytes of a range, counted from its first.
fn shifted(range: &Range<u64>, part: &Range<u64>) -> Range<u64> {
    range.start.saturating_add(part.start)..range.start.saturating_add(part.end)
}

/// The segments that hold memory, in ascending order; checked to lie within the image and apart from each other.
fn memory(core: &ElfCore, raw_size: u64) -> Result<Vec<Segment>, LayoutError> {
    let holds_memory = |segment: &&Segment| segment.kind == SegmentKind::Load && segment.file_bytes.0 > 0;
    let mut segments: Vec<Segment> = core.segments.iter().filter(holds_memory).copied().collect();
    segments.sort_by_key(|segment| segment.address);
    let mut last: Option<u64> = None;
    for segment in &segments {
        let address = segment.address.0;
        if segment.offset_bytes.0.saturating_add(segment.file_bytes.0) > raw_size {
            return Err(LayoutError::BeyondImage { address });
        }
        if last.is_some_and(|last| address <= last) {
            return Err(LayoutError::Overlap { address });
        }
        last = Some(last_address(segment));
    }
    Ok(segments)
}

/// Of the bytes that the image has of a segment; inclusive, as memory may end at 2^64.
fn last_address(segment: &Segment) -> u64 {
    segment.address.0.saturating_add(segment.file_bytes.0.saturating_sub(1))
}

fn image_range(segment: &Segment) -> Range<u64> {
    segment.offset_bytes.0..segment.offset_bytes.0.saturating_add(segment.file_bytes.0)
}

/// Every segment at its address.
fn raw(segments: &[Segment]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut end = 0;
    for segment in segments {
        let hole = segment.address.0.saturating_sub(end);
        if hole > 0 {
            pieces.push(Piece::Zeroes(hole));
        }
        pieces.push(Piece::Image(image_range(segment)));
        end = segment.address.0.saturating_add(segment.file_bytes.0);
    }
    pieces
}

/// Every segment after a header.
fn ranges(segments: &[Segment], magic: u32, version: u32, body: fn(Range<u64>) -> Piece) -> Vec<Piece> {
    let of = |segment: &Segment| {
        let mut header = magic.to_le_bytes().to_vec();
        header.extend(version.to_le_bytes());
        header.extend(segment.address.0.to_le_bytes());
        header.extend(last_address(segment).to_le_bytes());
        header.extend([0; 8]);
        [Piece::Literal(header), body(image_range(segment))]
    };
    segments.iter().flat_map(of).collect()
}
