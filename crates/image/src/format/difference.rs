//! Frames of an image that is stored as a difference to another one, the *base*: by what they do not have in common.
//!
//! ```text
//! 0x184D2A5D │ bytes that follow │ 0                                          as frame n of the base
//! 0x184D2A5D │ bytes that follow │ 1 │ zstd frame: runs, then their bytes     as that frame, but for these runs
//! ```
//!
//! Both are skippable frames of zstd, which its own tools pass over; every other frame of the image is stored whole, as in any
//! image. The base is stored whole: nothing is a difference to a difference.

mod base;

use std::ops::Range;

use memdeck_model::FrameSpan;

use super::frame::{FrameFault, unpack_frame};
use super::hash::byte_len;

pub(crate) use self::base::Base;
pub use self::base::BaseError;

/// A skippable frame of zstd, and not the one of the seek table.
const MAGIC: [u8; 4] = 0x184D_2A5D_u32.to_le_bytes();
const SAME: u8 = 0;
const CHANGED: u8 = 1;
/// Of both images in one comparison. Smaller than a page: most pages that an idle guest writes to change in few places.
const PIECE_BYTES: usize = 256;
/// Offset in the frame, and bytes.
const RUN_BYTES: usize = 8;

/// How a frame is stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    /// All of it.
    Whole,
    /// As in the base.
    Same,
    /// As in the base, but for the runs in this zstd frame.
    Changed(&'a [u8]),
}

/// How these bytes of a stored file store a frame.
pub(crate) fn form_of(stored: &[u8]) -> Result<Form<'_>, FrameFault> {
    let Some(rest) = stored.strip_prefix(&MAGIC) else { return Ok(Form::Whole) };
    let content = rest.split_first_chunk::<4>().filter(|(length, content)| {
        u32::try_from(content.len()).is_ok_and(|bytes| bytes.to_le_bytes() == **length)
    });
    match content.map(|(_, content)| content) {
        Some([SAME]) => Ok(Form::Same),
        Some([CHANGED, runs @ ..]) => Ok(Form::Changed(runs)),
        _ => Err(FrameFault::Difference("it is no difference of this format")),
    }
}

/// Writes a frame that is as in the base.
pub(crate) fn write_same(packed: &mut Vec<u8>) {
    write(SAME, &[], packed);
}

/// Writes a frame that is as in the base but for these runs, which the zstd frame contains.
pub(crate) fn write_changed(runs: &[u8], packed: &mut Vec<u8>) {
    write(CHANGED, runs, packed);
}

fn write(form: u8, content: &[u8], packed: &mut Vec<u8>) {
    // A frame has at most 4 MiB.
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).saturating_add(1);
    packed.clear();
    packed.extend(MAGIC);
    packed.extend(length.to_le_bytes());
    packed.push(form);
    packed.extend_from_slice(content);
}

/// Where two frames of the same length differ: runs of pieces, in order and apart.
pub(crate) fn compare(frame: &[u8], base: &[u8], runs: &mut Vec<Range<usize>>) {
    runs.clear();
    let mut start = 0;
    for (piece, of_base) in frame.chunks(PIECE_BYTES).zip(base.chunks(PIECE_BYTES)) {
        let end = start + piece.len();
        if piece != of_base {
            match runs.last_mut().filter(|run| run.end == start) {
                Some(run) => run.end = end,
                None => runs.push(start..end),
            }
        }
        start = end;
    }
}

/// What a zstd frame of runs contains: their number, each one's offset and length, and all of their bytes.
pub(crate) fn write_runs(frame: &[u8], runs: &[Range<usize>], content: &mut Vec<u8>) {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
    content.clear();
    content.extend(number(runs.len()));
    for run in runs {
        content.extend(number(run.start));
        content.extend(number(run.len()));
    }
    for run in runs {
        content.extend_from_slice(frame.get(run.clone()).unwrap_or_default());
    }
}

/// Puts runs in place. They must be in order, apart, and within the frame, and nothing may follow them.
fn apply_runs(content: &[u8], frame: &mut [u8]) -> Result<(), FrameFault> {
    const FAULT: FrameFault = FrameFault::Difference("its runs contradict each other");
    let (count, rest) = content.split_first_chunk::<4>().ok_or(FAULT)?;
    let table_bytes = to_length(*count).checked_mul(RUN_BYTES).ok_or(FAULT)?;
    let (table, mut bytes) = rest.split_at_checked(table_bytes).ok_or(FAULT)?;
    let mut end = 0;
    for run in table.as_chunks::<RUN_BYTES>().0 {
        let [a, b, c, d, length @ ..] = *run;
        let start = to_length([a, b, c, d]);
        let (of_run, others) = bytes.split_at_checked(to_length(length)).ok_or(FAULT)?;
        let run_end = start.checked_add(of_run.len()).ok_or(FAULT)?;
        if start < end || of_run.is_empty() {
            return Err(FAULT);
        }
        frame.get_mut(start..run_end).ok_or(FAULT)?.copy_from_slice(of_run);
        (end, bytes) = (run_end, others);
    }
    if bytes.is_empty() { Ok(()) } else { Err(FAULT) }
}

fn to_length(number: [u8; 4]) -> usize {
    usize::try_from(u32::from_le_bytes(number)).unwrap_or(usize::MAX)
}

/// Unpacks frames, however they are stored. Keeps the buffers that takes.
pub(crate) struct Unpacker {
    decompressor: zstd::bulk::Decompressor<'static>,
    /// A frame of the base as it is stored, or runs.
    buffer: Vec<u8>,
}

impl Unpacker {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self { decompressor: zstd::bulk::Decompressor::new()?, buffer: Vec::new() })
    }

    /// Unpacks a frame into `raw`. Without a base, one that is a difference is a fault.
    pub(crate) fn unpack(
        &mut self,
        span: &FrameSpan,
        stored: &[u8],
        base: Option<&Base>,
        raw: &mut Vec<u8>,
    ) -> Result<(), FrameFault> {
        let form = form_of(stored)?;
        if form == Form::Whole {
            return unpack_frame(&mut self.decompressor, span, stored, raw);
        }
        self.unpack_base(span, base.ok_or(FrameFault::NoBase)?, raw)?;
        if let Form::Changed(runs) = form {
            // No more than a frame whose every other piece has changed, so that nothing hostile takes memory.
            let most = raw.len().saturating_add(raw.len() / 16).saturating_add(64);
            self.buffer.clear();
            self.buffer.reserve(most);
            self.decompressor
                .decompress_to_buffer(runs, &mut self.buffer)
                .map_err(|error| FrameFault::Undecodable(error.to_string()))?;
            apply_runs(&self.buffer, raw)?;
        }
        Ok(())
    }

    /// The frame of the base at the same place, as it was recorded.
    pub(crate) fn unpack_base(
        &mut self,
        span: &FrameSpan,
        base: &Base,
        raw: &mut Vec<u8>,
    ) -> Result<(), FrameFault> {
        let Self { decompressor, buffer } = self;
        let read = base.read(span, decompressor, buffer, raw);
        read.map_err(|why| FrameFault::Base { dump: base.dump_id().clone(), why: why.into() })
    }
}

/// Of a frame that has changed in more bytes, all is stored: three quarters.
pub(crate) fn is_worth_it(frame: &[u8], runs: &[Range<usize>]) -> bool {
    let changed: usize = runs.iter().map(ExactSizeIterator::len).sum();
    byte_len(frame).saturating_mul(3) >= u64::try_from(changed).unwrap_or(u64::MAX).saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame_and_base() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        (1_usize..4000, proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8))
            .prop_map(|(length, changes)| {
                let base: Vec<u8> = (0..251).cycle().take(length).collect();
                let mut frame = base.clone();
                for (at, byte) in changes {
                    frame[at.index(length)] = byte;
                }
                (frame, base)
            })
    }

    proptest! {
        #[test]
        fn runs_make_the_frame_of_the_base((frame, base) in frame_and_base()) {
            let (mut runs, mut content) = (Vec::new(), Vec::new());
            compare(&frame, &base, &mut runs);
            write_runs(&frame, &runs, &mut content);
            let mut made = base.clone();
            apply_runs(&content, &mut made).unwrap();
            prop_assert_eq!(&made, &frame);
            prop_assert_eq!(runs.is_empty(), frame == base);
        }

        #[test]
        fn any_bytes_are_runs_or_a_fault(content in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut frame = vec![7; 100];
            let _ = apply_runs(&content, &mut frame);
            prop_assert_eq!(frame.len(), 100);
        }
    }

    #[test]
    fn runs_that_contradict_each_other_are_refused() {
        let runs = |runs: &[(u32, u32)], bytes: usize| {
            let mut content = u32::try_from(runs.len()).unwrap().to_le_bytes().to_vec();
            for (start, length) in runs {
                content.extend(start.to_le_bytes());
                content.extend(length.to_le_bytes());
            }
            content.extend(vec![1; bytes]);
            apply_runs(&content, &mut [0; 100])
        };
        assert_eq!(runs(&[(0, 10), (10, 90)], 100), Ok(()));
        for (wrong, bytes) in [
            (&[(10, 10), (0, 5)][..], 15),
            (&[(0, 10), (9, 5)], 15),
            (&[(91, 10)], 10),
            (&[(0, 10)], 9),
            (&[(0, 10)], 11),
            (&[(0, 0)], 0),
            (&[(u32::MAX, u32::MAX)], 1),
        ] {
            assert!(runs(wrong, bytes).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn each_bit_of_a_frame_that_is_as_in_the_base_counts() {
        let mut same = Vec::new();
        write_same(&mut same);
        assert_eq!(form_of(&same), Ok(Form::Same));
        for bit in 0..same.len() * 8 {
            let mut flipped = same.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(form_of(&flipped), Ok(Form::Same), "bit {bit}");
        }
    }
}
