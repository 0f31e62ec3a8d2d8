//! All frames of a stored image, from the first to the last: read and hash the file, decompress in parallel, hand the
//! bytes to the calling thread in order. The mirror of `frames`.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use sha2::{Digest, Sha256};

use crate::hash::{byte_len, hex_digest};
use crate::{FrameSpan, SeekTable};

/// Slots per decompressing thread: enough that none waits for the hash of another's frame.
const SLOTS_PER_UNPACKER: usize = 4;

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

struct Slot {
    span: FrameSpan,
    stored: Vec<u8>,
    raw: Vec<u8>,
    fault: Option<FrameFault>,
}

/// Hands every frame to `sink` and returns the SHA-256 of the whole stored file, seek table included.
pub(crate) fn unpack<E>(
    file: &mut File,
    table: &SeekTable,
    mut sink: impl FnMut(&FrameSpan, Result<&[u8], FrameFault>) -> Result<(), E>,
) -> Result<String, UnpackError<E>> {
    let unpackers = std::thread::available_parallelism().map_or(2, NonZero::get).clamp(1, 8);
    let slots = unpackers * SLOTS_PER_UNPACKER;
    std::thread::scope(|scope| {
        let (free, free_slots) = sync_channel(slots);
        for _ in 0..slots {
            // The channel holds them all, and its other end is in this function.
            let _ = free.send((Vec::new(), Vec::new()));
        }
        let (mut to_unpack, mut to_sink) = (Vec::new(), Vec::new());
        for _ in 0..unpackers {
            let (packed, frames) = sync_channel(slots);
            let (finished, done) = sync_channel(slots);
            let thread = Builder::new().name("image-unpack".to_owned());
            thread.spawn_scoped(scope, move || decompress(&frames, &finished)).map_err(UnpackError::Spawn)?;
            to_unpack.push(packed);
            to_sink.push(done);
        }
        let reader = Builder::new()
            .name("image-read".to_owned())
            .spawn_scoped(scope, move || read(file, table, &free_slots, &to_unpack))
            .map_err(UnpackError::Spawn)?;

        let mut frames = 0;
        for slot in to_sink.iter().cycle().map_while(|unpacker| unpacker.recv().ok()) {
            let content = slot.fault.map_or(Ok(slot.raw.as_slice()), Err);
            sink(&slot.span, content).map_err(UnpackError::Sink)?;
            frames += 1;
            // The reader may have read everything already.
            let _ = free.send((slot.stored, slot.raw));
        }
        // Ends a reader that waits for slots because an unpacker is gone.
        drop((free, to_sink));
        let file_sha256 = reader.join().map_err(|_| UnpackError::Panicked)?;
        let file_sha256 = file_sha256.map_err(|(offset, source)| UnpackError::Read { offset, source })?;
        if frames == table.frames() { Ok(file_sha256) } else { Err(UnpackError::Panicked) }
    })
}

/// The stored bytes of every frame, to the unpackers in turn; returns the file's SHA-256.
fn read(
    file: &mut File,
    table: &SeekTable,
    free: &Receiver<(Vec<u8>, Vec<u8>)>,
    unpackers: &[SyncSender<Slot>],
) -> Result<String, (u64, io::Error)> {
    let mut sha256 = Sha256::new();
    file.rewind().map_err(|source| (0, source))?;
    for (span, unpacker) in table.spans().zip(unpackers.iter().cycle()) {
        // Whoever ended the other side knows why.
        let Ok((mut stored, raw)) = free.recv() else { return Ok(String::new()) };
        let offset = span.stored.start;
        let length = span.stored.end.saturating_sub(offset);
        stored.clear();
        let read = file.take(length).read_to_end(&mut stored).map_err(|source| (offset, source))?;
        if u64::try_from(read).ok() != Some(length) {
            return Err((offset, io::ErrorKind::UnexpectedEof.into()));
        }
        sha256.update(&stored);
        if unpacker.send(Slot { span, stored, raw, fault: None }).is_err() {
            return Ok(String::new());
        }
    }
    let mut rest = Vec::new();
    let at = |source| (table.frames_end(), source);
    file.take(table.table_bytes()).read_to_end(&mut rest).map_err(at)?;
    sha256.update(&rest);
    Ok(hex_digest(sha256))
}

fn decompress(frames: &Receiver<Slot>, done: &SyncSender<Slot>) {
    let Ok(mut decompressor) = zstd::bulk::Decompressor::new() else { return };
    for mut slot in frames {
        slot.fault = unpack_frame(&mut decompressor, &slot.span, &slot.stored, &mut slot.raw).err();
        if done.send(slot).is_err() {
            break;
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
