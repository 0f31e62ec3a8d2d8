//! From bytes of the image to a stored file: hash, compress and write in order, each on its own thread.
//!
//! ```text
//!  calling thread        packers (one frame each, in turn)      writer
//!  fills a slot ───────► BLAKE3, page entries, zstd ──────────► files, SHA-256 of the file, seek table
//!       │ │                                                       │ ▲
//!       │ └──────── in which order they come, and frames of zeroes ─┘
//!       ▲                                                         │
//!       └───────────────── empty slots of a fixed ring ◄──────────┘
//!  hasher, with a reading of its own: SHA-256 of the image
//! ```
//!
//! A slot travels whole from thread to thread, so memory is bounded by the ring; a frame of zeroes travels without a
//! slot, so there may be thousands on their way. Content goes to the packers in turn, and the writer learns which frames
//! are zeroes, so that it puts both in order.
//!
//! The hasher reads the image on its own, at its own pace. So one core hashes from the beginning to the end, wherever in
//! the image its content lies. Both readings must have the same BLAKE3 root.

mod differ;
mod hasher;
mod packer;
mod slot;
mod writer;

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, ScopedJoinHandle};

use super::source::ImageSource;
use super::turns::{self, Jobs};
use crate::format::frame::{FRAME_BYTES, ZeroFrame};
use crate::format::page_map::PageLayout;

pub(crate) use differ::{Against, StoredEntries};
use hasher::Reading;
use packer::{Job, Shared};
pub(crate) use slot::Slot;
use slot::{CloseAtEnd, Pool};
pub(crate) use writer::StoredFile;

/// How many frames with content may be on their way for each packer: enough for it, and little enough for the caches.
const SLOTS_PER_PACKER: usize = 6;
/// How many frames, of zeroes or not, may be on their way.
const QUEUE_FRAMES: usize = 4096;
/// What packs and writes gives way to what hashes, which takes longest, and to guests.
const PACKER_NICENESS: i32 = 5;

/// One frame of the image.
pub(crate) enum Frame {
    /// So many zeroes.
    Zero(usize),
    /// Anything.
    Content(Box<Slot>),
}

/// Where the writer finds the next frame.
enum Place {
    Zero(usize),
    /// At the packer whose turn it is.
    Packed,
}

/// The calling thread's end of the pipeline.
pub(crate) struct Feed<'a> {
    pool: &'a Pool,
    packers: Jobs<Job>,
    order: SyncSender<Place>,
    /// Where the next frame begins in the image.
    start: u64,
}

impl Feed<'_> {
    /// The next empty slot; `None` once the pipeline failed.
    pub(crate) fn empty_slot(&self) -> Option<Box<Slot>> {
        self.pool.take()
    }

    /// Passes the next frame on, and its order to the writer; `None` once the pipeline failed.
    pub(crate) fn push(&mut self, frame: Frame) -> Option<()> {
        let start = self.start;
        let bytes = match &frame {
            Frame::Zero(bytes) => *bytes,
            Frame::Content(slot) => slot.raw().len(),
        };
        self.start = start.saturating_add(u64::try_from(bytes).ok()?);
        let place = match frame {
            Frame::Zero(bytes) => Place::Zero(bytes),
            Frame::Content(slot) => {
                self.packers.send(Job { slot, start })?;
                Place::Packed
            }
        };
        self.order.send(place).ok()
    }
}

/// The files of one capture.
pub(crate) struct Outputs<'a> {
    pub(crate) image: &'a File,
    pub(crate) page_map: &'a File,
    pub(crate) digests: &'a File,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Image,
    PageMap,
    Digests,
}

/// What was stored.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) sha256: String,
    pub(crate) stored: StoredFile,
}

#[derive(Debug)]
pub(crate) enum PackError {
    Spawn(io::Error),
    Compress(io::Error),
    Write(Output, io::Error),
    /// The hasher could not read the image.
    Read(io::Error),
    /// The hasher read something else.
    ReadsDiffer,
    /// A thread ended without saying why.
    Panicked,
}

impl PackError {
    fn writing(output: Output) -> impl Fn(io::Error) -> Self {
        move |source| Self::Write(output, source)
    }
}

/// Stores what `produce` pushes to its feed, and the seek table after it. `produce` runs on the calling thread; what
/// it returns is `None` if it could not even start. `layout` says where the guest's pages lie, `against` what the image is
/// stored as a difference to. The same image is read a `second` time.
pub(crate) fn pack<T, E>(
    outputs: &Outputs<'_>,
    layout: Option<PageLayout>,
    against: Option<Against<'_>>,
    second: impl ImageSource + Send,
    produce: impl FnOnce(Feed<'_>) -> Result<T, E>,
) -> (Option<Result<T, E>>, Result<Packed, PackError>) {
    let packers = packer_count();
    let slots = packers * SLOTS_PER_PACKER;
    let pool = Pool::new(slots);
    let zero = match ZeroFrame::new(FRAME_BYTES) {
        Ok(zero) => zero,
        Err(error) => return (None, Err(PackError::Compress(error))),
    };
    let shared = Shared { layout, against, zero, banner_found: AtomicBool::new(false) };
    let stop = AtomicBool::new(false);
    let (pool, shared, stop) = (&pool, &shared, &stop);
    let mut produced = None;
    let packed = std::thread::scope(|scope| {
        let spawn_error = PackError::Spawn;
        let (order, places) = sync_channel(QUEUE_FRAMES);
        let run = move |jobs: Receiver<Job>, done: SyncSender<Box<Slot>>| {
            give_way();
            packer::run(&jobs, &done, shared)
        };
        let (to_pack, to_write, threads) =
            turns::start(scope, "image-pack", packers, slots, run).map_err(spawn_error)?;
        let thread = Builder::new().name("image-write".to_owned());
        let run = move || {
            give_way();
            writer::run(&places, to_write, pool, outputs, shared)
        };
        let writer = thread.spawn_scoped(scope, run).map_err(spawn_error)?;

        let thread = Builder::new().name("image-hash".to_owned());
        let run = move || match hasher::run(second, stop) {
            Ok(Some(reading)) => Ok(reading),
            Ok(None) => Err(PackError::Panicked),
            Err(error) => {
                // The sender of frames need not go on.
                let _close = CloseAtEnd(pool);
                Err(PackError::Read(error))
            }
        };
        let hasher = thread.spawn_scoped(scope, run).map_err(spawn_error)?;

        let outcome = produce(Feed { pool, packers: to_pack, order, start: 0 });
        stop.store(outcome.is_err(), Ordering::Relaxed);
        produced = Some(outcome);

        for thread in threads {
            joined(thread)?.map_err(PackError::Compress)?;
        }
        let stored = joined(writer)?;
        let reading = joined(hasher)?;
        let (stored, Reading { sha256, root }) = (stored?, reading?);
        if root != stored.root {
            return Err(PackError::ReadsDiffer);
        }
        Ok(Packed { sha256, stored })
    });
    (produced, packed)
}

/// One packer per core, but two on the smallest machine: memory that compresses badly takes longer than its hash.
fn packer_count() -> usize {
    std::thread::available_parallelism().map_or(2, NonZero::get).clamp(2, 8)
}

/// Lets other threads go first.
fn give_way() {
    // A thread that may not do this works all the same.
    let _ = rustix::process::nice(PACKER_NICENESS);
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T, PackError> {
    thread.join().map_err(|_| PackError::Panicked)
}

#[cfg(test)]
mod tests;
