//! What the threads of an export do: read stored frames, unpack them, pack them anew, hash them.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender};

use sha2::{Digest, Sha256};

use crate::digests::Digests;
use crate::hash::hex_digest;
use crate::unpack::{FrameFault, unpack_frame};
use crate::{FrameSpan, SeekTable};

/// A part of a frame.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) span: FrameSpan,
    /// Bytes of the frame, half-open.
    pub(super) within: Range<usize>,
    pub(super) given: Given,
}

/// What is given out of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    /// Its bytes of the image.
    Image,
    /// Its bytes in the stored file.
    Stored,
    /// Its bytes of the image, packed anew with snappy; the first of its range, which keeps the stream identifier.
    First,
    /// The same further on.
    Further,
}

impl Given {
    fn is_packed(self) -> bool {
        matches!(self, Self::First | Self::Further)
    }
}

/// What is hashed of a whole export.
#[derive(Clone, Debug)]
pub(super) enum Hashed {
    /// The image.
    Image,
    /// The stored file, which ends with this table.
    Stored { table: Vec<u8> },
}

pub(super) struct Slot {
    pub(super) wanted: Wanted,
    pub(super) stored: Vec<u8>,
    pub(super) raw: Vec<u8>,
    pub(super) packed: Vec<u8>,
    /// The frame is zeroes, and `raw` does not hold them.
    pub(super) is_zero: bool,
    pub(super) fault: Option<Fault>,
}

pub(super) enum Fault {
    Frame(FrameFault),
    /// It is not the frame that was recorded.
    Digest,
    Pack(io::Error),
    Hash {
        recorded: String,
        found: String,
    },
}

/// What a slot is made of when nothing is in it.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) stored: Vec<u8>,
    pub(super) raw: Vec<u8>,
    pub(super) packed: Vec<u8>,
}

/// What a frame must be, and how one of zeroes is known without unpacking it.
pub(super) struct Check<'a> {
    digests: Option<&'a Digests>,
    frame_bytes: u64,
    /// A full frame of zeroes as memdeck stores it.
    zero_frame: Vec<u8>,
    zero_digest: blake3::Hash,
}

impl<'a> Check<'a> {
    pub(super) fn new(table: &SeekTable, digests: Option<&'a Digests>) -> io::Result<Self> {
        let mut compressor = zstd::bulk::Compressor::new(1)?;
        compressor.include_checksum(true)?;
        let zeroes = vec![0; usize::try_from(table.frame_bytes()).unwrap_or(0)];
        let zero_frame = compressor.compress(&zeroes)?;
        let zero_digest = blake3::hash(&zeroes);
        Ok(Self { digests, frame_bytes: table.frame_bytes().into(), zero_frame, zero_digest })
    }

    fn is_zero(&self, slot: &Slot) -> bool {
        let image = &slot.wanted.span.image;
        image.end.saturating_sub(image.start) == self.frame_bytes && slot.stored == self.zero_frame
    }

    /// Whether a slot holds the frame that was recorded, as far as that is known.
    fn is_recorded(&self, slot: &Slot) -> bool {
        self.digests.is_none_or(|digests| {
            let digest = if slot.is_zero { self.zero_digest } else { blake3::hash(&slot.raw) };
            digests.has(slot.wanted.span.frame, &digest)
        })
    }
}

/// The stored bytes of every frame that is wanted, to the unpackers in turn.
pub(super) fn read(
    file: &File,
    frames: impl Iterator<Item = Wanted>,
    free: &Receiver<Buffers>,
    unpackers: &[SyncSender<Slot>],
) -> Result<(), (u64, io::Error)> {
    for (wanted, unpacker) in frames.zip(unpackers.iter().cycle()) {
        // Whoever ended the other side knows why.
        let Ok(Buffers { mut stored, raw, packed }) = free.recv() else { return Ok(()) };
        let Range { start, end } = wanted.span.stored;
        // The seek table bounds this to little more than 4 MiB.
        stored.resize(usize::try_from(end.saturating_sub(start)).unwrap_or(0), 0);
        file.read_exact_at(&mut stored, start).map_err(|source| (start, source))?;
        if unpacker.send(Slot { wanted, stored, raw, packed, is_zero: false, fault: None }).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

pub(super) fn unpack(check: &Check<'_>, frames: &Receiver<Slot>, done: &SyncSender<Slot>) {
    let Ok(mut decompressor) = zstd::bulk::Decompressor::new() else { return };
    let mut packed_zeroes = PackedZeroes::default();
    for mut slot in frames {
        slot.is_zero = check.is_zero(&slot);
        if !slot.is_zero {
            let unpacked = unpack_frame(&mut decompressor, &slot.wanted.span, &slot.stored, &mut slot.raw);
            slot.fault = unpacked.err().map(Fault::Frame);
        }
        if slot.fault.is_none() && !check.is_recorded(&slot) {
            slot.fault = Some(Fault::Digest);
        }
        if slot.wanted.given.is_packed() && slot.fault.is_none() {
            slot.packed.clear();
            let packed = if slot.is_zero {
                packed_zeroes.append(slot.wanted.within.len(), &mut slot.packed)
            } else {
                pack(slot.raw.get(slot.wanted.within.clone()).unwrap_or_default(), &mut slot.packed)
            };
            slot.fault = packed.err().map(Fault::Pack);
        }
        if done.send(slot).is_err() {
            break;
        }
    }
}

/// Appends these bytes in snappy's framing format.
fn pack(bytes: &[u8], packed: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = snap::write::FrameEncoder::new(packed);
    encoder.write_all(bytes)?;
    encoder.flush()
}

/// Zeroes in snappy's framing format, of the length that was asked for last: most often that of a frame.
#[derive(Default)]
struct PackedZeroes {
    count: usize,
    packed: Vec<u8>,
}

impl PackedZeroes {
    fn append(&mut self, count: usize, packed: &mut Vec<u8>) -> io::Result<()> {
        if self.count != count || self.packed.is_empty() {
            self.packed.clear();
            pack(&vec![0; count], &mut self.packed)?;
            self.count = count;
        }
        packed.extend_from_slice(&self.packed);
        Ok(())
    }
}

/// Hashes frames as they pass; the last passes only as what was expected.
pub(super) fn hash(
    unpacked: &[Receiver<Slot>],
    hashed: &SyncSender<Slot>,
    last_frame: u64,
    what: &Hashed,
    recorded: Option<&str>,
) -> String {
    let mut sha256 = Sha256::new();
    let mut zeroes = Vec::new();
    let mut digest = String::new();
    for mut slot in unpacked.iter().cycle().map_while(|turn| turn.recv().ok()) {
        match what {
            Hashed::Stored { .. } => sha256.update(&slot.stored),
            Hashed::Image if slot.is_zero => {
                zeroes.resize(slot.wanted.within.len(), 0);
                sha256.update(&zeroes);
            }
            Hashed::Image => sha256.update(&slot.raw),
        }
        if slot.wanted.span.frame == last_frame && slot.fault.is_none() {
            if let Hashed::Stored { table } = what {
                sha256.update(table);
            }
            digest = hex_digest(std::mem::take(&mut sha256));
            slot.fault = recorded
                .filter(|recorded| *recorded != digest)
                .map(|recorded| Fault::Hash { recorded: recorded.to_owned(), found: digest.clone() });
        }
        if hashed.send(slot).is_err() {
            break;
        }
    }
    digest
}
