//! What was searched already, and what was found there: by content, so that what is the same in many dumps, or many times
//! in one, is searched once.

use std::collections::{HashMap, HashSet};

use super::patterns::Match;

/// The fingerprint of a page.
pub(super) type Fingerprint = [u8; 16];
/// Two pages that lie beside each other.
pub(super) type Border = (Fingerprint, Fingerprint);

/// More pages and borders than this are not remembered, but searched again: about 200 MiB of them.
const MOST_REMEMBERED: usize = 2 << 20;
/// Bytes that are kept before and behind what was found.
const AROUND_BYTES: usize = 32;
/// More bytes than this of what was found are not kept.
const MOST_KEPT_BYTES: usize = 256;

/// Something that was found, relative to a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) pattern: u32,
    /// Where it begins in the page, or of a border in the page before it.
    pub(super) start: u32,
    pub(super) bytes: u32,
    /// How many bytes of `around` lie before it.
    pub(super) before: u32,
    pub(super) around: Vec<u8>,
}

impl Finding {
    /// What was found in these bytes, the first of which lies at `offset` of the page.
    pub(super) fn new(hit: &Match, bytes: &[u8], offset: usize) -> Self {
        let first = hit.place.start.saturating_sub(AROUND_BYTES);
        let kept_end = hit.place.end.min(hit.place.start.saturating_add(MOST_KEPT_BYTES));
        let last = kept_end.saturating_add(AROUND_BYTES).min(bytes.len());
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Self {
            pattern: hit.pattern,
            start: number(hit.place.start.saturating_add(offset)),
            bytes: number(hit.place.len()),
            before: number(hit.place.start.saturating_sub(first)),
            around: bytes.get(first..last).unwrap_or_default().to_vec(),
        }
    }

    pub(super) fn end(&self) -> u32 {
        self.start.saturating_add(self.bytes)
    }
}

/// What is known of content.
#[derive(Default)]
pub(super) struct Known {
    pages: HashSet<Fingerprint>,
    borders: HashSet<Border>,
    /// What the search of the present image added, to be forgotten if it fails.
    fresh_pages: Vec<Fingerprint>,
    fresh_borders: Vec<Border>,
    in_pages: HashMap<Fingerprint, Vec<Finding>>,
    at_borders: HashMap<Border, Vec<Finding>>,
}

impl Known {
    /// Whether a page must be searched. It counts as searched from then on.
    pub(super) fn must_search_page(&mut self, page: Fingerprint) -> bool {
        if self.pages.contains(&page) {
            return false;
        }
        if self.pages.len() < MOST_REMEMBERED {
            self.pages.insert(page);
            self.fresh_pages.push(page);
        }
        true
    }

    /// Whether a border must be searched. It counts as searched from then on.
    pub(super) fn must_search_border(&mut self, border: Border) -> bool {
        if self.borders.contains(&border) {
            return false;
        }
        if self.borders.len() < MOST_REMEMBERED {
            self.borders.insert(border);
            self.fresh_borders.push(border);
        }
        true
    }

    /// What was promised was searched.
    pub(super) fn keep(&mut self) {
        self.fresh_pages.clear();
        self.fresh_borders.clear();
    }

    /// What was promised was not searched.
    pub(super) fn forget(&mut self) {
        for page in self.fresh_pages.drain(..) {
            self.pages.remove(&page);
        }
        for border in self.fresh_borders.drain(..) {
            self.borders.remove(&border);
        }
    }

    pub(super) fn found_in_page(&mut self, page: Fingerprint, findings: Vec<Finding>) {
        self.in_pages.insert(page, findings);
    }

    pub(super) fn found_at_border(&mut self, border: Border, findings: Vec<Finding>) {
        self.at_borders.insert(border, findings);
    }

    pub(super) fn in_page(&self, page: &Fingerprint) -> &[Finding] {
        self.in_pages.get(page).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn at_border(&self, border: &Border) -> &[Finding] {
        self.at_borders.get(border).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn has_findings(&self) -> bool {
        !self.in_pages.is_empty() || !self.at_borders.is_empty()
    }
}
