//! Searches what was planned of one image.
//!
//! ```text
//! frame ──► pages that lie in it whole, and borders between such: on many threads
//!   └─────► what lies across two frames: on the calling thread, which has the end of the frame before
//! ```

use std::ops::{ControlFlow, Range};

use memdeck_image::{ReadError, ScannedFrame, StoredFrames};

use super::known::Finding;
use super::patterns::{Match, PatternSet};
use super::plan::{PAGE_BYTES, Page, Plan};

/// Of the frame before that the calling thread keeps: a page that lies across, and the page before it.
const CARRY_BYTES: u64 = 2 * PAGE_BYTES;

/// What was found, by page, or by the page before a border.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    InPage(u64, Vec<Finding>),
    AtBorder(u64, Vec<Finding>),
}

/// Bytes of an image that lie together.
#[derive(Clone, Copy)]
struct Window<'a> {
    start: u64,
    bytes: &'a [u8],
}

impl<'a> Window<'a> {
    fn end(&self) -> u64 {
        self.start.saturating_add(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }

    fn get(&self, place: &Range<u64>) -> Option<&'a [u8]> {
        let at = |offset: u64| usize::try_from(offset.checked_sub(self.start)?).ok();
        self.bytes.get(at(place.start)?..at(place.end)?)
    }
}

/// Searches the pages and borders of a plan. `see` is told of what was found, and of how much memory of the image was gone
/// through; it may end the search, and does where more than `limit` were found, so that no more are looked for.
pub(super) fn search(
    frames: &StoredFrames,
    plan: &Plan,
    patterns: &PatternSet,
    limit: u64,
    see: &mut dyn FnMut(&mut Vec<Found>, u64) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let frame_bytes = u64::from(frames.seek_table().frame_bytes());
    let zeroes = vec![0; usize::try_from(frame_bytes).unwrap_or(0)];
    let kept_bytes = usize::try_from(CARRY_BYTES).unwrap_or(0);
    let mut carry: Option<(u64, Vec<u8>)> = None;
    let work = |frame: ScannedFrame<'_>, found: &mut Vec<Found>| {
        found.clear();
        // A frame of zeroes has pages of zeroes only, and borders between such.
        if let Some(bytes) = frame.bytes {
            let window = Window { start: frame.span.image.start, bytes };
            search_window(window, plan, patterns, None, limit, found);
        }
    };
    let collect = |frame: ScannedFrame<'_>, found: &mut Vec<Found>| {
        let image = &frame.span.image;
        let length = usize::try_from(image.end.saturating_sub(image.start)).unwrap_or(0);
        let bytes = frame.bytes.or(zeroes.get(..length)).unwrap_or_default();
        let mut kept = Vec::new();
        if let Some((start, mut before)) = carry.take()
            && start.saturating_add(u64::try_from(before.len()).unwrap_or(0)) == image.start
        {
            let head = kept_bytes.min(bytes.len());
            before.extend_from_slice(bytes.get(..head).unwrap_or_default());
            search_window(Window { start, bytes: &before }, plan, patterns, Some(image.start), limit, found);
            kept = before;
        }
        // Frames may be shorter than what lies across them.
        if bytes.len() > kept_bytes || kept.is_empty() {
            kept.clear();
            kept.extend_from_slice(bytes.get(bytes.len().saturating_sub(kept_bytes)..).unwrap_or_default());
        } else {
            kept.drain(..kept.len().saturating_sub(kept_bytes));
        }
        let start = image.end.saturating_sub(u64::try_from(kept.len()).unwrap_or(0));
        carry = Some((start, kept));
        see(found, image.end)
    };
    let count = frames.seek_table().frames();
    frames.scan(plan.frames(count), work, collect)
}

/// Searches what lies whole in these bytes; with `across`, only what has bytes on both sides of that byte of the image.
fn search_window(
    window: Window<'_>,
    plan: &Plan,
    patterns: &PatternSet,
    across: Option<u64>,
    limit: u64,
    found: &mut Vec<Found>,
) {
    let mut count = 0_u64;
    let mut push = |of: Found, found: &mut Vec<Found>| {
        let (Found::InPage(_, findings) | Found::AtBorder(_, findings)) = &of;
        if !findings.is_empty() {
            count = count.saturating_add(u64::try_from(findings.len()).unwrap_or(u64::MAX));
            found.push(of);
        }
        count <= limit
    };
    let is_across =
        |place: &Range<u64>| across.is_none_or(|border| place.start < border && border < place.end);
    for page in plan.pages_in(window.start..window.end()) {
        if plan.pages.has(page.number)
            && is_across(&page.place)
            && let Some(bytes) = window.get(&page.place)
        {
            let findings = search_page(bytes, patterns);
            if !push(Found::InPage(page.number, findings), found) {
                return;
            }
        }
        if page.has_next && plan.borders.has(page.number) {
            let findings = search_border(window, &page, plan, patterns, across);
            if !push(Found::AtBorder(page.number, findings), found) {
                return;
            }
        }
    }
}

fn search_page(bytes: &[u8], patterns: &PatternSet) -> Vec<Finding> {
    let mut findings = Vec::new();
    patterns.search(bytes, &mut |hit| findings.push(Finding::new(&hit, bytes, 0)));
    findings
}

/// What lies across the border behind a page.
fn search_border(
    window: Window<'_>,
    page: &Page,
    plan: &Plan,
    patterns: &PatternSet,
    across: Option<u64>,
) -> Vec<Finding> {
    let border = page.place.end;
    // The next page may be shorter.
    let next = plan.pages_in(border..border.saturating_add(1)).next();
    let next_end = next.map_or(border, |next| next.place.end);
    let place = border.saturating_sub(plan.reach).max(page.place.start)
        ..border.saturating_add(plan.reach).min(next_end);
    let is_wanted = across.is_none_or(|at| place.start < at && at < place.end);
    let Some(bytes) = window.get(&place).filter(|_| is_wanted) else { return Vec::new() };
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    let inside = at(border.saturating_sub(place.start));
    let offset = at(place.start.saturating_sub(page.place.start));
    let mut findings = Vec::new();
    patterns.search(bytes, &mut |hit: Match| {
        if hit.place.start < inside && inside < hit.place.end {
            findings.push(Finding::new(&hit, bytes, offset));
        }
    });
    findings
}
