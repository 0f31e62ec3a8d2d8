//! Everything that a stored image contains.

use std::fs::File;
use std::io::{self, Seek};
use std::num::NonZero;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memdeck_model::{ByteCount, Finding, FrameSpan, Progress, with_causes};
use sha2::{Digest, Sha256};

use super::base::FoundBase;
use super::headers::Headers;
use super::{Contents, MAX_LISTED_FRAMES, digests, page_map};
use crate::format::frame::{FrameFault, ZeroFrame};
use crate::format::hash::{hex_digest, update_with_zeroes};
use crate::format::page_map::{FrameBytes, PageExaminer, PageLayout, examine_whole_pages, is_zero};
use crate::format::seek_table::{SeekTable, SeekTableError};
use crate::pipeline::unpack::{Ring, Slot, Stages, Stored, UnpackError, Unpacked, unpack};
use crate::read::error::ReadError;

/// Frames on their way for each unpacking thread: enough that content in a row does not leave the hasher without work.
const SLOTS_PER_UNPACKER: usize = 12;

/// What is learned of a frame.
#[derive(Default)]
struct Study {
    /// If the frame is sound.
    digest: Option<blake3::Hash>,
    /// The entries of the pages that lie whole in the frame, unless it is zero.
    entries: Vec<u8>,
}

/// Checks every frame of an image, and everything that can be known from all of them.
pub(super) fn check_all_frames(
    file: &mut File,
    path: &Path,
    observer: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Contents, ReadError> {
    let io_error = |source| ReadError::Read { path: path.to_owned(), offset: 0, source };
    let stored_size = ByteCount(file.metadata().map_err(io_error)?.len());
    match SeekTable::read_from(file) {
        Ok(table) => check_frames(file, path, stored_size, &table, observer),
        Err(SeekTableError::Io(source)) => Err(io_error(source)),
        Err(error) => Ok(Contents {
            file_sha256: Some(hash_file(file).map_err(io_error)?),
            ..without_table(path, stored_size, &error)
        }),
    }
}

/// An image whose frames cannot be found.
pub(super) fn without_table(path: &Path, stored_size: ByteCount, error: &SeekTableError) -> Contents {
    Contents {
        sample: None,
        stored_size,
        file_sha256: None,
        raw_size: None,
        sha256: None,
        frames: None,
        page_map: page_map::Check::open(path, None).finish(),
        digests: digests::Lookup::open(path, None).finish(),
        findings: vec![Finding::SeekTable { reason: with_causes(error) }],
    }
}

fn hash_file(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut sha256 = Sha256::new();
    io::copy(file, &mut HashSink(&mut sha256))?;
    Ok(hex_digest(sha256))
}

struct HashSink<'a>(&'a mut Sha256);

impl io::Write for HashSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn check_frames(
    file: &File,
    path: &Path,
    stored_size: ByteCount,
    table: &SeekTable,
    observer: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Contents, ReadError> {
    let base = FoundBase::of(path);
    let headers = Headers::read(file, base.opened.clone());
    let layout = headers.core().and_then(|core| PageLayout::new(&core.segments));
    let mut page_map = page_map::Check::open(path, layout.as_ref());
    let mut digests = digests::Check::open(path);
    let mut findings: Vec<Finding> = base.finding.into_iter().collect();
    let mut damaged_frames = 0_u64;
    let mut collect = |slot: &mut Slot<FrameSpan, Study>| {
        let bytes = match slot.fault.take() {
            // Its base is one finding for all of them, where a base is named.
            Some(FrameFault::NoBase) if base.is_named => FrameBytes::Unknown,
            Some(fault) => {
                damaged_frames += 1;
                if damaged_frames <= MAX_LISTED_FRAMES {
                    let reason = with_causes(&fault);
                    findings.push(Finding::Frame { span: slot.wanted.clone(), reason });
                }
                FrameBytes::Unknown
            }
            None if slot.is_zero => FrameBytes::Zero,
            None => FrameBytes::Content(&slot.raw),
        };
        let (span, study) = (&slot.wanted, &slot.made);
        page_map.push(span.image.clone(), bytes, &study.entries);
        digests.push(span, study.digest.as_ref());
        observer(Progress { bytes_done: ByteCount(span.image.end), bytes_expected: table.raw_size() })
    };
    let stored = Stored { file, table, base: base.opened.as_deref() };
    let hashes = unpack_all(stored, layout.as_ref(), &mut collect);
    let Hashes { file, image } = hashes.map_err(|error| ReadError::from_unpack(error, path))?;
    if let Some(frames @ 1..) = damaged_frames.checked_sub(MAX_LISTED_FRAMES) {
        findings.push(Finding::FurtherFrames { frames });
    }
    findings.extend(headers.finding(table.raw_size()));
    Ok(Contents {
        sample: None,
        stored_size,
        file_sha256: Some(file),
        raw_size: Some(table.raw_size()),
        sha256: image,
        frames: Some(table.frames()),
        page_map: page_map.finish(),
        digests: digests.finish(),
        findings,
    })
}

/// SHA-256 of all bytes.
struct Hashes {
    /// Of the stored file, seek table included.
    file: String,
    /// Of the image, if every frame is sound.
    image: Option<String>,
}

/// Unpacks every frame, and passes each to `collect` in order until it wants no more.
fn unpack_all(
    stored: Stored<'_>,
    layout: Option<&PageLayout>,
    collect: &mut dyn FnMut(&mut Slot<FrameSpan, Study>) -> ControlFlow<()>,
) -> Result<Hashes, UnpackError<ReadError>> {
    let Stored { file, table, .. } = stored;
    let unpackers = std::thread::available_parallelism().map_or(2, NonZero::get).clamp(2, 8);
    let ring = Ring { unpackers, slots: unpackers * SLOTS_PER_UNPACKER };
    let examiner = &PageExaminer::new();
    let mut of_file = Sha256::new();
    let mut of_image = Some(Sha256::new());
    let stages = Stages {
        name: "image",
        read: |stored: &[u8]| of_file.update(stored),
        work: move |slot: &mut Slot<FrameSpan, Study>, zero: &ZeroFrame| {
            study(slot, zero, layout, examiner);
        },
        hash: Some(|slot: &mut Slot<FrameSpan, Study>| hash(&mut of_image, slot)),
    };
    let count = |frames: &mut Unpacked<FrameSpan, Study>| -> Result<u64, ReadError> {
        let mut count = 0_u64;
        while let Some(mut slot) = frames.next() {
            let wanted = collect(&mut slot);
            frames.put_back(slot);
            if wanted.is_break() {
                return Err(ReadError::Stopped);
            }
            count += 1;
        }
        Ok(count)
    };
    let count = unpack(stored, ring, table.spans(), stages, count)?;
    if count != table.frames() {
        return Err(UnpackError::Panicked);
    }
    let mut rest = vec![0; usize::try_from(table.table_bytes()).unwrap_or(0)];
    file.read_exact_at(&mut rest, table.frames_end())
        .map_err(|source| UnpackError::Read { offset: table.frames_end(), source })?;
    of_file.update(&rest);
    Ok(Hashes { file: hex_digest(of_file), image: of_image.map(hex_digest) })
}

/// Learns what can be learned of one frame alone.
fn study(
    slot: &mut Slot<FrameSpan, Study>,
    zero: &ZeroFrame,
    layout: Option<&PageLayout>,
    examiner: &PageExaminer,
) {
    let study = &mut slot.made;
    study.digest = None;
    study.entries.clear();
    if slot.fault.is_some() {
        return;
    }
    if slot.is_zero {
        study.digest = Some(zero.digest());
        return;
    }
    slot.is_zero = is_zero(&slot.raw);
    study.digest = Some(blake3::hash(&slot.raw));
    if let Some(layout) = layout.filter(|_| !slot.is_zero) {
        examine_whole_pages(layout, examiner, slot.wanted.image.clone(), &slot.raw, &mut study.entries);
    }
}

/// Hashes the next frame of the image; a damaged one ends that.
fn hash(of_image: &mut Option<Sha256>, slot: &Slot<FrameSpan, Study>) {
    if slot.fault.is_some() {
        *of_image = None;
    } else if let Some(sha256) = of_image {
        if slot.is_zero {
            update_with_zeroes(sha256, slot.image_bytes());
        } else {
            sha256.update(&slot.raw);
        }
    }
}
