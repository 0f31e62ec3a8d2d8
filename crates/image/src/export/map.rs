//! Where each byte of an export comes from, for whoever unpacks frames by himself.

use std::ops::Range;

use memdeck_model::{ByteCount, ExportFormat, Segment};

use super::layout::{Layout, Piece};
use crate::format::seek_table::SeekTable;
use crate::read::error::ReadError;
use crate::read::frames::StoredFrames;

/// A stored image seen in one format, as places in its frames. Several formats of an image share its frames.
pub struct ExportMap {
    layout: Layout,
    length: u64,
}

/// Where a part of an export comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportPart {
    /// It is these bytes.
    Bytes(Vec<u8>),
    /// It is so many zeroes.
    Zeroes(u64),
    /// It is a part of a frame.
    Frame {
        /// Which frame.
        frame: u64,
        /// Bytes of the frame, half-open.
        within: Range<usize>,
    },
}

impl ExportMap {
    /// How these frames are seen as `format`. Only the headers of the image are read.
    ///
    /// # Errors
    /// The image is damaged, its segments cannot be expressed in that format, or the format can only be made from its
    /// beginning (AVML).
    pub fn new(frames: &StoredFrames, format: ExportFormat) -> Result<Self, ReadError> {
        let layout = super::layout_of(&frames.evidence, format)?;
        let length = layout.length().ok_or(ReadError::Sequential(format))?;
        Ok(Self { layout, length })
    }

    /// How long the export is.
    #[must_use]
    pub fn length(&self) -> ByteCount {
        ByteCount(self.length)
    }

    /// Segments of guest memory that the image has and this format leaves out.
    #[must_use]
    pub fn omitted(&self) -> &[Segment] {
        self.layout.omitted()
    }

    /// Where these bytes of the export come from, in order; what lies beyond its end is left out. `table` is that of the
    /// frames.
    #[must_use]
    pub fn parts(&self, table: &SeekTable, range: Range<u64>) -> Vec<ExportPart> {
        let range = range.start.min(self.length)..range.end.min(self.length);
        let mut parts = Vec::new();
        for piece in self.layout.cut(&range) {
            match piece {
                Piece::Literal(bytes) => parts.push(ExportPart::Bytes(bytes)),
                Piece::Zeroes(count) => parts.push(ExportPart::Zeroes(count)),
                Piece::Image(bytes) => push_frames(table, bytes, &mut parts),
                // A layout of known length of an image has none.
                Piece::Stored(_) | Piece::Snappy(_) => {}
            }
        }
        parts
    }
}

/// Adds the parts of frames that these bytes of the image are.
fn push_frames(table: &SeekTable, mut bytes: Range<u64>, parts: &mut Vec<ExportPart>) {
    while bytes.start < bytes.end {
        let Some(span) = table.span_at(bytes.start).filter(|span| span.image.contains(&bytes.start)) else {
            return;
        };
        let end = bytes.end.min(span.image.end);
        let place = |at: u64| usize::try_from(at.saturating_sub(span.image.start)).unwrap_or(usize::MAX);
        parts.push(ExportPart::Frame { frame: span.frame, within: place(bytes.start)..place(end) });
        bytes.start = end;
    }
}
