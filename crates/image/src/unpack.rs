//! All frames of a stored image, from the first to the last. The mirror of `frames`.
//!
//! ```text
//!  reader                 unpackers (one frame each, in turn)     hasher       calling thread
//!  file, its SHA-256 ───► zstd, BLAKE3, page entries ───────────► SHA-256 ───► sink, in order
//!       ▲                                                                        │
//!       └──────────────────────── empty slots of a fixed ring ◄──────────────────┘
//! ```

use std::fs::File;
use std::io::{self, Read, Seek};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;

use sha2::{Digest, Sha256};

use crate::hash::{byte_len, hex_digest, update_with_zeroes};
use crate::pages::{FrameBytes, PageExaminer, PageLayout, examine_whole_pages, is_zero};
use crate::{FrameSpan, SeekTable};

/// Slots per unpacking thread: enough that content in a row does not leave the hasher without work.
const SLOTS_PER_UNPACKER: usize = 12;

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// zstd refuses it, or its checksum does not match its content.
    #[error("it does not decompress: {0}")]
    Undecodable(String),
    /// It holds another number of bytes than the seek table says.
    #[error("it holds {found} bytes of the image instead of {expected}")]
    Length {
        /// As the seek table says.
        expected: u64,
        /// As it is.
        found: u64,
    },
}

#[derive(Debug)]
pub(crate) enum UnpackError<E> {
    /// The stored file cannot be read at that offset.
    Read {
        offset: u64,
        source: io::Error,
    },
    Spawn(io::Error),
    /// A thread ended without saying why.
    Panicked,
    /// The sink refused.
    Sink(E),
}

/// A frame, unpacked.
pub(crate) struct Unpacked<'a> {
    pub(crate) span: &'a FrameSpan,
    pub(crate) bytes: Result<FrameBytes<'a>, FrameFault>,
    /// Where the frame is sound.
    pub(crate) digest: Option<blake3::Hash>,
    /// The entries of the pages that lie whole in the frame, unless it is zero.
    pub(crate) entries: &'a [u8],
}

/// What the whole hashes to.
pub(crate) struct Hashes {
    /// SHA-256 of the stored file, seek table included.
    pub(crate) file: String,
    /// SHA-256 of the image, where every frame is sound.
    pub(crate) image: Option<String>,
}

struct Slot {
    span: FrameSpan,
    stored: Vec<u8>,
    raw: Vec<u8>,
    /// Then `raw` is of no account.
    is_zero: bool,
    fault: Option<FrameFault>,
    digest: Option<blake3::Hash>,
    entries: Vec<u8>,
}

impl Slot {
    fn new() -> Self {
        Self {
            span: FrameSpan { frame: 0, image: 0..0, stored: 0..0 },
            stored: Vec::new(),
            raw: Vec::new(),
            is_zero: false,
            fault: None,
            digest: None,
            entries: Vec::new(),
        }
    }

    fn image_bytes(&self) -> usize {
        usize::try_from(self.span.image.end.saturating_sub(self.span.image.start)).unwrap_or(usize::MAX)
    }
}

/// Hands every frame to `sink`, in order, with the entries of its pages where it is known where pages lie.
pub(crate) fn unpack<E>(
    file: &mut File,
    table: &SeekTable,
    layout: Option<&PageLayout>,
    mut sink: impl FnMut(Unpacked<'_>) -> Result<(), E>,
) -> Result<Hashes, UnpackError<E>> {
    let threads = std::thread::available_parallelism().map_or(2, NonZero::get).clamp(2, 8);
    let slots = threads * SLOTS_PER_UNPACKER;
    std::thread::scope(|scope| {
        // Bounded by the slots, which all channels carry.
        let (free, free_slots) = channel();
        for _ in 0..slots {
            // Its other end is in this function.
            let _ = free.send(Box::new(Slot::new()));
        }
        let (mut to_unpack, mut to_hash) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let (packed, frames) = sync_channel(slots);
            let (finished, done) = sync_channel(slots);
            let thread = Builder::new().name("image-unpack".to_owned());
            let run =
                move || Unpacker::new(table, layout).map(|mut unpacker| unpacker.run(&frames, &finished));
            thread.spawn_scoped(scope, run).map_err(UnpackError::Spawn)?;
            to_unpack.push(packed);
            to_hash.push(done);
        }
        let (in_order, to_sink) = sync_channel(slots);
        let hasher = Builder::new()
            .name("image-hash".to_owned())
            .spawn_scoped(scope, move || hash(&to_hash, &in_order))
            .map_err(UnpackError::Spawn)?;
        let reader = Builder::new()
            .name("image-read".to_owned())
            .spawn_scoped(scope, move || read(file, table, &free_slots, &to_unpack))
            .map_err(UnpackError::Spawn)?;

        let frames = take_all(&to_sink, &free, &mut sink).map_err(UnpackError::Sink)?;
        // Ends a reader that waits for slots because an unpacker is gone.
        drop((free, to_sink));
        let file = reader.join().map_err(|_| UnpackError::Panicked)?;
        let file = file.map_err(|(offset, source)| UnpackError::Read { offset, source })?;
        let image = hasher.join().map_err(|_| UnpackError::Panicked)?;
        if frames == table.frames() { Ok(Hashes { file, image }) } else { Err(UnpackError::Panicked) }
    })
}

fn take_all<E>(
    frames: &Receiver<Box<Slot>>,
    free: &Sender<Box<Slot>>,
    sink: &mut impl FnMut(Unpacked<'_>) -> Result<(), E>,
) -> Result<u64, E> {
    let mut count = 0;
    for mut slot in frames {
        let bytes = match slot.fault.take() {
            Some(fault) => Err(fault),
            None if slot.is_zero => Ok(FrameBytes::Zero),
            None => Ok(FrameBytes::Content(&slot.raw)),
        };
        sink(Unpacked { span: &slot.span, bytes, digest: slot.digest, entries: &slot.entries })?;
        count += 1;
        // The reader may have read everything already.
        let _ = free.send(slot);
    }
    Ok(count)
}

/// The stored bytes of every frame, to the unpackers in turn; returns the file's SHA-256.
fn read(
    file: &mut File,
    table: &SeekTable,
    free: &Receiver<Box<Slot>>,
    unpackers: &[SyncSender<Box<Slot>>],
) -> Result<String, (u64, io::Error)> {
    let mut sha256 = Sha256::new();
    file.rewind().map_err(|source| (0, source))?;
    for (span, unpacker) in table.spans().zip(unpackers.iter().cycle()) {
        // Whoever ended the other side knows why.
        let Ok(mut slot) = free.recv() else { return Ok(String::new()) };
        let offset = span.stored.start;
        let length = span.stored.end.saturating_sub(offset);
        slot.stored.clear();
        let read = file.take(length).read_to_end(&mut slot.stored).map_err(|source| (offset, source))?;
        if u64::try_from(read).ok() != Some(length) {
            return Err((offset, io::ErrorKind::UnexpectedEof.into()));
        }
        sha256.update(&slot.stored);
        slot.span = span;
        if unpacker.send(slot).is_err() {
            return Ok(String::new());
        }
    }
    let mut rest = Vec::new();
    let at = |source| (table.frames_end(), source);
    file.take(table.table_bytes()).read_to_end(&mut rest).map_err(at)?;
    sha256.update(&rest);
    Ok(hex_digest(sha256))
}

/// Hashes frames in their order; `None` where one of them is damaged.
fn hash(unpackers: &[Receiver<Box<Slot>>], sink: &SyncSender<Box<Slot>>) -> Option<String> {
    let mut sha256 = Some(Sha256::new());
    for slot in unpackers.iter().cycle().map_while(|unpacker| unpacker.recv().ok()) {
        if slot.fault.is_some() {
            sha256 = None;
        } else if let Some(sha256) = &mut sha256 {
            if slot.is_zero {
                update_with_zeroes(sha256, slot.image_bytes());
            } else {
                sha256.update(&slot.raw);
            }
        }
        if sink.send(slot).is_err() {
            break;
        }
    }
    sha256.map(hex_digest)
}

struct Unpacker<'a> {
    decompressor: zstd::bulk::Decompressor<'static>,
    layout: Option<&'a PageLayout>,
    examiner: PageExaminer,
    /// How a full frame of zeroes is stored, which need not be decompressed each time.
    stored_zeroes: Vec<u8>,
    zero_bytes: usize,
    zero_digest: blake3::Hash,
}

impl<'a> Unpacker<'a> {
    fn new(table: &SeekTable, layout: Option<&'a PageLayout>) -> Option<Self> {
        let zero_bytes = usize::try_from(table.frame_bytes()).ok()?;
        let zeroes = vec![0; zero_bytes];
        Some(Self {
            decompressor: zstd::bulk::Decompressor::new().ok()?,
            layout,
            examiner: PageExaminer::new(),
            stored_zeroes: crate::frames::pack_zeroes(zero_bytes).ok()?,
            zero_bytes,
            zero_digest: blake3::hash(&zeroes),
        })
    }

    fn run(&mut self, frames: &Receiver<Box<Slot>>, done: &SyncSender<Box<Slot>>) {
        for mut slot in frames {
            self.unpack(&mut slot);
            if done.send(slot).is_err() {
                break;
            }
        }
    }

    fn unpack(&mut self, slot: &mut Slot) {
        slot.digest = None;
        slot.entries.clear();
        slot.fault = None;
        slot.is_zero = slot.image_bytes() == self.zero_bytes && slot.stored == self.stored_zeroes;
        if slot.is_zero {
            slot.digest = Some(self.zero_digest);
            return;
        }
        slot.fault = unpack_frame(&mut self.decompressor, &slot.span, &slot.stored, &mut slot.raw).err();
        if slot.fault.is_some() {
            return;
        }
        slot.is_zero = is_zero(&slot.raw);
        slot.digest = Some(blake3::hash(&slot.raw));
        if let Some(layout) = self.layout.filter(|_| !slot.is_zero) {
            let span = slot.span.image.clone();
            examine_whole_pages(layout, &self.examiner, span, &slot.raw, &mut slot.entries);
        }
    }
}

/// Decompresses one frame into `raw`.
pub(crate) fn unpack_frame(
    decompressor: &mut zstd::bulk::Decompressor<'_>,
    span: &FrameSpan,
    stored: &[u8],
    raw: &mut Vec<u8>,
) -> Result<(), FrameFault> {
    let expected = span.image.end.saturating_sub(span.image.start);
    raw.clear();
    // The seek table bounds this to 4 MiB.
    raw.reserve_exact(usize::try_from(expected).unwrap_or(0));
    decompressor
        .decompress_to_buffer(stored, raw)
        .map_err(|error| FrameFault::Undecodable(error.to_string()))?;
    let found = byte_len(raw);
    if found == expected { Ok(()) } else { Err(FrameFault::Length { expected, found }) }
}
