//! The bytes of pages of a stored image.

use std::path::Path;

use memdeck_image::{FrameContent, FrameDecoder, PageMap, PageMapError, PageRun, ReadError, StoredFrames};
use memdeck_model::{GuestPhysAddr, Record};

/// The longest page.
const PAGE_BYTES: u64 = 4096;

/// Why a page cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Nothing says where its memory lies.
    #[error("the pages of the image cannot be found")]
    PageMap(#[source] PageMapError),
    /// It is damaged, or cannot be read.
    #[error("the page cannot be read")]
    Read(#[source] ReadError),
}

/// Reads the page of guest memory at `address`, which is that of its first byte; `None` if the image has no such page. Bytes
/// are handed out only as those that were recorded.
///
/// # Errors
/// The image has no page map, or it cannot be read, or is not the one that was recorded.
pub fn read_page(
    image: &Path,
    record: Option<&Record>,
    address: GuestPhysAddr,
) -> Result<Option<Vec<u8>>, PageError> {
    PageReader::open(image, record)?.read(address)
}

/// Reads pages of one image. Keeps the frame in which the last one lies, so pages that follow each other are quick.
pub struct PageReader {
    runs: Vec<PageRun>,
    frames: StoredFrames,
    decoder: FrameDecoder,
    frame: Vec<u8>,
    /// Which frame it is, and what it holds.
    kept: Option<(u64, FrameContent)>,
}

impl PageReader {
    /// Opens a stored image, held against the record of its dump where there is one.
    ///
    /// # Errors
    /// As [`read_page`].
    pub fn open(image: &Path, record: Option<&Record>) -> Result<Self, PageError> {
        let (map, _) = PageMap::open_beside(image, record).map_err(PageError::PageMap)?;
        let frames = match record {
            Some(record) => StoredFrames::open_recorded(image, record),
            None => StoredFrames::open(image),
        };
        Ok(Self {
            runs: map.runs().collect(),
            frames: frames.map_err(PageError::Read)?,
            decoder: FrameDecoder::new().map_err(PageError::Read)?,
            frame: Vec::new(),
            kept: None,
        })
    }

    /// The bytes of the page at `address`; `None` if the image has no such page.
    ///
    /// # Errors
    /// They cannot be read, or are not those that were recorded.
    pub fn read(&mut self, address: GuestPhysAddr) -> Result<Option<Vec<u8>>, PageError> {
        let place = self.runs.iter().find_map(|run| {
            let inside = address.0.checked_sub(run.address.0)?;
            let is_first_byte = inside < run.bytes && inside.is_multiple_of(PAGE_BYTES);
            let left = run.bytes.saturating_sub(inside).min(PAGE_BYTES);
            is_first_byte.then(|| (run.offset.saturating_add(inside), left))
        });
        let Some((mut offset, mut left)) = place else { return Ok(None) };
        let mut page = Vec::new();
        // A page may lie across frames.
        while left > 0 {
            let table = self.frames.seek_table();
            let missing = || PageError::Read(ReadError::Offset { offset, length: table.raw_size() });
            let number = offset.checked_div(table.frame_bytes().into()).ok_or_else(missing)?;
            let span = table.span(number).ok_or_else(missing)?;
            let content = match self.kept {
                Some((kept, content)) if kept == number => content,
                _ => {
                    // What is there after a failure is no frame.
                    self.kept = None;
                    let read = self.frames.read(number, &mut self.decoder, &mut self.frame);
                    let content = read.map_err(PageError::Read)?;
                    self.kept = Some((number, content));
                    content
                }
            };
            let end = span.image.end.min(offset.saturating_add(left));
            let taken = end.saturating_sub(offset);
            if taken == 0 {
                return Err(missing());
            }
            let count = usize::try_from(taken).unwrap_or(0);
            match content {
                FrameContent::Zero => page.resize(page.len().saturating_add(count), 0),
                FrameContent::Bytes => {
                    let start =
                        usize::try_from(offset.saturating_sub(span.image.start)).unwrap_or(usize::MAX);
                    let bytes =
                        self.frame.get(start..).and_then(|bytes| bytes.get(..count)).ok_or_else(missing)?;
                    page.extend_from_slice(bytes);
                }
            }
            (offset, left) = (end, left.saturating_sub(taken));
        }
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::noise;
    use crate::testing::Lab;

    #[test]
    fn a_page_has_the_bytes_that_the_guest_had() {
        let lab = Lab::new();
        // More than two frames of 1 MiB, so that pages lie across their borders: headers are no whole page.
        let memory = noise(7, 3 << 20);
        let high = 1 << 32;
        let zeroes = vec![0; 8192];
        let image = lab.store("web-01", "2026-11-14T08:58:23Z", &[(0x1000, memory.clone()), (high, zeroes)]);
        for page in [0, 1, 254, 255, 256, 257, 511, 512, 767] {
            let bytes = read_page(&image, None, GuestPhysAddr(0x1000 + page * 4096)).unwrap().unwrap();
            let start = usize::try_from(page).unwrap() * 4096;
            assert_eq!(bytes, memory[start..start + 4096], "page {page}");
        }
        assert_eq!(read_page(&image, None, GuestPhysAddr(high)).unwrap(), Some(vec![0; 4096]));
        for nowhere in [0, 0x1001, 0x1000 + (3 << 20), high + 8192, u64::MAX] {
            assert_eq!(read_page(&image, None, GuestPhysAddr(nowhere)).unwrap(), None, "{nowhere:#x}");
        }
    }
}
