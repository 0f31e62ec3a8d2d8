//! Any byte of a stored image, without unpacking the rest. All of it, in parallel: [`pipeline::unpack`](crate::pipeline).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use memdeck_model::{ByteCount, FrameSpan};

use super::error::ReadError;
use crate::format::difference::{Base, Unpacker};
use crate::format::digests::Digests;
use crate::format::hash::byte_len;
use crate::format::regular::open_regular;
use crate::format::seek_table::{SeekTable, SeekTableError};

/// A stored image as the bytes it holds. Keeps one frame in memory.
pub struct ImageReader<R = File> {
    source: R,
    table: SeekTable,
    unpacker: Unpacker,
    /// What each frame must hash to, if that is known.
    digests: Option<Arc<Digests>>,
    /// What it is a difference to, if it is one.
    base: Option<Arc<Base>>,
    position: u64,
    /// The frame in `raw`.
    current: Option<FrameSpan>,
    stored: Vec<u8>,
    raw: Vec<u8>,
}

impl ImageReader<File> {
    /// Opens a stored image.
    ///
    /// # Errors
    /// It cannot be opened, is no regular file, or has no valid seek table.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::new(open_image(path)?).map_err(|source| ReadError::SeekTable { path: path.to_owned(), source })
    }
}

impl<R: Read + Seek> ImageReader<R> {
    /// Reads a stored image from anything that can be read at any place.
    ///
    /// # Errors
    /// It has no valid seek table.
    pub fn new(mut source: R) -> Result<Self, SeekTableError> {
        let table = SeekTable::read_from(&mut source)?;
        let unpacker = Unpacker::new().map_err(SeekTableError::Io)?;
        let (stored, raw) = (Vec::new(), Vec::new());
        let (digests, base) = (None, None);
        Ok(Self { source, table, unpacker, digests, base, position: 0, current: None, stored, raw })
    }

    /// Gives out a frame only if it has its digest.
    pub(crate) fn checked(self, digests: Option<Arc<Digests>>) -> Self {
        Self { digests, ..self }
    }

    /// Reads the image as a difference to that one.
    pub(crate) fn on(self, base: Option<Arc<Base>>) -> Self {
        Self { base, ..self }
    }

    /// The size of the uncompressed image.
    #[must_use]
    pub fn raw_size(&self) -> ByteCount {
        self.table.raw_size()
    }

    /// Where its frames lie.
    #[must_use]
    pub fn seek_table(&self) -> &SeekTable {
        &self.table
    }

    fn load(&mut self, span: &FrameSpan) -> io::Result<()> {
        // A frame that fails half-way must not look loaded.
        self.current = None;
        self.source.seek(SeekFrom::Start(span.stored.start))?;
        let length = span.stored.end.saturating_sub(span.stored.start);
        self.stored.clear();
        self.source.by_ref().take(length).read_to_end(&mut self.stored)?;
        if byte_len(&self.stored) != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let base = self.base.as_deref();
        self.unpacker.unpack(span, &self.stored, base, &mut self.raw).map_err(|source| {
            io::Error::new(io::ErrorKind::InvalidData, ReadError::Frame { span: span.clone(), source })
        })?;
        if let Some(digests) = &self.digests
            && !digests.has(span.frame, &blake3::hash(&self.raw))
        {
            self.raw.clear();
            let error = ReadError::FrameDigest { span: span.clone() };
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        self.current = Some(span.clone());
        Ok(())
    }
}

impl<R: Read + Seek> Read for ImageReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(span) = self.table.span_at(self.position).filter(|span| span.image.contains(&self.position))
        else {
            return Ok(0);
        };
        if self.current.as_ref() != Some(&span) {
            self.load(&span)?;
        }
        let start = usize::try_from(self.position.saturating_sub(span.image.start)).unwrap_or(usize::MAX);
        let count = self.raw.get(start..).unwrap_or_default().read(buffer)?;
        self.position = self.position.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for ImageReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.raw_size().0.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the image's first byte")
        })?;
        Ok(self.position)
    }
}

pub(crate) fn open_image(path: &Path) -> Result<File, ReadError> {
    open_regular(path).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidInput => ReadError::NotAFile { path: path.to_owned() },
        _ => ReadError::Open { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests;
