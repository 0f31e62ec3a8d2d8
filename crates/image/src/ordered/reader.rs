//! The image, read from its beginning to its end.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use super::layout::Layout;
use super::spool::Spool;

/// The complete ELF core of a live dump, in order: headers, notes, memory by ascending address.
///
/// Reads as long as [`Received::image_size`](crate::Received::image_size) says, and takes no memory of note.
pub struct OrderedImage {
    layout: Layout,
    spool: Spool,
    file: File,
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
    pub(crate) fn new(layout: Layout, spool: Spool, file: File) -> Self {
        Self { layout, spool, file, position: 0 }
    }
}

impl Read for OrderedImage {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = usize::try_from(self.position).ok().and_then(|position| self.layout.head.get(position..));
        let count = match head {
            Some(mut head) if !head.is_empty() => head.read(buffer)?,
            _ => {
                let left = self.layout.image_bytes().saturating_sub(self.position);
                let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
                let head_bytes = crate::hash::byte_len(&self.layout.head);
                let start = self.position.saturating_sub(head_bytes);
                self.spool.read_at(&self.file, start, buffer.get_mut(..count).unwrap_or_default())?;
                count
            }
        };
        self.position = self.position.saturating_add(u64::try_from(count).map_err(io::Error::other)?);
        Ok(count)
    }
}
