//! From bytes of the image to a stored file: hash, compress and write in order, each on its own thread.
//!
//! ```text
//!  calling thread        hasher          packers (one frame each, in turn)      writer
//!  fills a slot ───────► SHA-256 ──────► zero? or zstd ───────────────────────► file, its SHA-256, seek table
//!       ▲                                                                         │
//!       └───────────────────────── empty slots of a fixed ring ◄──────────────────┘
//! ```
//!
//! A slot travels whole from thread to thread, so memory is bounded by the ring. Frame *n* goes to packer
//! *n* mod *packers*, and the writer collects in the same turn: order needs no sorting. A thread that fails drops its
//! channels, which ends its neighbours; its error is the one that is told.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, ScopedJoinHandle};

use sha2::{Digest, Sha256};

use crate::SeekTable;
use crate::hash::hex_digest;

/// Bytes of the image in one frame.
pub const FRAME_BYTES: usize = 1 << 20;
/// How many frames may be between the stream and the disk before the guest has to wait for us.
const RING_FRAMES: usize = 64;
const COMPRESSION_LEVEL: i32 = 1;

/// One frame on its way.
pub(crate) struct Slot {
    raw: Box<[u8]>,
    filled: usize,
    packed: Vec<u8>,
    is_zero: bool,
}

impl Slot {
    fn new() -> Self {
        // Written once here, so that no page has to be found while a guest waits.
        let mut raw = vec![0; FRAME_BYTES].into_boxed_slice();
        raw.fill(1);
        let packed = Vec::with_capacity(zstd::zstd_safe::compress_bound(FRAME_BYTES));
        Self { raw, filled: 0, packed, is_zero: false }
    }

    /// Lets `fill` write to the slot; it says how many bytes it wrote.
    pub(crate) fn fill<E>(&mut self, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<&[u8], E> {
        self.filled = fill(&mut self.raw)?.min(FRAME_BYTES);
        Ok(self.raw())
    }

    fn raw(&self) -> &[u8] {
        self.raw.get(..self.filled).unwrap_or_default()
    }
}

/// The slots of one capture.
pub(crate) struct Ring(Vec<Slot>);

impl Ring {
    pub(crate) fn new() -> Self {
        Self((0..RING_FRAMES).map(|_| Slot::new()).collect())
    }
}

/// The calling thread's end of the pipeline.
pub(crate) struct Feed {
    free: Receiver<Slot>,
    filled: SyncSender<Slot>,
}

impl Feed {
    /// The next empty slot; `None` once the pipeline failed.
    pub(crate) fn empty_slot(&self) -> Option<Slot> {
        self.free.recv().ok()
    }

    /// Passes a slot on as the next frame; `None` once the pipeline failed.
    pub(crate) fn push(&self, slot: Slot) -> Option<()> {
        self.filled.send(slot).ok()
    }
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) sha256: String,
    pub(crate) stored: StoredFile,
}

#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) sha256: String,
    pub(crate) size_bytes: u64,
    pub(crate) frames: u64,
    pub(crate) zero_frames: u64,
}

#[derive(Debug)]
pub(crate) enum PackError {
    Spawn(io::Error),
    Compress(io::Error),
    Write(io::Error),
    /// A thread ended without saying why.
    Panicked,
}

/// Stores what `produce` pushes to its feed, and the seek table after it. `produce` runs on the calling thread; what
/// it returns is `None` where it could not even start.
pub(crate) fn pack<T>(
    ring: Ring,
    file: &File,
    produce: impl FnOnce(Feed) -> T,
) -> (Option<T>, Result<Packed, PackError>) {
    let mut produced = None;
    let packed = std::thread::scope(|scope| {
        let spawn_error = PackError::Spawn;
        let (free, free_slots) = sync_channel(RING_FRAMES);
        for slot in ring.0 {
            // The channel holds the whole ring, and its other end is in this function.
            let _ = free.send(slot);
        }
        let (filled, to_hash) = sync_channel(RING_FRAMES);
        let (mut to_pack, mut to_write, mut packers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..packer_count() {
            let (hashed, frames) = sync_channel(RING_FRAMES);
            let (finished, done) = sync_channel(RING_FRAMES);
            let thread = Builder::new().name("image-pack".to_owned());
            packers
                .push(thread.spawn_scoped(scope, move || compress(&frames, &finished)).map_err(spawn_error)?);
            to_pack.push(hashed);
            to_write.push(done);
        }
        let hasher = Builder::new()
            .name("image-hash".to_owned())
            .spawn_scoped(scope, move || hash(&to_hash, &to_pack))
            .map_err(spawn_error)?;
        let writer = Builder::new()
            .name("image-write".to_owned())
            .spawn_scoped(scope, move || write(&to_write, &free, file))
            .map_err(spawn_error)?;

        produced = Some(produce(Feed { free: free_slots, filled }));

        for packer in packers {
            joined(packer)?.map_err(PackError::Compress)?;
        }
        let stored = joined(writer)?.map_err(PackError::Write)?;
        Ok(Packed { sha256: joined(hasher)?, stored })
    });
    (produced, packed)
}

/// One packer per core, but two on the smallest machine: memory that compresses badly takes longer than its hash.
fn packer_count() -> usize {
    std::thread::available_parallelism().map_or(2, NonZero::get).clamp(2, 8)
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T, PackError> {
    thread.join().map_err(|_| PackError::Panicked)
}

fn hash(frames: &Receiver<Slot>, packers: &[SyncSender<Slot>]) -> String {
    let mut sha256 = Sha256::new();
    for (slot, packer) in frames.iter().zip(packers.iter().cycle()) {
        sha256.update(slot.raw());
        if packer.send(slot).is_err() {
            break;
        }
    }
    hex_digest(sha256)
}

fn compress(frames: &Receiver<Slot>, done: &SyncSender<Slot>) -> io::Result<()> {
    let mut compressor = zstd::bulk::Compressor::new(COMPRESSION_LEVEL)?;
    compressor.include_checksum(true)?;
    let zero_frame = compressor.compress(&vec![0; FRAME_BYTES])?;
    for mut slot in frames {
        slot.packed.clear();
        slot.is_zero = is_zero(slot.raw());
        if slot.is_zero && slot.filled == FRAME_BYTES {
            slot.packed.extend_from_slice(&zero_frame);
        } else if let Some(raw) = slot.raw.get(..slot.filled) {
            compressor.compress_to_buffer(raw, &mut slot.packed)?;
        }
        if done.send(slot).is_err() {
            break;
        }
    }
    Ok(())
}

fn is_zero(bytes: &[u8]) -> bool {
    // Without an early exit inside of a block, which would keep the compiler from using vector instructions.
    bytes.chunks(4096).all(|block| block.iter().fold(0, |seen, byte| seen | byte) == 0)
}

fn write(done: &[Receiver<Slot>], free: &SyncSender<Slot>, file: &File) -> io::Result<StoredFile> {
    let mut out = HashingWriter { out: BufWriter::with_capacity(FRAME_BYTES, file), sha256: Sha256::new() };
    let mut table = SeekTable::new();
    let mut zero_frames = 0;
    for slot in done.iter().cycle().map_while(|packer| packer.recv().ok()) {
        out.write_all(&slot.packed)?;
        let too_large = |_| io::Error::other("a compressed frame is too large");
        let stored_bytes = u32::try_from(slot.packed.len()).map_err(too_large)?;
        let image_bytes = u32::try_from(slot.filled).map_err(too_large)?;
        table.push(stored_bytes, image_bytes).map_err(io::Error::other)?;
        zero_frames += u64::from(slot.is_zero);
        // Nobody needs the slot any more once the stream ended.
        let _ = free.send(slot);
    }
    table.write_to(&mut out)?;
    out.flush()?;
    Ok(StoredFile {
        sha256: hex_digest(out.sha256),
        size_bytes: table.frames_end().saturating_add(table.table_bytes()),
        frames: table.frames(),
        zero_frames,
    })
}

struct HashingWriter<W> {
    out: W,
    sha256: Sha256,
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sha256.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zero_bytes_are_zero() {
        assert!(is_zero(&[]));
        assert!(is_zero(&vec![0; FRAME_BYTES]));
        for at in [0, 4095, 4096, FRAME_BYTES - 1] {
            let mut bytes = vec![0; FRAME_BYTES];
            bytes[at] = 1;
            assert!(!is_zero(&bytes), "byte {at}");
        }
    }

    #[test]
    fn the_ring_is_what_the_writer_may_lag_behind() {
        assert_eq!(Ring::new().0.len() * FRAME_BYTES, 64 << 20);
    }

    #[test]
    fn a_failing_disk_ends_the_pipeline_and_is_named() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (sent, packed) = pack(Ring::new(), &full, |feed| {
            let mut sent = 0_u64;
            while let Some(mut slot) = feed.empty_slot() {
                // Random enough that the buffer in front of the disk fills up.
                slot.fill(|raw| {
                    let mut state = sent + 1;
                    raw.fill_with(|| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        state.to_le_bytes()[7]
                    });
                    Ok::<_, ()>(FRAME_BYTES)
                })
                .unwrap();
                if feed.push(slot).is_none() {
                    break;
                }
                sent += 1;
            }
            sent
        });
        assert!(sent.unwrap() <= 200, "the reader is stopped about a ring after the failure");
        match packed {
            Err(PackError::Write(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
            other => panic!("{other:?}"),
        }
    }
}
