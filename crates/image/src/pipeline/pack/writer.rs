//! Puts frames into the file in their order, and what was learned of them beside it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use memdeck_model::PageMapFacts;
use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};

use super::differ::Stored;
use super::packer::Shared;
use super::slot::{CloseAtEnd, Pool, Slot};
use super::{Output, Outputs, PackError, Place};
use crate::format::digests::DigestWriter;
use crate::format::frame::{FRAME_BYTES, pack_zeroes};
use crate::format::hash::{byte_len, hex_digest};
use crate::format::page_map::{FrameBytes, PageAssembler, PageMapWriter};
use crate::format::seek_table::SeekTable;
use crate::pipeline::banner::{Border, MAX_BANNER_BYTES};
use crate::pipeline::turns::Results;

/// Frames of this size and more are written as they are.
const BUFFER_BYTES: usize = 128 << 10;
/// How many bytes are written before the disk is asked to begin with them.
const WRITE_BACK_BYTES: u64 = 16 << 20;

/// What was written.
#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) sha256: String,
    pub(crate) size_bytes: u64,
    pub(crate) frames: u64,
    pub(crate) zero_frames: u64,
    /// Frames that are as in the base of a difference.
    pub(crate) same_frames: u64,
    /// Frames of which only what changed was stored.
    pub(crate) changed_frames: u64,
    /// Over the digests of the frames.
    pub(crate) root: blake3::Hash,
    pub(crate) page_map: Option<PageMapFacts>,
    pub(crate) os_banner: Option<String>,
}

pub(super) fn run(
    places: &Receiver<Place>,
    mut packed: Results<Box<Slot>>,
    pool: &Pool,
    outputs: &Outputs<'_>,
    shared: &Shared<'_>,
) -> Result<StoredFile, PackError> {
    let _close = CloseAtEnd(pool);
    let mut writer = Writer::new(outputs, shared)?;
    for place in places {
        match place {
            Place::Zero(bytes) => writer.push_zeroes(bytes)?,
            Place::Packed => {
                // A packer that is gone knows why.
                let Some(slot) = packed.recv() else { break };
                writer.push(&slot)?;
                pool.put_back(slot);
            }
        }
    }
    writer.finish()
}

struct Writer<'a> {
    image: ImageFile<'a>,
    table: SeekTable,
    zero_frames: u64,
    same_frames: u64,
    changed_frames: u64,
    digests: DigestWriter<BufWriter<&'a File>>,
    pages: Option<(PageAssembler<'a>, PageMapWriter<&'a File>)>,
    border: Border,
    os_banner: Option<String>,
    shared: &'a Shared<'a>,
}

impl<'a> Writer<'a> {
    fn new(outputs: &Outputs<'a>, shared: &'a Shared<'_>) -> Result<Self, PackError> {
        let pages = match &shared.layout {
            Some(layout) => {
                let map = PageMapWriter::new(outputs.page_map, layout)
                    .map_err(PackError::writing(Output::PageMap))?;
                Some((PageAssembler::new(layout), map))
            }
            None => None,
        };
        Ok(Self {
            image: ImageFile::new(outputs.image),
            table: SeekTable::new(),
            zero_frames: 0,
            same_frames: 0,
            changed_frames: 0,
            digests: DigestWriter::new(BufWriter::new(outputs.digests)),
            pages,
            border: Border::default(),
            os_banner: None,
            shared,
        })
    }

    fn push(&mut self, slot: &Slot) -> Result<(), PackError> {
        let across = if self.os_banner.is_none() { self.border.push(slot.raw()) } else { None };
        self.found(across.or_else(|| slot.study.banner.clone()));
        let (raw, study) = (slot.raw(), &slot.study);
        match study.stored {
            Stored::Whole => {}
            Stored::Same => self.same_frames += 1,
            Stored::Changed => self.changed_frames += 1,
        }
        self.frame(&slot.packed, raw.len(), study.digest, FrameBytes::Content(raw), &study.entries)
    }

    fn push_zeroes(&mut self, bytes: usize) -> Result<(), PackError> {
        if self.os_banner.is_none() {
            let across = self.border.push(&[0; MAX_BANNER_BYTES]);
            self.found(across);
        }
        self.zero_frames += 1;
        if bytes == FRAME_BYTES {
            let Shared { zero, .. } = self.shared;
            return self.frame(zero.stored(), bytes, zero.digest(), FrameBytes::Zero, &[]);
        }
        let packed = pack_zeroes(bytes).map_err(PackError::Compress)?;
        self.frame(&packed, bytes, blake3::hash(&vec![0; bytes]), FrameBytes::Zero, &[])
    }

    fn found(&mut self, banner: Option<String>) {
        if self.os_banner.is_none() && banner.is_some() {
            self.os_banner = banner;
            self.shared.banner_found.store(true, Ordering::Relaxed);
        }
    }

    fn frame(
        &mut self,
        packed: &[u8],
        image_bytes: usize,
        digest: blake3::Hash,
        bytes: FrameBytes<'_>,
        entries: &[u8],
    ) -> Result<(), PackError> {
        self.image.write_all(packed).map_err(PackError::writing(Output::Image))?;
        self.digests.push(&digest).map_err(PackError::writing(Output::Digests))?;
        let start = self.table.raw_size().0;
        let too_large = |_| PackError::Write(Output::Image, io::Error::other("a frame is too large"));
        let stored_bytes = u32::try_from(packed.len()).map_err(too_large)?;
        let image_bytes = u32::try_from(image_bytes).map_err(too_large)?;
        self.table
            .push(stored_bytes, image_bytes)
            .map_err(|error| PackError::Write(Output::Image, io::Error::other(error)))?;
        if let Some((assembler, map)) = &mut self.pages {
            let span = start..self.table.raw_size().0;
            assembler
                .push(span, bytes, entries, |entries| map.push(entries))
                .map_err(PackError::writing(Output::PageMap))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<StoredFile, PackError> {
        let image = PackError::writing(Output::Image);
        let sha256 =
            self.table.write_to(&mut self.image).and_then(|()| self.image.finish()).map_err(image)?;
        let page_map = match self.pages {
            Some((_, map)) => Some(map.finish().map_err(PackError::writing(Output::PageMap))?),
            None => None,
        };
        Ok(StoredFile {
            sha256,
            size_bytes: self.table.frames_end().saturating_add(self.table.table_bytes()),
            frames: self.table.frames(),
            zero_frames: self.zero_frames,
            same_frames: self.same_frames,
            changed_frames: self.changed_frames,
            root: self.digests.finish().map_err(PackError::writing(Output::Digests))?,
            page_map,
            os_banner: self.os_banner,
        })
    }
}

/// The image's file: hashed as it is written, and on its way to the disk soon after.
struct ImageFile<'a> {
    file: &'a File,
    out: BufWriter<&'a File>,
    sha256: Sha256,
    written: u64,
    /// How far the disk was asked to write.
    asked: u64,
}

impl<'a> ImageFile<'a> {
    fn new(file: &'a File) -> Self {
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        Self { file, out, sha256: Sha256::new(), written: 0, asked: 0 }
    }

    fn finish(mut self) -> io::Result<String> {
        self.out.flush()?;
        Ok(hex_digest(self.sha256))
    }
}

impl Write for ImageFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        let bytes = bytes.get(..count).unwrap_or(bytes);
        self.sha256.update(bytes);
        self.written = self.written.saturating_add(byte_len(bytes));
        let length = self.written.saturating_sub(self.asked);
        if let Some(length) = std::num::NonZero::new(length)
            && length.get() >= WRITE_BACK_BYTES
        {
            // Linux begins to write out what is dirty in the range, and does not wait: the fsync at the end is short
            // then. If it does nothing, it only takes longer.
            let _ = fadvise(self.file, self.asked, Some(length), Advice::DontNeed);
            self.asked = self.written;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
