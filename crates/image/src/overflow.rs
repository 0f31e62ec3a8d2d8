//! Reads a stream as fast as it comes, whatever becomes of its bytes behind: what does not fit into memory goes to a file.
//!
//! ```text
//!  stream ──► Intake: chunks ──► queue: [memory][memory][spooled × n][memory] ──► Outlet ──► who stores the image
//!                │ no chunk is free                         ▲
//!                └──► spool file: non-zero blocks ──────────┘
//! ```
//!
//! A guest that stands still waits for its reader and for nothing else. The order of the bytes is that of the queue; in
//! the file, pieces follow each other, each with a map of its blocks that are not zeroes. So memory does not grow with
//! the stream, and the file not beyond the stream's non-zero bytes. When the reader has caught up the file is used from
//! its beginning again.
//!
//! **A file that cannot be written ends nothing.** The intake then waits for free chunks, as it would without a file:
//! the guest stands still for longer, and its memory is not lost because a shortcut failed. Where the volume is full
//! the image itself fails soon, which closes the stream at once.

mod piece;
mod queue;

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use memdeck_model::ByteCount;

use crate::capture::{Filled, Source};
use crate::{ImageStore, StoreError};
use piece::{BLOCK_BYTES, BLOCKS, Chunk};
use queue::{Item, Queue};

/// Chunks between the reader and the rest: 16 MiB, most of it out of reach of slowness elsewhere.
const CHUNKS: usize = 64;
/// Bytes that are read before they are handed on.
const CHUNK_BYTES: usize = BLOCKS * BLOCK_BYTES;

/// What became of the bytes that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntakeReport {
    /// Bytes that were read.
    pub read: ByteCount,
    /// Bytes of them that went through the file, zeroes included.
    pub spooled: ByteCount,
    /// How often the reader had to wait because the file could not be written.
    pub waits: u64,
}

/// Makes the two ends of a read-ahead, with its buffers and its file, so that no guest waits for either.
///
/// # Errors
/// The file cannot be created in the directory of `store`.
pub fn read_ahead(store: &ImageStore) -> Result<(Intake, Outlet), StoreError> {
    Ok(ends(store.create_spool()?, CHUNKS))
}

fn ends(spool: File, chunks: usize) -> (Intake, Outlet) {
    let queue = Arc::new(Queue::new((0..chunks).map(|_| Chunk::new()).collect()));
    let spool = Arc::new(spool);
    let intake = Intake {
        queue: Arc::clone(&queue),
        spool: Arc::clone(&spool),
        spool_end: 0,
        spool_works: true,
        report: IntakeReport::default(),
    };
    let outlet = Outlet { queue, spool, spool_read: 0, spooled_left: 0, memory: None, piece: Chunk::new() };
    (intake, outlet)
}

/// The end that reads the stream.
pub struct Intake {
    queue: Arc<Queue>,
    spool: Arc<File>,
    /// Where the next piece goes.
    spool_end: u64,
    spool_works: bool,
    report: IntakeReport,
}

impl Intake {
    /// Tells whether nobody takes the bytes any more. A stream whose reads block should look at it and fail.
    #[must_use]
    pub fn abandonment(&self) -> Abandonment {
        Abandonment { queue: Arc::clone(&self.queue) }
    }

    /// Reads the stream to its end and drops it; so too where it fails, which the outlet hears of after the bytes
    /// before, and where the outlet is gone. Reads block; what is slow behind the outlet does not.
    pub fn take_in(mut self, mut stream: impl Read) -> IntakeReport {
        let end = self.read_all(&mut stream);
        drop(stream);
        self.queue.end(end);
        self.report
    }

    fn read_all(&mut self, stream: &mut impl Read) -> io::Result<()> {
        let Some(mut chunk) = self.queue.free_chunk() else { return Ok(()) };
        loop {
            let filled = chunk.fill(stream);
            let length = u64::try_from(chunk.len()).map_err(io::Error::other)?;
            self.report.read.0 = self.report.read.0.saturating_add(length);
            let at_end = chunk.len() < CHUNK_BYTES;
            if at_end {
                self.queue.push(chunk);
                return filled;
            }
            filled?;
            let Some(next) = self.pass_on(chunk, length) else { return Ok(()) };
            chunk = next;
        }
    }

    /// Passes a full chunk on, and gives one to go on with; `None` where the outlet is gone.
    fn pass_on(&mut self, mut chunk: Chunk, length: u64) -> Option<Chunk> {
        if self.queue.is_abandoned() {
            return None;
        }
        if let Some(next) = self.queue.try_free_chunk() {
            self.queue.push(chunk);
            return Some(next);
        }
        if self.spool_works {
            if self.queue.nothing_is_spooled() {
                self.spool_end = 0;
            }
            // Where it fails the chunk is as it was, and what was written of it is not in the queue.
            if let Ok(written) = chunk.write_to(&self.spool, self.spool_end) {
                self.queue.push_spooled(self.spool_end);
                self.spool_end = self.spool_end.saturating_add(written);
                self.report.spooled.0 = self.report.spooled.0.saturating_add(length);
                return Some(chunk);
            }
            self.spool_works = false;
        }
        self.report.waits = self.report.waits.saturating_add(1);
        self.queue.push(chunk);
        self.queue.free_chunk()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        // After `take_in` there is an end already, which stays.
        self.queue.end(Err(io::Error::other("the thread that reads the guest ended unexpectedly")));
    }
}

/// Tells whether the outlet is gone.
#[derive(Clone)]
pub struct Abandonment {
    queue: Arc<Queue>,
}

impl Abandonment {
    /// Whether it is.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.queue.is_abandoned()
    }
}

/// The end that gives the bytes out, in order, to [`PartialImage::capture_read_ahead`]. Dropping it ends the intake.
///
/// [`PartialImage::capture_read_ahead`]: crate::PartialImage::capture_read_ahead
pub struct Outlet {
    queue: Arc<Queue>,
    spool: Arc<File>,
    /// Where the next of `spooled_left` pieces begins.
    spool_read: u64,
    spooled_left: u64,
    /// What is being given out: a chunk of the intake's, or what `piece` holds out of the file.
    memory: Option<Chunk>,
    piece: Chunk,
}

impl Outlet {
    /// Brings the next bytes; false at the end of the stream.
    fn fetch(&mut self) -> io::Result<bool> {
        if self.spooled_left == 0 {
            match self.queue.pop()? {
                None => return Ok(false),
                Some(Item::Memory(chunk)) => {
                    self.memory = Some(chunk);
                    return Ok(true);
                }
                Some(Item::Spooled { offset, pieces }) => {
                    self.spool_read = offset;
                    self.spooled_left = pieces;
                }
            }
        }
        let length = self.piece.read_from(&self.spool, self.spool_read)?;
        self.spool_read = self.spool_read.saturating_add(length);
        self.spooled_left = self.spooled_left.saturating_sub(1);
        self.queue.piece_is_read();
        Ok(true)
    }
}

impl Outlet {
    /// What comes next, which is not empty; `None` at the end of the stream.
    fn next_bytes(&mut self) -> io::Result<Option<&mut Chunk>> {
        // A stream may end with a chunk that has no bytes.
        while self.memory.as_ref().unwrap_or(&self.piece).is_empty() {
            self.give_back_memory();
            if !self.fetch()? {
                return Ok(None);
            }
        }
        Ok(Some(self.memory.as_mut().unwrap_or(&mut self.piece)))
    }

    /// Lets the intake have a chunk that was given out whole.
    fn give_back_memory(&mut self) {
        if let Some(empty) = self.memory.take_if(|chunk| chunk.is_empty()) {
            self.queue.give_back(empty);
        }
    }
}

impl Source for Outlet {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let (mut filled, mut only_zeroes) = (0, true);
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let Some(bytes) = self.next_bytes()? else { break };
            let count = if bytes.is_zero() {
                let count = bytes.skip(rest.len());
                if !only_zeroes {
                    rest.get_mut(..count).unwrap_or_default().fill(0);
                }
                count
            } else {
                let count = bytes.give(rest);
                if std::mem::take(&mut only_zeroes) {
                    // What was passed over so far.
                    buffer.get_mut(..filled).unwrap_or_default().fill(0);
                }
                count
            };
            filled += count;
            self.give_back_memory();
        }
        Ok(if only_zeroes { Filled::Zeroes(filled) } else { Filled::Bytes(filled) })
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

#[cfg(test)]
mod tests;
