//! Stores frames as differences to another image.
//!
//! ```text
//!  the base's frame, unpacked and checked ─ cannot be had ─► the whole frame
//!        │
//!  digest as in the base? ─ yes ─► nothing is compressed or stored
//!        │ no
//!  changed pieces ─ few ─► only these
//!        └── many ─► the whole frame
//! ```
//!
//! Whether a frame is the same says its BLAKE3 digest, all 32 bytes of it, which is computed of every frame anyway; what changed
//! in one says a comparison of its bytes.

use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use memdeck_model::FrameSpan;

use super::slot::Study;
use crate::format::difference::{
    Base, Unpacker, compare, is_worth_it, write_changed, write_runs, write_same,
};
use crate::format::hash::byte_len;
use crate::format::page_map::{ENTRY_BYTES, PageExaminer, PageLayout};

/// Reads entries of the base's page map as they are stored.
pub(crate) trait StoredEntries: Send {
    /// Fills the buffer with the entries from that page on.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(&mut self, first_page: u64, entries: &mut [u8]) -> io::Result<()>;
}

/// What an image is stored as a difference to.
pub(crate) struct Against<'a> {
    pub(crate) base: &'a Base,
    /// Its page map, where it has one: pages that did not change are not looked at again.
    pub(crate) entries: Option<Mutex<Box<dyn StoredEntries>>>,
}

/// How a frame is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stored {
    #[default]
    Whole,
    /// As in the base.
    Same,
    /// By what changed.
    Changed,
}

/// What one thread needs to compare frames.
pub(super) struct Differ<'a> {
    against: &'a Against<'a>,
    unpacker: Unpacker,
    of_base: Vec<u8>,
    runs: Vec<Range<usize>>,
    content: Vec<u8>,
    packed_runs: Vec<u8>,
}

impl<'a> Differ<'a> {
    pub(super) fn new(against: &'a Against<'a>) -> io::Result<Self> {
        let (of_base, runs, content, packed_runs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { against, unpacker: Unpacker::new()?, of_base, runs, content, packed_runs })
    }

    /// Compares a frame, of which the digest is known, with that of the base.
    pub(super) fn compare(&mut self, frame: u64, start: u64, raw: &[u8], digest: &blake3::Hash) -> Stored {
        self.runs.clear();
        let image = start..start.saturating_add(byte_len(raw));
        let span = FrameSpan { frame, image, stored: 0..0 };
        // What the base's disk has lost since is in hand here, and stored: nothing is left out for the base's word alone.
        if self.unpacker.unpack_base(&span, self.against.base, &mut self.of_base).is_err() {
            return Stored::Whole;
        }
        if self.against.base.has(frame, digest) {
            return Stored::Same;
        }
        compare(raw, &self.of_base, &mut self.runs);
        if is_worth_it(raw, &self.runs) { Stored::Changed } else { Stored::Whole }
    }

    /// Writes a frame that was found to be the same or changed in part.
    pub(super) fn pack(
        &mut self,
        stored: Stored,
        raw: &[u8],
        compressor: &mut zstd::bulk::Compressor<'_>,
        packed: &mut Vec<u8>,
    ) -> io::Result<()> {
        if stored == Stored::Same {
            write_same(packed);
            return Ok(());
        }
        write_runs(raw, &self.runs, &mut self.content);
        self.packed_runs.clear();
        self.packed_runs.reserve(zstd::zstd_safe::compress_bound(self.content.len()));
        compressor.compress_to_buffer(&self.content, &mut self.packed_runs)?;
        write_changed(&self.packed_runs, packed);
        Ok(())
    }

    /// The entries of the pages that lie whole in a frame that was compared: those of the base, but for pages that changed.
    /// `None` if they cannot be had.
    pub(super) fn examine(
        &self,
        layout: &PageLayout,
        examiner: &PageExaminer,
        span: &Range<u64>,
        raw: &[u8],
        study: &mut Study,
    ) -> Option<()> {
        let entries = self.against.entries.as_ref()?;
        let pages = layout.whole_pages(span.clone()).count();
        let Some(first_page) = layout.first_whole_page(span.start).filter(|_| pages > 0) else {
            return Some(());
        };
        study.entries.resize(pages.checked_mul(ENTRY_BYTES)?, 0);
        let read =
            entries.lock().unwrap_or_else(PoisonError::into_inner).read(first_page, &mut study.entries);
        if read.is_err() {
            study.entries.clear();
            return None;
        }
        let mut runs = self.runs.as_slice();
        let (entries, _) = study.entries.as_chunks_mut::<ENTRY_BYTES>();
        for (page, entry) in layout.whole_pages(span.clone()).zip(entries) {
            while runs.first().is_some_and(|run| run.end <= page.start) {
                runs = runs.get(1..).unwrap_or_default();
            }
            if runs.first().is_some_and(|run| run.start < page.end) {
                *entry = examiner.examine(raw.get(page).unwrap_or_default());
            }
        }
        Some(())
    }
}
