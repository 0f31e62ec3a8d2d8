//! Many frames of an image, unpacked and checked in parallel, and handed out in order.

use std::num::NonZero;
use std::ops::ControlFlow;

use memdeck_model::FrameSpan;

use super::error::ReadError;
use super::frames::StoredFrames;
use crate::format::frame::ZeroFrame;
use crate::pipeline::unpack::{Ring, Slot, Stages, Stored, Unpacked, unpack};

const MOST_THREADS: usize = 8;
const SLOTS_PER_THREAD: usize = 4;

/// A frame on its way.
#[derive(Clone, Copy, Debug)]
pub struct ScannedFrame<'a> {
    /// Which one.
    pub span: &'a FrameSpan,
    /// Its bytes of the image; `None` for zeroes.
    pub bytes: Option<&'a [u8]>,
}

/// What is made of a frame, and whether it is the one that was recorded.
#[derive(Default)]
struct Made<M> {
    of_caller: M,
    is_another: bool,
}

impl StoredFrames {
    /// Unpacks the wanted frames, which come in ascending order. `work` sees each on one of several threads, and may make
    /// something of it; `collect` sees them in order on the calling thread, with what was made, and may end the scan. What
    /// `work` is handed still contains what was made of an earlier frame.
    ///
    /// # Errors
    /// A frame is damaged, cannot be read, or is not the one that was recorded: `collect` sees neither it nor a later one.
    pub fn scan<M: Default + Send>(
        &self,
        wanted: impl Iterator<Item = u64> + Send,
        work: impl FnMut(ScannedFrame<'_>, &mut M) + Clone + Send,
        mut collect: impl FnMut(ScannedFrame<'_>, &mut M) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let (table, digests) = (&self.evidence.table, self.evidence.digests.as_deref());
        let threads = std::thread::available_parallelism().map_or(2, NonZero::get).clamp(1, MOST_THREADS);
        let ring = Ring { unpackers: threads, slots: threads.saturating_mul(SLOTS_PER_THREAD) };
        let mut work = work;
        let check_and_work = move |slot: &mut Slot<FrameSpan, Made<M>>, zero: &ZeroFrame| {
            let digest = || if slot.is_zero { zero.digest() } else { blake3::hash(&slot.raw) };
            slot.made.is_another = slot.fault.is_none()
                && digests.is_some_and(|digests| !digests.has(slot.wanted.frame, &digest()));
            if slot.fault.is_none() && !slot.made.is_another {
                let Slot { wanted, raw, is_zero, made, .. } = slot;
                let bytes = (!*is_zero).then_some(raw.as_slice());
                work(ScannedFrame { span: wanted, bytes }, &mut made.of_caller);
            }
        };
        let stages = Stages {
            name: "scan",
            read: |_: &[u8]| {},
            work: check_and_work,
            hash: None::<fn(&mut Slot<FrameSpan, Made<M>>)>,
        };
        let take = |frames: &mut Unpacked<FrameSpan, Made<M>>| {
            while let Some(mut slot) = frames.next() {
                if let Some(source) = slot.fault.take() {
                    return Err(ReadError::Frame { span: slot.wanted.clone(), source });
                }
                if slot.made.is_another {
                    return Err(ReadError::FrameDigest { span: slot.wanted.clone() });
                }
                let Slot { wanted, raw, is_zero, made, .. } = &mut *slot;
                let bytes = (!*is_zero).then_some(raw.as_slice());
                if collect(ScannedFrame { span: wanted, bytes }, &mut made.of_caller).is_break() {
                    return Ok(());
                }
                frames.put_back(slot);
            }
            Ok(())
        };
        let spans = wanted.filter_map(|frame| table.span(frame));
        let stored = Stored { file: &self.evidence.file, table, base: self.evidence.base.as_deref() };
        unpack(stored, ring, spans, stages, take)
            .map_err(|error| ReadError::from_unpack(error, &self.evidence.path))
    }
}
