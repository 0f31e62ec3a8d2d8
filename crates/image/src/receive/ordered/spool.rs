//! The pages of a guest in the order they came, each in a slot of its own that it keeps.

use std::fs::File;
use std::io;

use super::index::{Entry, Index};
use super::page_file::{PageFile, PageReader};
use super::writer::{Writer, slot_offset};
use crate::format::page_map::PAGE_BYTES_U64;
use crate::store::SpoolError;

/// The pages of a stream, each guest page counted once but for those that were resent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageCounts {
    /// Pages of the guest's memory.
    pub total: u64,
    /// Pages that are all zeroes at the end.
    pub zero: u64,
    /// Pages that are not.
    pub non_zero: u64,
    /// Pages that never came, which read as zeroes; a guest that reports free memory to its host has such.
    pub absent: u64,
    /// How often a page came that had come before.
    pub resent: u64,
}

/// Which pages came, and where they are. The spool file grows to the guest's non-zero pages at most.
pub(crate) struct Spool {
    index: Index,
    slots: u32,
    counts: PageCounts,
    reader: PageReader,
}

impl Spool {
    /// A spool for that many pages, with its index in this empty file.
    pub(crate) fn new(index: File, pages: u64) -> Result<Self, SpoolError> {
        if pages > Entry::MAX_SLOTS.into() {
            return Err(SpoolError::TooLarge);
        }
        let index = Index::new(index, pages).map_err(SpoolError::at("indexed"))?;
        Ok(Self {
            index,
            slots: 0,
            counts: PageCounts { total: pages, absent: pages, ..PageCounts::default() },
            reader: PageReader::new(),
        })
    }

    pub(crate) fn counts(&self) -> PageCounts {
        self.counts
    }

    /// Notes that a page is all zeroes.
    pub(crate) fn zero(&mut self, page: u64) -> Result<(), SpoolError> {
        let entry = self.get(page)?;
        self.forget(entry);
        self.counts.zero += 1;
        self.index.set(page, entry.zeroed()).map_err(SpoolError::at("indexed"))
    }

    /// Keeps a page's content.
    pub(crate) fn page(
        &mut self,
        writer: &mut Writer<'_>,
        page: u64,
        bytes: &[u8],
    ) -> Result<(), SpoolError> {
        let entry = self.get(page)?;
        let slot = match entry.slot() {
            Some(slot) => slot,
            None if self.slots == Entry::MAX_SLOTS => {
                return Err(SpoolError::TooLarge);
            }
            None => {
                self.slots += 1;
                self.slots - 1
            }
        };
        self.forget(entry);
        self.counts.non_zero += 1;
        writer.push(slot, bytes)?;
        self.index.set(page, Entry::in_slot(slot)).map_err(SpoolError::at("indexed"))
    }

    fn get(&mut self, page: u64) -> Result<Entry, SpoolError> {
        self.index.get(page).map_err(SpoolError::at("indexed"))
    }

    /// Takes what was known of a page out of the counts.
    fn forget(&mut self, entry: Entry) {
        if !entry.is_known() {
            self.counts.absent = self.counts.absent.saturating_sub(1);
            return;
        }
        self.counts.resent += 1;
        let kind = if entry.is_zero() { &mut self.counts.zero } else { &mut self.counts.non_zero };
        *kind = kind.saturating_sub(1);
    }

    /// The same pages, to be read beside these. Nothing may be changed any more.
    pub(super) fn again(&mut self) -> io::Result<Self> {
        let reader = PageReader::new();
        Ok(Self { index: self.index.again()?, slots: self.slots, counts: self.counts, reader })
    }

    /// Whether that many bytes from `start` on are zeroes because no page among them has content.
    pub(super) fn is_zero(&mut self, start: u64, bytes: usize) -> io::Result<bool> {
        Ok(bytes > 0 && self.run(start, bytes)? == (None, bytes))
    }

    /// Fills `buffer` with guest memory from `start` on, counted in bytes over all pages.
    pub(crate) fn read_at(
        &mut self,
        file: &PageFile,
        mut start: u64,
        mut buffer: &mut [u8],
    ) -> io::Result<()> {
        while !buffer.is_empty() {
            let (content, length) = self.run(start, buffer.len())?;
            let (part, rest) = buffer.split_at_mut_checked(length).unwrap_or((&mut [], &mut []));
            match content {
                Some(offset) => self.reader.read_exact_at(file, part, offset)?,
                None => part.fill(0),
            }
            start = start.saturating_add(u64::try_from(length).map_err(io::Error::other)?);
            buffer = rest;
        }
        Ok(())
    }

    /// The longest piece from `start` on, at most `limit` bytes, that lies together: where in the spool file, or
    /// nowhere because it is zeroes; and how long it is.
    fn run(&mut self, start: u64, limit: usize) -> io::Result<(Option<u64>, usize)> {
        let limit = u64::try_from(limit).map_err(io::Error::other)?;
        let (page, within) = (start / PAGE_BYTES_U64, start % PAGE_BYTES_U64);
        let first = self.index.get(page)?.content();
        let mut pages = 1_u64;
        while pages * PAGE_BYTES_U64 - within < limit {
            let next = self.index.get(page + pages)?.content();
            let continues = match first {
                Some(slot) => next.map(u64::from) == Some(u64::from(slot) + pages),
                None => next.is_none(),
            };
            if !continues {
                break;
            }
            pages += 1;
        }
        let length = (pages * PAGE_BYTES_U64 - within).min(limit);
        Ok((first.map(|slot| slot_offset(slot) + within), usize::try_from(length).map_err(io::Error::other)?))
    }
}
