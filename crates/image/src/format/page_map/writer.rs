//! Writes a page map, entry after entry.

use std::io::{self, Write};

use memdeck_model::{ByteCount, PageMapFacts};

use super::{ENTRY_BYTES, Entries, PAGE_BYTES, PageLayout, PageTally};
use crate::format::frame::compressor;
use crate::format::seek_table::SeekTable;

pub(crate) const MAGIC: &[u8; 8] = b"memdeckP";
pub(crate) const VERSION: u32 = 1;
/// Magic, version, page size, pages, entry size, runs.
pub(crate) const FIXED_HEADER_BYTES: u64 = 32;
/// Address, offset in the image, bytes.
pub(crate) const RUN_BYTES: u64 = 24;
/// Of the map in one frame of its file: the entries of 16 MiB of guest.
pub(crate) const MAP_FRAME_BYTES: usize = 4096 * ENTRY_BYTES;

/// Everything of a page map before its entries.
pub(crate) fn header(layout: &PageLayout) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    let long = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    header.extend(VERSION.to_le_bytes());
    header.extend(long(PAGE_BYTES));
    header.extend(layout.pages().to_le_bytes());
    header.extend(long(ENTRY_BYTES));
    header.extend(long(layout.runs.len()));
    for run in &layout.runs {
        for number in [run.address, run.offset, run.bytes] {
            header.extend(number.to_le_bytes());
        }
    }
    header
}

/// A page map under construction. Holds one frame of its file.
pub(crate) struct PageMapWriter<W> {
    out: W,
    blake3: blake3::Hasher,
    compressor: zstd::bulk::Compressor<'static>,
    table: SeekTable,
    content: Vec<u8>,
    packed: Vec<u8>,
    tally: PageTally,
}

impl<W: Write> PageMapWriter<W> {
    /// Begins the map of these pages.
    pub(crate) fn new(out: W, layout: &PageLayout) -> io::Result<Self> {
        let mut writer = Self {
            out,
            blake3: blake3::Hasher::new(),
            compressor: compressor()?,
            table: SeekTable::new(),
            content: Vec::with_capacity(MAP_FRAME_BYTES),
            packed: Vec::with_capacity(zstd::zstd_safe::compress_bound(MAP_FRAME_BYTES)),
            tally: PageTally::default(),
        };
        writer.append(&header(layout))?;
        Ok(writer)
    }

    /// Adds entries. All of them must be known.
    pub(crate) fn push(&mut self, entries: Entries<'_>) -> io::Result<()> {
        self.tally.push(entries);
        match entries {
            Entries::Known(entries) => self.append(entries),
            Entries::Zero(entry, times) => (0..times).try_for_each(|_| self.append(entry)),
            Entries::Unknown(_) => Err(io::Error::other("a page whose content is not known")),
        }
    }

    fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = MAP_FRAME_BYTES.saturating_sub(self.content.len());
            let (part, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.content.extend_from_slice(part);
            if self.content.len() == MAP_FRAME_BYTES {
                self.flush_frame()?;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn flush_frame(&mut self) -> io::Result<()> {
        self.packed.clear();
        self.compressor.compress_to_buffer(self.content.as_slice(), &mut self.packed)?;
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        self.table.push(length(&self.packed)?, length(&self.content)?).map_err(io::Error::other)?;
        self.blake3.update(&self.packed);
        self.out.write_all(&self.packed)?;
        self.content.clear();
        Ok(())
    }

    /// Writes what is left, and the seek table.
    pub(crate) fn finish(mut self) -> io::Result<PageMapFacts> {
        if !self.content.is_empty() {
            self.flush_frame()?;
        }
        let mut table = Vec::new();
        self.table.write_to(&mut table)?;
        self.blake3.update(&table);
        self.out.write_all(&table)?;
        self.out.flush()?;
        Ok(PageMapFacts {
            file_blake3: self.blake3.finalize().to_hex().to_string(),
            stored_size_bytes: ByteCount(self.table.frames_end().saturating_add(self.table.table_bytes())),
            page_bytes: ByteCount(super::PAGE_BYTES_U64),
            pages: self.tally.totals(),
            mean_entropy_millibits: self.tally.mean_entropy_millibits(),
        })
    }
}
