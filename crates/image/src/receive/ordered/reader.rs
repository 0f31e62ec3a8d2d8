//! The image, read from its beginning to its end.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use super::layout::Layout;
use super::page_file::PageFile;
use super::spool::Spool;
use crate::format::elf::ElfCore;
use crate::format::hash::byte_len;
use crate::format::page_map::is_zero;
use crate::pipeline::source::{Filled, ImageSource, ReceivedImage};

/// The complete ELF core of a dump, in order: headers, notes, memory. Takes no memory of note.
pub struct OrderedImage {
    layout: Layout,
    spool: Spool,
    file: Arc<PageFile>,
    /// Bytes of the image that were read.
    position: u64,
}

// By hand: the headers hold a guest's registers, which belong in no log.
impl fmt::Debug for OrderedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderedImage").field("position", &self.position).finish_non_exhaustive()
    }
}

impl OrderedImage {
    pub(crate) fn new(layout: Layout, spool: Spool, file: PageFile) -> Self {
        Self { layout, spool, file: Arc::new(file), position: 0 }
    }

    /// How much of a buffer the rest of the image fills.
    fn left(&self, buffer: usize) -> usize {
        let left = self.layout.image_bytes().saturating_sub(self.position);
        usize::try_from(left).map_or(buffer, |left| left.min(buffer))
    }
}

impl ReceivedImage for OrderedImage {
    fn core(&self) -> &ElfCore {
        &self.layout.core
    }

    fn again(&mut self) -> io::Result<Self> {
        let (spool, file) = (self.spool.again()?, Arc::clone(&self.file));
        Ok(Self { layout: self.layout.clone(), spool, file, position: 0 })
    }
}

impl ImageSource for OrderedImage {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let bytes = self.left(buffer.len());
        if let Some(start) = self.position.checked_sub(byte_len(&self.layout.head))
            && self.spool.is_zero(start, bytes)?
        {
            self.position = self.position.saturating_add(u64::try_from(bytes).map_err(io::Error::other)?);
            return Ok(Filled::Zeroes(bytes));
        }
        let filled = buffer.get_mut(..bytes).unwrap_or_default();
        self.read_exact(filled)?;
        // A page that was sent as content may be zeroes all the same.
        Ok(if is_zero(filled) { Filled::Zeroes(bytes) } else { Filled::Bytes(bytes) })
    }
}

impl Read for OrderedImage {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = usize::try_from(self.position).ok().and_then(|position| self.layout.head.get(position..));
        let count = match head {
            Some(mut head) if !head.is_empty() => head.read(buffer)?,
            _ => {
                let count = self.left(buffer.len());
                let start = self.position.saturating_sub(byte_len(&self.layout.head));
                self.spool.read_at(&self.file, start, buffer.get_mut(..count).unwrap_or_default())?;
                count
            }
        };
        self.position = self.position.saturating_add(u64::try_from(count).map_err(io::Error::other)?);
        Ok(count)
    }
}
