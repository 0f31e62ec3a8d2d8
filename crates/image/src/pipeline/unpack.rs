//! Frames of a stored file, unpacked in parallel and handed out in order. The mirror of [`pack`](super::pack).
//!
//! ```text
//!  reader         turns (one frame each)             hasher, if any    calling thread
//!  wanted frames ─► zero? or zstd ─► caller's work ─► caller's hash ──► collected in order
//!     ▲                                                                     │
//!     └────────────────────── empty slots of a fixed ring ◄─────────────────┘
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use memdeck_model::FrameSpan;

use super::turns::{self, Jobs, Results};
use crate::format::difference::{Base, Unpacker};
use crate::format::frame::{FrameFault, ZeroFrame};
use crate::format::seek_table::SeekTable;

/// A frame that somebody wants to read, with what is wanted of it.
pub(crate) trait Wanted: Send {
    fn span(&self) -> &FrameSpan;
}

impl Wanted for FrameSpan {
    fn span(&self) -> &FrameSpan {
        self
    }
}

/// One frame on its way.
#[derive(Default)]
pub(crate) struct Slot<W, M> {
    /// Which one.
    pub(crate) wanted: W,
    /// Its bytes in the file.
    pub(crate) stored: Vec<u8>,
    /// Its bytes of the image, unless it `is_zero` or has a `fault`.
    pub(crate) raw: Vec<u8>,
    pub(crate) is_zero: bool,
    pub(crate) fault: Option<FrameFault>,
    /// What the caller's work made of it. It still contains the frame before when that work begins.
    pub(crate) made: M,
}

impl<W: Wanted, M> Slot<W, M> {
    /// How many bytes of the image the seek table promises.
    pub(crate) fn image_bytes(&self) -> usize {
        let image = &self.wanted.span().image;
        usize::try_from(image.end.saturating_sub(image.start)).unwrap_or(usize::MAX)
    }
}

/// How many threads, and how many frames on their way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    pub(crate) unpackers: usize,
    pub(crate) slots: usize,
}

#[derive(Debug)]
pub(crate) enum UnpackError<E> {
    /// The threads, or what they share, cannot be made.
    Start(io::Error),
    /// The stored file cannot be read at that offset.
    Read { offset: u64, source: io::Error },
    /// A thread ended without saying why.
    Panicked,
    /// `collect` failed.
    Collect(E),
}

/// The frames that come out.
pub(crate) struct Unpacked<W, M> {
    slots: Results<Box<Slot<W, M>>>,
    free: SyncSender<Box<Slot<W, M>>>,
}

impl<W, M> Unpacked<W, M> {
    /// The next frame; `None` after the last, or once a thread has failed.
    pub(crate) fn next(&mut self) -> Option<Box<Slot<W, M>>> {
        self.slots.recv()
    }

    /// Lets the slot be used again.
    pub(crate) fn put_back(&self, slot: Box<Slot<W, M>>) {
        // The reader may have read everything already.
        let _ = self.free.send(slot);
    }
}

/// What the threads do with a frame beyond reading and decompressing it.
pub(crate) struct Stages<R, K, H> {
    /// The beginning of the threads' names: `image`, `export`.
    pub(crate) name: &'static str,
    /// Sees the stored bytes of every frame, in order.
    pub(crate) read: R,
    /// Works on every frame, on whichever thread it is.
    pub(crate) work: K,
    /// Sees every frame in order, before it is collected.
    pub(crate) hash: Option<H>,
}

/// A stored file whose frames are read.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) file: &'a File,
    pub(crate) table: &'a SeekTable,
    /// What it is a difference to, if it is one.
    pub(crate) base: Option<&'a Base>,
}

/// Reads the wanted frames of a stored file, unpacks them, and lets `collect` take them in order on the calling thread.
/// It may stop at any frame; when `next` has none before `collect` expects it, it should return, and the reason is reported
/// here.
pub(crate) fn unpack<W, M, T, E>(
    stored: Stored<'_>,
    ring: Ring,
    wanted: impl Iterator<Item = W> + Send,
    stages: Stages<
        impl FnMut(&[u8]) + Send,
        impl FnMut(&mut Slot<W, M>, &ZeroFrame) + Clone + Send,
        impl FnMut(&mut Slot<W, M>) + Send,
    >,
    collect: impl FnOnce(&mut Unpacked<W, M>) -> Result<T, E>,
) -> Result<T, UnpackError<E>>
where
    W: Wanted + Default,
    M: Default + Send,
{
    let Stages { name, read, work, hash } = stages;
    let Stored { file, table, base } = stored;
    let full_frame = usize::try_from(table.frame_bytes()).unwrap_or(0);
    let zero = &ZeroFrame::new(full_frame).map_err(UnpackError::Start)?;
    let Ring { unpackers, slots } = ring;
    std::thread::scope(|scope| {
        let thread = |of: &str| Builder::new().name(format!("{name}-{of}"));
        let (free, empty) = sync_channel(slots);
        for _ in 0..slots {
            // The channel has room for all, and its other end is in this function.
            let _ = free.send(Box::default());
        }
        let run = move |stored: Receiver<Box<Slot<W, M>>>, done: SyncSender<_>| {
            run_unpacker(&stored, &done, zero, base, work);
        };
        let (jobs, results, _) = turns::start(scope, &format!("{name}-unpack"), unpackers, slots, run)
            .map_err(UnpackError::Start)?;
        let reader = thread("read")
            .spawn_scoped(scope, move || read_frames(file, wanted, &empty, jobs, read))
            .map_err(UnpackError::Start)?;
        let (results, hasher) = match hash {
            None => (results, None),
            Some(hash) => {
                let (passed, done) = sync_channel(slots);
                let hasher = thread("hash")
                    .spawn_scoped(scope, move || run_hasher(results, &passed, hash))
                    .map_err(UnpackError::Start)?;
                (Results::of_one(done), Some(hasher))
            }
        };

        let mut unpacked = Unpacked { slots: results, free };
        let collected = collect(&mut unpacked).map_err(UnpackError::Collect)?;
        // Ends a reader that waits for slots because a thread behind it is gone.
        drop(unpacked);
        let read = reader.join().map_err(|_| UnpackError::Panicked)?;
        read.map_err(|(offset, source)| UnpackError::Read { offset, source })?;
        if let Some(hasher) = hasher {
            hasher.join().map_err(|_| UnpackError::Panicked)?;
        }
        Ok(collected)
    })
}

/// Brings the stored bytes of every wanted frame to the unpackers.
fn read_frames<W: Wanted, M>(
    file: &File,
    wanted: impl Iterator<Item = W>,
    empty: &Receiver<Box<Slot<W, M>>>,
    mut unpackers: Jobs<Box<Slot<W, M>>>,
    mut seen: impl FnMut(&[u8]),
) -> Result<(), (u64, io::Error)> {
    for wanted in wanted {
        // The reason is known on the other side.
        let Ok(mut slot) = empty.recv() else { break };
        let (start, end) = (wanted.span().stored.start, wanted.span().stored.end);
        // The seek table bounds this to little more than 4 MiB.
        slot.stored.resize(usize::try_from(end.saturating_sub(start)).unwrap_or(0), 0);
        file.read_exact_at(&mut slot.stored, start).map_err(|source| (start, source))?;
        seen(&slot.stored);
        slot.wanted = wanted;
        if unpackers.send(slot).is_none() {
            break;
        }
    }
    Ok(())
}

fn run_unpacker<W: Wanted, M>(
    stored: &Receiver<Box<Slot<W, M>>>,
    done: &SyncSender<Box<Slot<W, M>>>,
    zero: &ZeroFrame,
    base: Option<&Base>,
    mut work: impl FnMut(&mut Slot<W, M>, &ZeroFrame),
) {
    let Ok(mut unpacker) = Unpacker::new() else { return };
    for mut slot in stored {
        slot.fault = None;
        slot.is_zero = zero.is_stored_as(slot.image_bytes(), &slot.stored);
        if !slot.is_zero {
            let Slot { wanted, stored, raw, fault, .. } = &mut *slot;
            *fault = unpacker.unpack(wanted.span(), stored, base, raw).err();
        }
        work(&mut slot, zero);
        if done.send(slot).is_err() {
            break;
        }
    }
}

fn run_hasher<W, M>(
    mut unpacked: Results<Box<Slot<W, M>>>,
    passed: &SyncSender<Box<Slot<W, M>>>,
    mut hash: impl FnMut(&mut Slot<W, M>),
) {
    while let Some(mut slot) = unpacked.recv() {
        hash(&mut slot);
        if passed.send(slot).is_err() {
            break;
        }
    }
}
