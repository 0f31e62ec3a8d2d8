//! Receives a frozen dump: the ELF core that QEMU writes while its guest stands still.
//!
//! ```text
//!  stream ──receive──► OrderedImage ──► PartialImage::capture
//!             (the guest runs again)
//! ```
//!
//! The guest waits for its reader and for nothing else, so nothing is done here but to check the headers and to put what
//! is not zeroes into a file without a name. Hashing and compressing at the same time would be done sooner and keep the
//! guest waiting for longer: where cores are few they take them away from QEMU and its reader
//! (docs/adr/0013-frozen-dumps-are-spooled.md).

use std::fs::File;
use std::io::{self, Read};

use memdeck_model::{ByteCount, Progress, SegmentKind};

use super::ordered::{Layout, OrderedImage, PageFile, Spool, Writer, write_pages};
use crate::format::elf::{ElfCore, ElfScanner};
use crate::format::hash::byte_len;
use crate::format::page_map::{PAGE_BYTES, PAGE_BYTES_U64, is_zero};
use crate::store::{CaptureError, ImageStore, SpoolError};

/// Read at once: little enough to be looked at while it is in the processor's cache.
const CHUNK_BYTES: usize = 256 << 10;
/// What comes before the memory stays in memory itself, up to this length; notes of a thousand CPUs have 2 MiB.
const MAX_HEAD_BYTES: u64 = 64 << 20;

/// A frozen dump that is about to be received, with its files.
#[derive(Debug)]
pub struct FrozenCapture {
    file: PageFile,
    index: File,
}

impl FrozenCapture {
    /// Creates the files, in the directory of `store`, before there is a guest that waits for them. They have no names,
    /// and take as much room as the guest has non-zero memory.
    ///
    /// # Errors
    /// They cannot be created.
    pub fn prepare(store: &ImageStore) -> Result<Self, SpoolError> {
        let file = PageFile::new(store.create_spool().map_err(SpoolError::Create)?);
        let index = store.create_spool().map_err(SpoolError::Create)?;
        Ok(Self { file, index })
    }

    /// Reads the stream to its end and drops it, however reading ends. To abort, let `stream` return an error (of
    /// another kind than [`io::ErrorKind::Interrupted`], which is retried). While the disk keeps it waiting there is no
    /// stream that could do so: `must_stop` is asked then, and the stream dropped.
    ///
    /// `observer` is called on this thread, four times per MiB, and must return at once: the guest waits for it. What is
    /// expected is exact.
    ///
    /// # Errors
    /// The stream fails, is no ELF core, or is not as long as its headers promise; or its pages cannot be written.
    pub fn receive(
        self,
        stream: impl Read,
        must_stop: &dyn Fn() -> bool,
        observer: &mut dyn FnMut(Progress),
    ) -> Result<OrderedImage, CaptureError> {
        let Self { file, index } = self;
        let (layout, spool) = write_pages(&file, must_stop, move |writer| {
            read_all(Counted { stream, read: 0 }, index, writer, observer)
        })?;
        Ok(OrderedImage::new(layout, spool, file))
    }
}

fn read_all(
    mut stream: Counted<impl Read>,
    index: File,
    writer: &mut Writer<'_>,
    observer: &mut dyn FnMut(Progress),
) -> Result<(Layout, Spool), CaptureError> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let (mut head, core) = read_headers(&mut stream, &mut buffer)?;
    let expected = core.image_size;
    let memory_start = memory_start(&core).filter(|start| *start <= MAX_HEAD_BYTES).unwrap_or(0);
    let missing = memory_start.saturating_sub(byte_len(&head));
    (&mut stream).take(missing).read_to_end(&mut head).map_err(|source| stream.failed(source))?;
    // Pages begin where the memory does, so that a page of zeroes is one here too.
    let memory = head.split_off(usize::try_from(memory_start).unwrap_or(usize::MAX).min(head.len()));
    let memory_bytes = expected.0.saturating_sub(byte_len(&head));
    let mut spool = Spool::new(index, memory_bytes.div_ceil(PAGE_BYTES_U64))?;

    let mut first_pages = memory.as_slice();
    let mut page_number = 0;
    loop {
        let filled = fill(&mut (&mut first_pages).chain(&mut stream), &mut buffer);
        let filled = filled.map_err(|source| stream.failed(source))?;
        if stream.read > expected.0 {
            return Err(CaptureError::TooLong { expected });
        }
        for page in buffer.get(..filled).unwrap_or_default().chunks(PAGE_BYTES) {
            keep(page, page_number, &mut spool, writer)?;
            page_number += 1;
        }
        observer(Progress { bytes_done: ByteCount(stream.read), bytes_expected: expected });
        if filled < buffer.len() {
            break;
        }
    }
    if stream.read < expected.0 {
        return Err(CaptureError::TooShort { read: ByteCount(stream.read), expected });
    }
    Ok((Layout { head, memory_bytes, core }, spool))
}

/// The beginning of the stream up to the last of its headers, or somewhat further, and what they say.
fn read_headers(
    stream: &mut Counted<impl Read>,
    buffer: &mut [u8],
) -> Result<(Vec<u8>, ElfCore), CaptureError> {
    let (mut head, mut scanner) = (Vec::new(), ElfScanner::new());
    loop {
        let filled = fill(stream, buffer).map_err(|source| stream.failed(source))?;
        let bytes = buffer.get(..filled).unwrap_or_default();
        head.extend_from_slice(bytes);
        if let Some(core) = scanner.push(bytes).map_err(CaptureError::Header)? {
            return Ok((head, core.clone()));
        }
        if filled < buffer.len() {
            return Err(CaptureError::HeadersIncomplete { read: ByteCount(stream.read) });
        }
    }
}

/// Where in the image the first of the guest's memory is.
fn memory_start(core: &ElfCore) -> Option<u64> {
    let loads = core.segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
    loads.map(|segment| segment.offset_bytes.0).min()
}

/// Keeps a page. The last one may be shorter: zeroes fill it up, and the image ends before them.
fn keep(page: &[u8], number: u64, spool: &mut Spool, writer: &mut Writer<'_>) -> Result<(), SpoolError> {
    if is_zero(page) {
        return spool.zero(number);
    }
    if page.len() == PAGE_BYTES {
        return spool.page(writer, number, page);
    }
    let mut whole = [0; PAGE_BYTES];
    for (to, from) in whole.iter_mut().zip(page) {
        *to = *from;
    }
    spool.page(writer, number, &whole)
}

/// A stream that knows how much was read of it.
struct Counted<R> {
    stream: R,
    read: u64,
}

impl<R> Counted<R> {
    fn failed(&self, source: io::Error) -> CaptureError {
        CaptureError::Stream { read: ByteCount(self.read), source }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.read = self.read.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

/// Reads until the buffer is full or the stream ends: how much that was.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match stream.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
