//! The spool's pages on disk: past the page cache as long as the disk keeps up with the stream.
//!
//! What is written once and read back soon gains little from a cache, and filling one takes more time of the processor
//! than all the rest of receiving a page. A disk that the stream has to wait for is another matter: the cache takes what the
//! disk cannot, so from there on pages go through it, and come back out of it. Linux keeps both ways to a file consistent.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::format::page_map::PAGE_BYTES;

/// What a disk wants places, lengths and buffers to be multiples of, at most.
const ALIGNMENT: usize = PAGE_BYTES;
const ALIGNMENT_U64: u64 = 4096;
/// Read at once where pages are read one after the other.
const WINDOW_BYTES: usize = 1 << 20;

/// A file of pages.
#[derive(Debug)]
pub(crate) struct PageFile {
    cached: File,
    /// The same file without the cache, where the file system can do that.
    direct: Option<File>,
    uses_cache: AtomicBool,
}

impl PageFile {
    pub(crate) fn new(file: File) -> Self {
        let direct = open_direct(&file).ok();
        Self { cached: file, uses_cache: AtomicBool::new(direct.is_none()), direct }
    }

    /// From here on pages go through the cache.
    pub(super) fn use_cache(&self) {
        self.uses_cache.store(true, Ordering::Relaxed);
    }

    fn uncached(&self) -> Option<&File> {
        self.direct.as_ref().filter(|_| !self.uses_cache.load(Ordering::Relaxed))
    }

    /// Writes whole pages of an [`AlignedBuffer`] to the place of whole pages.
    pub(super) fn write(&self, pages: &[u8], offset: u64) -> io::Result<()> {
        if let Some(direct) = self.uncached() {
            match direct.write_all_at(pages, offset) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => self.use_cache(),
                outcome => return outcome,
            }
        }
        self.write_cached(pages, offset)
    }

    /// The same through the cache, for once: better for single pages, which a disk takes its time for.
    pub(super) fn write_cached(&self, pages: &[u8], offset: u64) -> io::Result<()> {
        self.cached.write_all_at(pages, offset)
    }
}

/// The file of a descriptor once more, with a flag of its own; it may have no name.
fn open_direct(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// A buffer that a disk can be read into and written from without a copy. Filled with zeroes at first.
pub(super) struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
    capacity: usize,
}

impl AlignedBuffer {
    pub(super) fn new(capacity: usize) -> Self {
        let bytes = vec![0; capacity.saturating_add(ALIGNMENT)];
        // If the buffer cannot be aligned, the disk refuses it, and the cache is used.
        let start = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { bytes, start, capacity }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).and_then(|bytes| bytes.get(..self.capacity)).unwrap_or_default()
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        let bytes = self.bytes.get_mut(self.start..).unwrap_or_default();
        bytes.get_mut(..self.capacity).unwrap_or_default()
    }
}

/// Reads a [`PageFile`] from anywhere, best from its beginning to its end.
pub(super) struct PageReader {
    /// Pages lie in the order in which they came first, so an image goes through the file in few strands.
    windows: [Window; 2],
    /// The window that was used last.
    last: usize,
}

/// A piece of the file in memory.
struct Window {
    start: u64,
    filled: usize,
    buffer: Option<AlignedBuffer>,
}

impl Window {
    const EMPTY: Self = Self { start: 0, filled: 0, buffer: None };

    fn end(&self) -> u64 {
        self.start.saturating_add(u64::try_from(self.filled).unwrap_or(u64::MAX))
    }

    /// What the window has from this place of the file on.
    fn from(&self, offset: u64) -> Option<&[u8]> {
        let skip = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let bytes = self.buffer.as_ref()?.as_slice().get(..self.filled)?.get(skip..)?;
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }

    fn fill(&mut self, file: &File, start: u64, length: usize) -> io::Result<()> {
        let buffer = self.buffer.get_or_insert_with(|| AlignedBuffer::new(WINDOW_BYTES));
        (self.start, self.filled) = (start, 0);
        while let Some(room) =
            buffer.as_mut_slice().get_mut(self.filled..length).filter(|room| !room.is_empty())
        {
            let place = start.saturating_add(u64::try_from(self.filled).map_err(io::Error::other)?);
            match file.read_at(room, place) {
                Ok(0) => break,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if !self.filled.is_multiple_of(ALIGNMENT) {
                // The end of the file.
                break;
            }
        }
        Ok(())
    }
}

impl PageReader {
    pub(super) fn new() -> Self {
        Self { windows: [Window::EMPTY; 2], last: 0 }
    }

    pub(super) fn read_exact_at(
        &mut self,
        file: &PageFile,
        mut part: &mut [u8],
        mut offset: u64,
    ) -> io::Result<()> {
        let Some(direct) = file.uncached() else { return file.cached.read_exact_at(part, offset) };
        while !part.is_empty() {
            let Some((number, bytes)) = self.find(offset) else {
                self.bring(direct, offset, part.len())?;
                continue;
            };
            let count = bytes.len().min(part.len());
            let (now, rest) = part.split_at_mut_checked(count).unwrap_or((&mut [], &mut []));
            now.copy_from_slice(bytes.get(..count).unwrap_or_default());
            offset = offset.saturating_add(u64::try_from(count).map_err(io::Error::other)?);
            part = rest;
            self.last = number;
        }
        Ok(())
    }

    fn find(&self, offset: u64) -> Option<(usize, &[u8])> {
        self.windows.iter().enumerate().find_map(|(number, window)| Some((number, window.from(offset)?)))
    }

    /// Brings a place of the file into a window: much where the window goes on, else what is wanted.
    fn bring(&mut self, direct: &File, offset: u64, wanted: usize) -> io::Result<()> {
        let within = offset % ALIGNMENT_U64;
        let start = offset - within;
        let goes_on = self.windows.iter().position(|window| window.end() == start);
        let length = match goes_on {
            Some(_) => WINDOW_BYTES,
            None => wanted
                .saturating_add(usize::try_from(within).map_err(io::Error::other)?)
                .next_multiple_of(ALIGNMENT)
                .min(WINDOW_BYTES),
        };
        let number = goes_on.unwrap_or(1 - self.last);
        let window = self.windows.get_mut(number).ok_or(io::ErrorKind::InvalidInput)?;
        window.fill(direct, start, length)?;
        if window.from(offset).is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::synthetic::noise;

    const PAGES: usize = 700;

    /// On a disk; where temporary files are in memory there may be no way past the cache.
    fn file() -> PageFile {
        let file = PageFile::new(tempfile::tempfile_in("/var/tmp").unwrap());
        assert!(file.uncached().is_some(), "the file system of /var/tmp knows no O_DIRECT");
        file
    }

    fn written(file: &PageFile, bytes: &[u8], offset: u64) {
        let mut buffer = AlignedBuffer::new(bytes.len());
        buffer.as_mut_slice().copy_from_slice(bytes);
        file.write(buffer.as_slice(), offset).unwrap();
    }

    #[test]
    fn the_disk_takes_pages_without_the_cache() {
        let file = file();
        written(&file, &noise(1, PAGES * PAGE_BYTES), 0);
        assert!(file.uncached().is_some(), "it did not refuse them");
    }

    #[test]
    fn a_refusal_of_the_disk_leads_through_the_cache() {
        let file = file();
        let mut buffer = AlignedBuffer::new(3 * PAGE_BYTES);
        buffer.as_mut_slice().copy_from_slice(&noise(1, 3 * PAGE_BYTES));
        // From a place in memory that no disk wants.
        let bytes = &buffer.as_slice()[1..=2 * PAGE_BYTES];
        file.write(bytes, 0).unwrap();
        assert!(file.uncached().is_none());
        let mut read = vec![0; 2 * PAGE_BYTES];
        PageReader::new().read_exact_at(&file, &mut read, 0).unwrap();
        assert!(read == bytes);
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        for uses_cache in [false, true] {
            let file = file();
            written(&file, &noise(1, 3 * PAGE_BYTES), 0);
            if uses_cache {
                file.use_cache();
            }
            let mut reader = PageReader::new();
            let mut last = vec![0; PAGE_BYTES];
            reader.read_exact_at(&file, &mut last, 2 * ALIGNMENT_U64).unwrap();
            let error = reader.read_exact_at(&file, &mut [0; 8], 3 * ALIGNMENT_U64 - 4).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    proptest! {
        #[test]
        fn what_was_written_last_is_read_whichever_way_it_went(
            rewritten in proptest::collection::vec((0..PAGES, any::<bool>()), 0..20),
            reads in proptest::collection::vec((0..PAGES * PAGE_BYTES, 1_usize..3 << 20), 1..12),
            behind in any::<bool>(),
        ) {
            let file = file();
            let mut expected = noise(7, PAGES * PAGE_BYTES);
            written(&file, &expected, 0);
            for (page, cached) in rewritten {
                let bytes = noise(u64::try_from(page).unwrap(), PAGE_BYTES);
                expected[page * PAGE_BYTES..(page + 1) * PAGE_BYTES].copy_from_slice(&bytes);
                let offset = u64::try_from(page * PAGE_BYTES).unwrap();
                if cached {
                    file.write_cached(&bytes, offset).unwrap();
                } else {
                    written(&file, &bytes, offset);
                }
            }
            if behind {
                file.use_cache();
            }
            let mut reader = PageReader::new();
            for (start, length) in reads {
                let end = (start + length).min(expected.len());
                let mut read = vec![0; end - start];
                reader.read_exact_at(&file, &mut read, u64::try_from(start).unwrap()).unwrap();
                prop_assert!(read == expected[start..end]);
            }
        }
    }
}
