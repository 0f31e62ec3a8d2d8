//! Joins the pages of frames that come in order, also those that straddle the border of two.

use std::ops::Range;

use super::{ENTRY_BYTES, ENTRY_BYTES_U64, PAGE_BYTES, PageExaminer, PageLayout};
use crate::format::hash::byte_len;

/// What a frame holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FrameBytes<'a> {
    /// These bytes.
    Content(&'a [u8]),
    /// Zeroes.
    Zero,
    /// Nobody knows: the frame is damaged.
    Unknown,
}

/// Puts the entries of all pages in order.
pub(crate) struct PageAssembler<'a> {
    layout: &'a PageLayout,
    examiner: PageExaminer,
    /// The beginning of a page that goes on in the next frame.
    begun: Vec<u8>,
    /// Whether all of that beginning is known.
    is_known: bool,
}

/// Entries of pages that follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entries<'a> {
    /// These, as they are stored.
    Known(&'a [u8]),
    /// That many times the entry of a page of zeroes.
    Zero(&'a [u8; ENTRY_BYTES], u64),
    /// That many, of which nothing is known.
    Unknown(u64),
}

impl<'a> Entries<'a> {
    /// How many there are.
    pub(crate) fn count(self) -> u64 {
        match self {
            Self::Known(entries) => byte_len(entries) / ENTRY_BYTES_U64,
            Self::Zero(_, times) | Self::Unknown(times) => times,
        }
    }

    /// Each of them; `None` for what is not known.
    pub(crate) fn iter(self) -> impl Iterator<Item = Option<&'a [u8; ENTRY_BYTES]>> {
        let (known, (repeated, times)) = match self {
            Self::Known(entries) => (entries.as_chunks().0, (None, 0)),
            Self::Zero(entry, times) => ([].as_slice(), (Some(entry), times)),
            Self::Unknown(times) => ([].as_slice(), (None, times)),
        };
        known.iter().map(Some).chain((0..times).map(move |_| repeated))
    }
}

impl<'a> PageAssembler<'a> {
    pub(crate) fn new(layout: &'a PageLayout) -> Self {
        let begun = Vec::with_capacity(PAGE_BYTES);
        Self { layout, examiner: PageExaminer::new(), begun, is_known: true }
    }

    /// Takes the next frame: where it lies in the image, what it holds, and the entries of the pages that lie in it
    /// whole. Passes `sink` the entries of all pages that end in it.
    pub(crate) fn push<E>(
        &mut self,
        span: Range<u64>,
        bytes: FrameBytes<'_>,
        whole: &[u8],
        mut sink: impl FnMut(Entries<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = self.layout.page_at(span.start).filter(|page| page.start < span.start);
        if let Some(page) = &first {
            self.append(&span, bytes, span.start..page.end.min(span.end));
            if page.end > span.end {
                return Ok(());
            }
            let entry = self.examiner.examine(&self.begun);
            sink(if self.is_known { Entries::Known(&entry) } else { Entries::Unknown(1) })?;
        }
        self.begun.clear();
        self.is_known = true;
        match bytes {
            FrameBytes::Content(_) => sink(Entries::Known(whole))?,
            FrameBytes::Zero => sink(Entries::Zero(self.examiner.zero(), self.count(&span)))?,
            FrameBytes::Unknown => sink(Entries::Unknown(self.count(&span)))?,
        }
        let last = span.end.checked_sub(1).and_then(|last| self.layout.page_at(last));
        if let Some(page) = last.filter(|page| page.start >= span.start && page.end > span.end) {
            self.append(&span, bytes, page.start..span.end);
        }
        Ok(())
    }

    fn count(&self, span: &Range<u64>) -> u64 {
        u64::try_from(self.layout.whole_pages(span.clone()).count()).unwrap_or(u64::MAX)
    }

    fn append(&mut self, span: &Range<u64>, bytes: FrameBytes<'_>, part: Range<u64>) {
        let place = |at: u64| usize::try_from(at.saturating_sub(span.start)).unwrap_or(usize::MAX);
        match bytes {
            FrameBytes::Content(bytes) => {
                let part = bytes.get(place(part.start)..place(part.end)).unwrap_or_default();
                self.begun.extend_from_slice(part);
            }
            FrameBytes::Zero => {
                let length = place(part.end).saturating_sub(place(part.start)).min(PAGE_BYTES);
                self.begun.resize(self.begun.len().saturating_add(length), 0);
            }
            FrameBytes::Unknown => self.is_known = false,
        }
    }
}

/// The entries of the pages that lie whole in a frame, appended to `entries`.
pub(crate) fn examine_whole_pages(
    layout: &PageLayout,
    examiner: &PageExaminer,
    span: Range<u64>,
    bytes: &[u8],
    entries: &mut Vec<u8>,
) {
    for page in layout.whole_pages(span) {
        entries.extend_from_slice(&examiner.examine(bytes.get(page).unwrap_or_default()));
    }
}
