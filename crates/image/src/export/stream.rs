//! An export in order: frames are read ahead, unpacked (and packed anew for AVML) in parallel, and written in turn.
//!
//! The frames come out of the [pipeline](crate::pipeline::unpack); what lies between them is literals and holes. Reader and
//! sink go through the same list of steps, which is computed as they go.

use std::io;
use std::num::NonZero;
use std::ops::Range;

use super::frames::{ExportSlot, Fault, Form, Hashed, Made, PartOfFrame, WholeHash, Worker};
use super::layout::{Layout, Piece};
use super::{ExportSink, ImageExport};
use crate::format::frame::ZeroFrame;
use crate::format::hash::byte_len;
use crate::format::seek_table::SeekTable;
use crate::pipeline::unpack::{Ring, Stages, Stored, Unpacked, unpack};
use crate::read::error::ReadError;
use crate::read::evidence::Evidence;

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
    fn ring(self) -> Ring {
        match self {
            Self::AllCores => {
                let unpackers = std::thread::available_parallelism().map_or(2, NonZero::get).clamp(1, 8);
                Ring { unpackers, slots: unpackers * 4 }
            }
            Self::Shared => Ring { unpackers: 2, slots: 4 },
        }
    }
}

/// All bytes are exported: they are hashed, and compared with this SHA-256 if there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) recorded: Option<&'a str>,
    pub(super) hashed: &'a Hashed,
}

pub(super) struct Streamed {
    /// Written to the sink.
    pub(super) bytes: u64,
    pub(super) sha256: Option<String>,
}

/// What is done next.
enum Step {
    Literal(Vec<u8>),
    Zeroes(u64),
    Frame(PartOfFrame),
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
            Piece::Image(range) => Box::new(frames(table, range, Form::Image).map(Step::Frame)),
            Piece::Stored(range) => Box::new(stored_frames(table, range).map(Step::Frame)),
            Piece::Snappy(range) => {
                let frames = frames(table, range, Form::FirstPacked).map(Step::Frame);
                Box::new(frames.chain([Step::PackedLength]))
            }
        }
    })
}

/// The frames that hold these bytes of the image.
fn frames(table: &SeekTable, range: Range<u64>, first: Form) -> impl Iterator<Item = PartOfFrame> + '_ {
    let mut position = range.start;
    let mut form = first;
    std::iter::from_fn(move || {
        if position >= range.end {
            return None;
        }
        let span = table.span_at(position)?;
        let end = span.image.end.min(range.end);
        let place = |at: u64| usize::try_from(at.saturating_sub(span.image.start)).ok();
        let wanted = PartOfFrame { within: place(position)?..place(end)?, form, span };
        if form == Form::FirstPacked {
            form = Form::FurtherPacked;
        }
        position = end;
        Some(wanted)
    })
}

/// The frames that lie at these bytes of the stored file.
fn stored_frames(table: &SeekTable, range: Range<u64>) -> impl Iterator<Item = PartOfFrame> + '_ {
    let spans = table.spans().skip_while({
        let start = range.start;
        move |span| span.stored.end <= start
    });
    let end = range.end;
    spans.take_while(move |span| span.stored.start < end).filter_map(move |span| {
        let place =
            |at: u64| usize::try_from(at.clamp(span.stored.start, span.stored.end) - span.stored.start);
        let within = place(range.start).ok()?..place(range.end).ok()?;
        Some(PartOfFrame { within, form: Form::Stored, span })
    })
}

/// Writes these bytes of an export to the sink, on the calling thread.
pub(super) fn stream(
    export: &ImageExport,
    range: &Range<u64>,
    effort: Effort,
    expected: Option<&Expected<'_>>,
    sink: &mut impl ExportSink,
) -> Result<Streamed, ReadError> {
    let ImageExport { evidence: Evidence { path, file, table, digests, base, .. }, layout, .. } = export;
    let frames_of = |step| match step {
        Step::Frame(wanted) => Some(wanted),
        Step::Literal(_) | Step::Zeroes(_) | Step::PackedLength => None,
    };
    let last_frame = table.frames().saturating_sub(1);
    let mut whole =
        expected.map(|&Expected { recorded, hashed }| WholeHash::new(hashed, last_frame, recorded));
    let mut worker = Worker::new(digests.as_deref());
    let stages = Stages {
        name: "export",
        read: |_: &[u8]| {},
        work: move |slot: &mut ExportSlot, zero: &ZeroFrame| worker.check_and_pack(slot, zero),
        hash: whole.as_mut().map(|whole| move |slot: &mut ExportSlot| whole.push(slot)),
    };
    let collect = |frames: &mut Unpacked<PartOfFrame, Made>| -> Result<Option<u64>, ReadError> {
        let mut output = Output { sink, bytes: 0, packed: 0 };
        for step in steps(layout, table, range) {
            match step {
                Step::Literal(bytes) => {
                    output.packed = 0;
                    output.write_bytes(&bytes).map_err(ReadError::Write)?;
                }
                Step::Zeroes(count) => output.write_zeroes(count).map_err(ReadError::Write)?,
                Step::PackedLength => {
                    let length = output.packed.to_le_bytes();
                    output.write_bytes(&length).map_err(ReadError::Write)?;
                }
                Step::Frame(_) => {
                    // Whoever ended knows why: the reader, or nobody.
                    let Some(mut slot) = frames.next() else { return Ok(None) };
                    output.write_frame(&mut slot)?;
                    frames.put_back(slot);
                }
            }
        }
        Ok(Some(output.bytes))
    };
    let wanted = steps(layout, table, range).filter_map(frames_of);
    let stored = Stored { file, table, base: base.as_deref() };
    let bytes = unpack(stored, effort.ring(), wanted, stages, collect)
        .map_err(|error| ReadError::from_unpack(error, path))?
        .ok_or(ReadError::Panicked)?;
    Ok(Streamed { bytes, sha256: whole.map(WholeHash::into_digest) })
}

/// The way to the sink.
struct Output<'a, S> {
    sink: &'a mut S,
    bytes: u64,
    /// Bytes of frames since the last literal.
    packed: u64,
}

impl<S: ExportSink> Output<'_, S> {
    fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.bytes(bytes)?;
        self.bytes = self.bytes.saturating_add(byte_len(bytes));
        Ok(())
    }

    fn write_zeroes(&mut self, count: u64) -> io::Result<()> {
        self.sink.zeroes(count)?;
        self.bytes = self.bytes.saturating_add(count);
        Ok(())
    }

    /// Writes what is wanted of a frame, unless something is wrong with it.
    fn write_frame(&mut self, slot: &mut ExportSlot) -> Result<(), ReadError> {
        let span = || slot.wanted.span.clone();
        if let Some(source) = slot.fault.take() {
            return Err(ReadError::Frame { span: span(), source });
        }
        match slot.made.fault.take() {
            None => {}
            Some(Fault::Digest) => return Err(ReadError::FrameDigest { span: span() }),
            Some(Fault::Pack(source)) => return Err(ReadError::Write(source)),
            Some(Fault::Hash { recorded, found }) => {
                return Err(ReadError::HashMismatch { recorded, found });
            }
        }
        let PartOfFrame { within, form, .. } = &slot.wanted;
        let written = match form {
            Form::FirstPacked | Form::FurtherPacked => {
                let skipped = if *form == Form::FirstPacked { 0 } else { SNAPPY_IDENTIFIER_BYTES };
                let bytes = slot.made.packed.get(skipped..).unwrap_or_default();
                self.packed = self.packed.saturating_add(byte_len(bytes));
                self.write_bytes(bytes)
            }
            Form::Stored => self.write_bytes(slot.stored.get(within.clone()).unwrap_or_default()),
            Form::Image if slot.is_zero => self.write_zeroes(u64::try_from(within.len()).unwrap_or(u64::MAX)),
            Form::Image => self.write_bytes(slot.raw.get(within.clone()).unwrap_or_default()),
        };
        written.map_err(ReadError::Write)
    }
}
