//! An export in order: frames are read ahead, unpacked (and packed anew for AVML) in parallel, and given out in turn.
//!
//! ```text
//!  reader            unpackers (one frame each, in turn)      hasher (whole ELF)      calling thread
//!  reads frames ───► zero? or zstd ─► snappy (AVML) ────────► SHA-256 ──────────────► sink
//!     ▲                                                                                 │
//!     └──────────────────────────── empty slots of a fixed ring ◄───────────────────────┘
//! ```
//!
//! Reader and sink go through the same list of steps, which is computed as they go; only frames travel through the ring.
//! Whoever fails drops its channels, which ends its neighbours.

use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;

use super::layout::{Layout, Piece};
use super::ring::{Buffers, Check, Fault, Given, Hashed, Slot, Wanted, hash, read, unpack};
use super::{ExportSink, ImageExport};
use crate::SeekTable;
use crate::evidence::Evidence;
use crate::hash::byte_len;
use crate::reader::ReadError;

/// Snappy's stream identifier, with which every encoder begins.
const SNAPPY_IDENTIFIER_BYTES: usize = 10;

/// How much of the machine an export may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A thread for every core, up to 8, and 4 frames for each.
    AllCores,
    /// Two threads and 4 frames: one of several exports at the same time.
    Shared,
}

impl Effort {
    /// Threads that unpack, and frames in the ring.
    fn size(self) -> (usize, usize) {
        match self {
            Self::AllCores => {
                let unpackers = std::thread::available_parallelism().map_or(2, NonZero::get).clamp(1, 8);
                (unpackers, unpackers * 4)
            }
            Self::Shared => (2, 4),
        }
    }
}

/// All bytes are given: they are hashed, and compared with this SHA-256 where there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) recorded: Option<&'a str>,
    pub(super) hashed: &'a Hashed,
}

pub(super) struct Streamed {
    /// Given to the sink.
    pub(super) bytes: u64,
    pub(super) sha256: Option<String>,
}

/// What is done next.
enum Step {
    Literal(Vec<u8>),
    Zeroes(u64),
    Frame(Wanted),
    /// The number of bytes that the frames since the last literal took.
    PackedLength,
}

fn steps<'a>(
    layout: &'a Layout,
    table: &'a SeekTable,
    range: &Range<u64>,
) -> impl Iterator<Item = Step> + 'a {
    layout.cut(range).flat_map(move |piece| -> Box<dyn Iterator<Item = Step> + Send + 'a> {
        match piece {
            Piece::Literal(bytes) => Box::new(std::iter::once(Step::Literal(bytes))),
            Piece::Zeroes(count) => Box::new(std::iter::once(Step::Zeroes(count))),
            Piece::Image(range) => Box::new(frames(table, range, Given::Image).map(Step::Frame)),
            Piece::Stored(range) => Box::new(stored_frames(table, range).map(Step::Frame)),
            Piece::Snappy(range) => {
                let frames = frames(table, range, Given::First).map(Step::Frame);
                Box::new(frames.chain([Step::PackedLength]))
            }
        }
    })
}

/// The frames that hold these bytes of the image.
fn frames(table: &SeekTable, range: Range<u64>, first: Given) -> impl Iterator<Item = Wanted> + '_ {
    let mut position = range.start;
    let mut given = first;
    std::iter::from_fn(move || {
        if position >= range.end {
            return None;
        }
        let span = table.span_at(position)?;
        let end = span.image.end.min(range.end);
        let place = |at: u64| usize::try_from(at.saturating_sub(span.image.start)).ok();
        let wanted = Wanted { within: place(position)?..place(end)?, given, span };
        if given == Given::First {
            given = Given::Further;
        }
        position = end;
        Some(wanted)
    })
}

/// The frames that lie at these bytes of the stored file.
fn stored_frames(table: &SeekTable, range: Range<u64>) -> impl Iterator<Item = Wanted> + '_ {
    let spans = table.spans().skip_while({
        let start = range.start;
        move |span| span.stored.end <= start
    });
    let end = range.end;
    spans.take_while(move |span| span.stored.start < end).filter_map(move |span| {
        let place =
            |at: u64| usize::try_from(at.clamp(span.stored.start, span.stored.end) - span.stored.start);
        let within = place(range.start).ok()?..place(range.end).ok()?;
        Some(Wanted { within, given: Given::Stored, span })
    })
}

/// Gives these bytes of an export to the sink, on the calling thread.
pub(super) fn stream(
    export: &ImageExport,
    range: &Range<u64>,
    effort: Effort,
    expected: Option<&Expected<'_>>,
    sink: &mut impl ExportSink,
) -> Result<Streamed, ReadError> {
    let ImageExport { evidence: Evidence { path, file, table, digests, .. }, layout, .. } = export;
    let (unpackers, slots) = effort.size();
    let check = Check::new(table, digests.as_deref()).map_err(ReadError::Threads)?;
    std::thread::scope(|scope| {
        let (free, free_slots) = sync_channel(slots);
        for _ in 0..slots {
            // The channel holds them all, and its other end is in this function.
            let _ = free.send(Buffers::default());
        }
        let (mut to_unpack, mut unpacked) = (Vec::new(), Vec::new());
        for _ in 0..unpackers {
            let (stored, frames) = sync_channel(slots);
            let (finished, done) = sync_channel(slots);
            let check = &check;
            Builder::new()
                .name("export-unpack".to_owned())
                .spawn_scoped(scope, move || unpack(check, &frames, &finished))
                .map_err(ReadError::Threads)?;
            to_unpack.push(stored);
            unpacked.push(done);
        }
        let reader = Builder::new()
            .name("export-read".to_owned())
            .spawn_scoped(scope, {
                let wanted = steps(layout, table, range);
                let wanted = wanted.filter_map(|step| match step {
                    Step::Frame(wanted) => Some(wanted),
                    Step::Literal(_) | Step::Zeroes(_) | Step::PackedLength => None,
                });
                move || read(file, wanted, &free_slots, &to_unpack)
            })
            .map_err(ReadError::Threads)?;
        let hasher = match expected {
            None => None,
            Some(&Expected { recorded, hashed }) => {
                let (passed, done) = sync_channel(slots);
                let unpacked = std::mem::replace(&mut unpacked, vec![done]);
                let last_frame = table.frames().saturating_sub(1);
                let hasher = Builder::new()
                    .name("export-hash".to_owned())
                    .spawn_scoped(scope, move || hash(&unpacked, &passed, last_frame, hashed, recorded))
                    .map_err(ReadError::Threads)?;
                Some(hasher)
            }
        };

        let mut given = Output { sink, bytes: 0, packed: 0 };
        let mut turns = unpacked.iter().cycle();
        for step in steps(layout, table, range) {
            match step {
                Step::Literal(bytes) => {
                    given.packed = 0;
                    given.bytes(&bytes).map_err(ReadError::Write)?;
                }
                Step::Zeroes(count) => given.zeroes(count).map_err(ReadError::Write)?,
                Step::PackedLength => {
                    let length = given.packed.to_le_bytes();
                    given.bytes(&length).map_err(ReadError::Write)?;
                }
                Step::Frame(_) => {
                    let Some(slot) = turns.next().and_then(|turn| turn.recv().ok()) else {
                        // Whoever ended knows why: the reader, or nobody.
                        drop((free, unpacked));
                        return Err(match reader.join() {
                            Ok(Err((offset, source))) => {
                                ReadError::Read { path: path.clone(), offset, source }
                            }
                            Ok(Ok(())) | Err(_) => ReadError::Panicked,
                        });
                    };
                    let buffers = given.slot(slot)?;
                    // The reader may have read everything already.
                    let _ = free.send(buffers);
                }
            }
        }
        let bytes = given.bytes;
        drop((free, unpacked));
        let sha256 = hasher.map(|hasher| hasher.join().map_err(|_| ReadError::Panicked)).transpose()?;
        Ok(Streamed { bytes, sha256 })
    })
}

/// What the sink was given.
struct Output<'a, S> {
    sink: &'a mut S,
    bytes: u64,
    /// Bytes of frames since the last literal.
    packed: u64,
}

impl<S: ExportSink> Output<'_, S> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.bytes(bytes)?;
        self.bytes = self.bytes.saturating_add(byte_len(bytes));
        Ok(())
    }

    fn zeroes(&mut self, count: u64) -> io::Result<()> {
        self.sink.zeroes(count)?;
        self.bytes = self.bytes.saturating_add(count);
        Ok(())
    }

    fn slot(&mut self, slot: Slot) -> Result<Buffers, ReadError> {
        let Slot { wanted, stored, raw, packed, is_zero, fault } = slot;
        match fault {
            None => {}
            Some(Fault::Frame(source)) => return Err(ReadError::Frame { span: wanted.span, source }),
            Some(Fault::Digest) => return Err(ReadError::FrameDigest { span: wanted.span }),
            Some(Fault::Pack(source)) => return Err(ReadError::Write(source)),
            Some(Fault::Hash { recorded, found }) => {
                return Err(ReadError::HashMismatch { recorded, found });
            }
        }
        let told = match wanted.given {
            Given::First | Given::Further => {
                let skipped = if wanted.given == Given::First { 0 } else { SNAPPY_IDENTIFIER_BYTES };
                let bytes = packed.get(skipped..).unwrap_or_default();
                self.packed = self.packed.saturating_add(byte_len(bytes));
                self.bytes(bytes)
            }
            Given::Stored => self.bytes(stored.get(wanted.within).unwrap_or_default()),
            Given::Image if is_zero => self.zeroes(u64::try_from(wanted.within.len()).unwrap_or(u64::MAX)),
            Given::Image => self.bytes(raw.get(wanted.within).unwrap_or_default()),
        };
        told.map_err(ReadError::Write)?;
        Ok(Buffers { stored, raw, packed })
    }
}
