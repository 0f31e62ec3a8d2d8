//! What an export makes of a frame: checks it against its digest, packs it anew for AVML, hashes it.

use std::io::{self, Write};
use std::ops::Range;

use memdeck_model::FrameSpan;
use sha2::{Digest, Sha256};

use crate::format::digests::Digests;
use crate::format::frame::ZeroFrame;
use crate::format::hash::{hex_digest, update_with_zeroes};
use crate::pipeline::unpack::{Slot, Wanted};

/// A part of a frame.
#[derive(Clone, Default)]
pub(super) struct PartOfFrame {
    pub(super) span: FrameSpan,
    /// Bytes of the frame, half-open.
    pub(super) within: Range<usize>,
    pub(super) form: Form,
}

impl Wanted for PartOfFrame {
    fn span(&self) -> &FrameSpan {
        &self.span
    }
}

/// In which form a frame is exported.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// Its bytes of the image.
    #[default]
    Image,
    /// Its bytes in the stored file.
    Stored,
    /// Its bytes of the image, packed anew with snappy; the first of its range, which keeps the stream identifier.
    FirstPacked,
    /// The same further on.
    FurtherPacked,
}

impl Form {
    fn is_packed(self) -> bool {
        matches!(self, Self::FirstPacked | Self::FurtherPacked)
    }
}

/// What is hashed of a whole export.
#[derive(Clone, Debug)]
pub(super) enum Hashed {
    /// Bytes of the image as it was captured, each frame unpacked.
    Image,
    /// The stored file, which ends with this table.
    Stored { table: Vec<u8> },
}

/// What an export makes of a frame.
#[derive(Default)]
pub(super) struct Made {
    /// Its bytes in snappy's framing format, if that is its form.
    pub(super) packed: Vec<u8>,
    /// Why it must not leave, although it could be unpacked.
    pub(super) fault: Option<Fault>,
}

pub(super) enum Fault {
    /// It is not the frame that was recorded.
    Digest,
    Pack(io::Error),
    Hash {
        recorded: String,
        found: String,
    },
}

pub(super) type ExportSlot = Slot<PartOfFrame, Made>;

/// Checks and packs frames, each on one of several threads.
#[derive(Clone)]
pub(super) struct Worker<'a> {
    digests: Option<&'a Digests>,
    packed_zeroes: PackedZeroes,
}

impl<'a> Worker<'a> {
    pub(super) fn new(digests: Option<&'a Digests>) -> Self {
        Self { digests, packed_zeroes: PackedZeroes::default() }
    }

    pub(super) fn check_and_pack(&mut self, slot: &mut ExportSlot, zero: &ZeroFrame) {
        slot.made.fault = None;
        if slot.fault.is_some() {
            return;
        }
        if !self.is_recorded(slot, zero) {
            slot.made.fault = Some(Fault::Digest);
            return;
        }
        if slot.wanted.form.is_packed() {
            let Made { packed, fault } = &mut slot.made;
            packed.clear();
            let within = slot.wanted.within.clone();
            let outcome = if slot.is_zero {
                self.packed_zeroes.append(within.len(), packed)
            } else {
                pack(slot.raw.get(within).unwrap_or_default(), packed)
            };
            *fault = outcome.err().map(Fault::Pack);
        }
    }

    /// Whether this is the frame that was recorded, as far as that is known.
    fn is_recorded(&self, slot: &ExportSlot, zero: &ZeroFrame) -> bool {
        self.digests.is_none_or(|digests| {
            let digest = if slot.is_zero { zero.digest() } else { blake3::hash(&slot.raw) };
            digests.has(slot.wanted.span.frame, &digest)
        })
    }
}

/// Appends these bytes in snappy's framing format.
fn pack(bytes: &[u8], packed: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = snap::write::FrameEncoder::new(packed);
    encoder.write_all(bytes)?;
    encoder.flush()
}

/// Zeroes in snappy's framing format, of the length that was asked for last: most often that of a frame.
#[derive(Clone, Default)]
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
pub(super) struct WholeHash<'a> {
    sha256: Sha256,
    hashed: &'a Hashed,
    last_frame: u64,
    recorded: Option<&'a str>,
    /// Of everything, once the last frame has passed.
    digest: String,
}

impl<'a> WholeHash<'a> {
    pub(super) fn new(hashed: &'a Hashed, last_frame: u64, recorded: Option<&'a str>) -> Self {
        Self { sha256: Sha256::new(), hashed, last_frame, recorded, digest: String::new() }
    }

    pub(super) fn push(&mut self, slot: &mut ExportSlot) {
        match self.hashed {
            Hashed::Stored { .. } => self.sha256.update(&slot.stored),
            Hashed::Image if slot.is_zero => update_with_zeroes(&mut self.sha256, slot.wanted.within.len()),
            Hashed::Image => self.sha256.update(&slot.raw),
        }
        let is_sound = slot.fault.is_none() && slot.made.fault.is_none();
        if slot.wanted.span.frame == self.last_frame && is_sound {
            if let Hashed::Stored { table } = self.hashed {
                self.sha256.update(table);
            }
            self.digest = hex_digest(std::mem::take(&mut self.sha256));
            slot.made.fault = self
                .recorded
                .filter(|recorded| *recorded != self.digest)
                .map(|recorded| Fault::Hash { recorded: recorded.to_owned(), found: self.digest.clone() });
        }
    }

    pub(super) fn into_digest(self) -> String {
        self.digest
    }
}
