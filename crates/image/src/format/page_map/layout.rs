//! Where the pages of guest memory lie in an image.

use std::ops::Range;

use memdeck_model::{GuestPhysAddr, Segment, SegmentKind};

use super::PAGE_BYTES_U64;

/// Memory that lies together: a `PT_LOAD` segment. Its pages count from its own beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Guest-physical address of its first byte.
    pub(super) address: u64,
    /// Where its bytes begin in the image.
    pub(super) offset: u64,
    /// How many bytes the image holds of it; not 0.
    pub(super) bytes: u64,
    /// The number of its first page in the map.
    pub(super) first_page: u64,
}

impl Run {
    pub(super) fn pages(&self) -> u64 {
        self.bytes.div_ceil(PAGE_BYTES_U64)
    }

    /// Where it ends in the image.
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }

    /// Where a page of it, counted from 0, lies in the image.
    fn page(&self, page: u64) -> Range<u64> {
        let start = self.offset.saturating_add(page.saturating_mul(PAGE_BYTES_U64));
        start..start.saturating_add(PAGE_BYTES_U64).min(self.end())
    }
}

/// Memory that lies together, as whoever reads a page map sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// Guest-physical address of its first byte.
    pub address: GuestPhysAddr,
    /// Where its bytes begin in the image.
    pub offset: u64,
    /// How many bytes the image holds of it; not 0. The last page may be a part of one.
    pub bytes: u64,
    /// The number of its first page in the map.
    pub first_page: u64,
    /// How many pages it has.
    pub pages: u64,
}

/// The pages of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageLayout {
    pub(super) runs: Vec<Run>,
    pages: u64,
}

impl PageLayout {
    /// The pages of these segments. `None` if segments overlap in the image or do not come in ascending order,
    /// which no hypervisor does.
    pub(crate) fn new(segments: &[Segment]) -> Option<Self> {
        let load = segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
        Self::of_runs(
            load.map(|segment| (segment.address.0, segment.offset_bytes.0, segment.file_bytes.0))
                .filter(|(.., bytes)| *bytes > 0),
        )
    }

    /// The pages of runs of (address, offset in the image, bytes).
    pub(crate) fn of_runs(parts: impl Iterator<Item = (u64, u64, u64)>) -> Option<Self> {
        let mut layout = Self { runs: Vec::new(), pages: 0 };
        let mut end = 0;
        for (address, offset, bytes) in parts {
            if offset < end || bytes == 0 {
                return None;
            }
            end = offset.checked_add(bytes)?;
            let run = Run { address, offset, bytes, first_page: layout.pages };
            layout.pages = layout.pages.checked_add(run.pages())?;
            layout.runs.push(run);
        }
        Some(layout)
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// Memory that lies together, in the order of its pages.
    pub(crate) fn runs(&self) -> impl Iterator<Item = PageRun> + '_ {
        self.runs.iter().map(|run| PageRun {
            address: GuestPhysAddr(run.address),
            offset: run.offset,
            bytes: run.bytes,
            first_page: run.first_page,
            pages: run.pages(),
        })
    }

    /// Where the page of that number begins in the guest's physical memory.
    pub(crate) fn address(&self, page: u64) -> Option<GuestPhysAddr> {
        let after = self.runs.partition_point(|run| run.first_page <= page);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let within = page.checked_sub(run.first_page).filter(|within| *within < run.pages())?;
        run.address.checked_add(within.checked_mul(PAGE_BYTES_U64)?).map(GuestPhysAddr)
    }

    /// The page that holds this byte of the image.
    pub(super) fn page_at(&self, offset: u64) -> Option<Range<u64>> {
        let run = self.runs.get(self.runs.partition_point(|run| run.end() <= offset))?;
        Some(run.page(offset.checked_sub(run.offset)? / PAGE_BYTES_U64))
    }

    /// The number of the first page that begins at this byte of the image or after it.
    pub(crate) fn first_whole_page(&self, offset: u64) -> Option<u64> {
        let run = self.runs.get(self.runs.partition_point(|run| run.end() <= offset))?;
        let before = offset.saturating_sub(run.offset).div_ceil(PAGE_BYTES_U64);
        run.first_page.checked_add(before.min(run.pages()))
    }

    /// Pages that lie whole in these bytes of the image, in order; relative to the first byte.
    pub(crate) fn whole_pages(&self, bytes: Range<u64>) -> impl Iterator<Item = Range<usize>> {
        let first = self.runs.partition_point(|run| run.end() <= bytes.start);
        let (start, end) = (bytes.start, bytes.end);
        let runs = self.runs.get(first..).unwrap_or_default().iter();
        let pages = runs.take_while(move |run| run.offset < end).flat_map(move |run| {
            let before = start.saturating_sub(run.offset).div_ceil(PAGE_BYTES_U64);
            (before..run.pages()).map(|page| run.page(page)).take_while(move |page| page.end <= end)
        });
        pages.filter_map(move |page| {
            let place = |at: u64| usize::try_from(at.checked_sub(start)?).ok();
            Some(place(page.start)?..place(page.end)?)
        })
    }
}
