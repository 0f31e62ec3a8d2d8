//! Which pages of an image, and which borders between them, must be searched, and which frames that takes.

use std::io::{Read, Seek};
use std::ops::Range;

use memdeck_image::{PageMap, PageMapError, PageRun};
use memdeck_model::PageClass;

use super::known::Known;

pub(super) const PAGE_BYTES: u64 = 4096;

/// A bit for each of many things.
#[derive(Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(count: u64) -> Self {
        Self(vec![0; usize::try_from(count.div_ceil(64)).unwrap_or(usize::MAX)])
    }

    pub(super) fn set(&mut self, number: u64) {
        let word = usize::try_from(number / 64).ok().and_then(|word| self.0.get_mut(word));
        if let Some(word) = word {
            *word |= 1 << (number % 64);
        }
    }

    pub(super) fn has(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|word| self.0.get(word));
        word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

/// What is to be searched of an image.
pub(super) struct Plan {
    pub(super) runs: Vec<PageRun>,
    /// By the number of the page.
    pub(super) pages: Bits,
    /// Between the page of that number and the next one of its run.
    pub(super) borders: Bits,
    frames: Bits,
    frame_bytes: u64,
    pub(super) reach: u64,
    /// How much memory is to be searched.
    pub(super) bytes: u64,
}

/// A page of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) number: u64,
    /// Bytes of the image.
    pub(super) place: Range<u64>,
    /// Whether another one of its run follows.
    pub(super) has_next: bool,
}

impl Plan {
    /// Plans the search of an image with frames of `frame_bytes`. `reach` is how far something may lie across a border.
    pub(super) fn new<R: Read + Seek>(
        map: &mut PageMap<R>,
        known: &mut Known,
        frame_bytes: u64,
        frames: u64,
        reach: usize,
    ) -> Result<Self, PageMapError> {
        let pages = map.pages();
        let mut plan = Self {
            runs: map.runs().collect(),
            pages: Bits::new(pages),
            borders: Bits::new(pages),
            frames: Bits::new(frames),
            frame_bytes: frame_bytes.max(1),
            reach: u64::try_from(reach).unwrap_or(u64::MAX).min(PAGE_BYTES),
            bytes: 0,
        };
        for run in plan.runs.clone() {
            let mut previous = None;
            let numbers = run.first_page..run.first_page.saturating_add(run.pages);
            for (number, entry) in numbers.zip(map.entries(run.first_page)?) {
                let entry = entry?;
                let place = place(&run, number);
                let is_zero = entry.class == PageClass::Zero;
                if let Some((before, was_zero)) = previous
                    && !(is_zero && was_zero)
                    && plan.reach > 0
                    && known.must_search_border((before, entry.fingerprint))
                {
                    plan.borders.set(number.saturating_sub(1));
                    plan.want(
                        place.start.saturating_sub(plan.reach)
                            ..place.start.saturating_add(plan.reach).min(place.end),
                    );
                }
                if !is_zero && known.must_search_page(entry.fingerprint) {
                    plan.pages.set(number);
                    plan.bytes = plan.bytes.saturating_add(place.end.saturating_sub(place.start));
                    plan.want(place);
                }
                previous = Some((entry.fingerprint, is_zero));
            }
        }
        Ok(plan)
    }

    fn want(&mut self, bytes: Range<u64>) {
        let last = bytes.end.saturating_sub(1);
        for frame in bytes.start / self.frame_bytes..=last / self.frame_bytes {
            self.frames.set(frame);
        }
    }

    /// The frames that are needed, in order.
    pub(super) fn frames(&self, count: u64) -> impl Iterator<Item = u64> + '_ {
        (0..count).filter(|frame| self.frames.has(*frame))
    }

    /// The pages that have a byte in these bytes of the image, in order.
    pub(super) fn pages_in(&self, bytes: Range<u64>) -> impl Iterator<Item = Page> + '_ {
        let first = self.runs.partition_point(|run| run.offset.saturating_add(run.bytes) <= bytes.start);
        let runs = self.runs.get(first..).unwrap_or_default().iter();
        let (start, end) = (bytes.start, bytes.end);
        runs.take_while(move |run| run.offset < end).flat_map(move |run| {
            let before = start.saturating_sub(run.offset) / PAGE_BYTES;
            let behind = end.saturating_sub(run.offset).div_ceil(PAGE_BYTES).min(run.pages);
            (before..behind).map(move |page| Page {
                number: run.first_page.saturating_add(page),
                place: place(run, run.first_page.saturating_add(page)),
                has_next: page.saturating_add(1) < run.pages,
            })
        })
    }
}

/// Where a page of a run lies in the image.
fn place(run: &PageRun, number: u64) -> Range<u64> {
    let within = number.saturating_sub(run.first_page).saturating_mul(PAGE_BYTES);
    let start = run.offset.saturating_add(within);
    start..start.saturating_add(PAGE_BYTES).min(run.offset.saturating_add(run.bytes))
}
