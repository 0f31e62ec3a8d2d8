//! An export as something that is read and sought like a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::layout::{Layout, Piece};
use crate::read::image::ImageReader;

/// Any byte of an export without making the rest. Keeps one frame of the image in memory.
pub struct ExportReader {
    image: ImageReader<File>,
    layout: Layout,
    length: u64,
    position: u64,
}

impl ExportReader {
    /// `layout` must have a known length.
    pub(super) fn new(image: ImageReader<File>, layout: Layout) -> Self {
        let length = layout.length().unwrap_or(0);
        Self { image, layout, length, position: 0 }
    }

    /// How long the export is, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl Read for ExportReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.layout.cut(&(self.position..self.length)).next() else { return Ok(0) };
        let count = match piece {
            Piece::Literal(bytes) => bytes.as_slice().read(buffer)?,
            Piece::Zeroes(count) => io::repeat(0).take(count).read(buffer)?,
            Piece::Image(range) => {
                self.image.seek(SeekFrom::Start(range.start))?;
                (&mut self.image).take(range.end.saturating_sub(range.start)).read(buffer)?
            }
            Piece::Snappy(_) | Piece::Stored(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        self.position = self.position.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

impl Seek for ExportReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the export's first byte")
        })?;
        Ok(self.position)
    }
}
