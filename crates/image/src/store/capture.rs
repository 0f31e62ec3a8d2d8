//! Stores an image that was received whole: reads it twice at the same time, and lets the pipeline pack and hash it.

use std::path::{Path, PathBuf};

use memdeck_model::{ByteCount, DifferenceFacts, FrameDigestFacts, PageMapFacts, Progress, Segment};

use super::{BaseImage, CaptureError};
use crate::format::companions::{DIGESTS_SUFFIX, PAGE_MAP_SUFFIX, companion};
use crate::format::elf::ElfCore;
use crate::format::frame::FRAME_BYTES;
use crate::format::page_map::PageLayout;
use crate::pipeline::pack::{Feed, Frame, Output, Outputs, PackError, Packed, pack};
use crate::pipeline::source::{Filled, ImageSource, ReceivedImage, Stoppable};

/// What a capture found out. The bytes are written, not yet durable.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Size of the uncompressed image.
    pub raw_size: ByteCount,
    /// Size of the stored file.
    pub stored_size: ByteCount,
    /// SHA-256 of the uncompressed image, 64 hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of the stored file, 64 hexadecimal digits.
    pub file_sha256: String,
    /// Frames in the stored file.
    pub frames: u64,
    /// Frames that hold nothing but zeroes.
    pub zero_frames: u64,
    /// What it is stored as a difference to; `None` if it is stored whole.
    pub difference: Option<DifferenceFacts>,
    /// The digests of the frames.
    pub frame_digests: FrameDigestFacts,
    /// The page map; `None` if the segments overlap or are out of order.
    pub page_map: Option<PageMapFacts>,
    /// What the guest's kernel says that it is, if it was found.
    pub os_banner: Option<String>,
    /// The segments of the image.
    pub segments: Vec<Segment>,
}

/// Why reading stopped before the end.
enum Stop {
    Failed(CaptureError),
    /// The pipeline behind the reader failed, and knows why.
    Pipeline,
}

impl From<CaptureError> for Stop {
    fn from(error: CaptureError) -> Self {
        Self::Failed(error)
    }
}

/// The files that a capture writes.
pub(super) struct Targets<'a> {
    pub(super) files: Outputs<'a>,
    /// Where the image is.
    pub(super) partial: &'a Path,
}

impl Targets<'_> {
    fn path(&self, output: Output) -> PathBuf {
        match output {
            Output::Image => self.partial.to_owned(),
            Output::PageMap => companion(self.partial, PAGE_MAP_SUFFIX),
            Output::Digests => companion(self.partial, DIGESTS_SUFFIX),
        }
    }
}

/// Stores an image, as a difference to `base` where that has the same layout. It is read twice at the same time, once for its
/// hash.
pub(super) fn capture(
    targets: &Targets<'_>,
    mut image: impl ReceivedImage,
    base: Option<BaseImage>,
    must_stop: &dyn Fn() -> bool,
    observer: &mut dyn FnMut(Progress),
) -> Result<Captured, CaptureError> {
    let second = image.again().map_err(|source| CaptureError::Stream { read: ByteCount(0), source })?;
    let mut base = base.filter(|base| base.fits(image.core()));
    let ElfCore { image_size, segments } = image.core().clone();
    let layout = PageLayout::new(&segments);
    let against = base.as_mut().map(|base| base.against(layout.as_ref()));
    let source = Stoppable { source: image, must_stop, read: 0 };
    let (read, packed) =
        pack(&targets.files, layout, against, second, |feed| read_all(source, image_size, feed, observer));
    let read = match read {
        Some(Ok(read)) => Some(read),
        Some(Err(Stop::Failed(error))) => return Err(error),
        Some(Err(Stop::Pipeline)) | None => None,
    };
    let Packed { sha256, stored } = packed.map_err(|error| pack_error(error, targets))?;
    let read = read.ok_or(CaptureError::Panicked)?;
    if read != image_size {
        return Err(CaptureError::TooShort { read, expected: image_size });
    }
    Ok(Captured {
        raw_size: read,
        stored_size: ByteCount(stored.size_bytes),
        sha256,
        file_sha256: stored.sha256,
        frames: stored.frames,
        zero_frames: stored.zero_frames,
        difference: base.map(|base| base.into_facts(stored.same_frames, stored.changed_frames)),
        frame_digests: FrameDigestFacts { root: stored.root.to_hex().to_string() },
        page_map: stored.page_map,
        os_banner: stored.os_banner,
        segments,
    })
}

/// Reads to the end; returns how much that was.
fn read_all(
    mut source: Stoppable<'_, impl ImageSource>,
    expected: ByteCount,
    mut feed: Feed<'_>,
    observer: &mut dyn FnMut(Progress),
) -> Result<ByteCount, Stop> {
    let mut spare = None;
    loop {
        let mut slot = match spare.take() {
            Some(slot) => slot,
            None => feed.empty_slot().ok_or(Stop::Pipeline)?,
        };
        let filled = source.fill(slot.buffer());
        let read = ByteCount(source.read);
        let filled = filled.map_err(|source| CaptureError::Stream { read, source })?;
        slot.set_filled(filled.bytes());
        let frame = match filled {
            Filled::Zeroes(bytes) => {
                spare = Some(slot);
                Frame::Zero(bytes)
            }
            Filled::Bytes(_) => Frame::Content(slot),
        };
        if filled.bytes() > 0 {
            feed.push(frame).ok_or(Stop::Pipeline)?;
            observer(Progress { bytes_done: read, bytes_expected: expected });
        }
        if filled.bytes() < FRAME_BYTES {
            return Ok(read);
        }
    }
}

fn pack_error(error: PackError, targets: &Targets<'_>) -> CaptureError {
    match error {
        PackError::Spawn(source) => CaptureError::Threads(source),
        PackError::Compress(source) => CaptureError::Compress(source),
        PackError::Write(output, source) => CaptureError::Write { path: targets.path(output), source },
        PackError::Read(source) => CaptureError::ReadAgain(source),
        PackError::ReadsDiffer => CaptureError::ReadsDiffer { path: targets.path(Output::Image) },
        PackError::Panicked => CaptureError::Panicked,
    }
}

#[cfg(test)]
mod tests;
