//! Where patterns are in the memory of dumps: text, bytes, regular expressions, fingerprints of pages.
//!
//! ```text
//! page map ──► plan: pages and borders whose content was not searched yet ──► frames that have them ──► search
//!     └──────► every page again: what was found in its content, at its own address ◄── known content ──┘
//! ```
//!
//! Zeroes are never searched, and content is searched once, however often and in however many dumps it occurs. What lies
//! across the border of two pages is found where these lie beside each other in the guest's physical memory, in one run
//! of it, up to 1023 bytes to either side. A regular expression is tried on each page, and on each border, by itself.

mod known;
mod patterns;
mod plan;
mod search;

use std::ops::ControlFlow;
use std::path::Path;

use memdeck_image::{PageMap, PageMapError, PageRun, ReadError, StoredFrames};
use memdeck_model::{
    ByteCount, GuestPhysAddr, HuntHit, HuntProgress, HuntReport, HuntedDump, HuntedPattern, Record,
    with_causes,
};

use self::known::{Finding, Known};
use self::plan::{PAGE_BYTES, Plan};
use self::search::{Found, search};

pub use self::patterns::{Pattern, PatternError, PatternOptions, PatternSet};

/// A stored image that is to be searched.
#[derive(Clone, Copy, Debug)]
pub struct HuntedImage<'a> {
    /// The stored image.
    pub path: &'a Path,
    /// The record of its dump, which it must agree with, where there is one.
    pub record: Option<&'a Record>,
}

/// Why an image was not searched to its end.
#[derive(Debug, thiserror::Error)]
pub enum HuntError {
    /// Its page map cannot be used.
    #[error("it cannot be searched")]
    PageMap(#[source] PageMapError),
    /// It is damaged, or cannot be read.
    #[error("it was not searched to its end")]
    Read(#[source] ReadError),
}

/// Who watches a hunt.
pub trait Watcher {
    /// Is told whose turn it is: the place of the image, from 0.
    fn begins(&mut self, image: usize) {
        let _ = image;
    }
    /// Is told of every hit, dump by dump and in ascending order of addresses.
    fn hit(&mut self, hit: &HuntHit);
    /// Is told how far it is. The hunt ends where it breaks off.
    fn progress(&mut self, progress: HuntProgress) -> ControlFlow<()>;
}

/// Looks for patterns in images, one after the other. It ends after `limit` hits. An image that cannot be searched is told
/// in the report, and the others are searched.
pub fn hunt(
    images: &[HuntedImage<'_>],
    patterns: &PatternSet,
    limit: u64,
    watcher: &mut dyn Watcher,
) -> HuntReport {
    let name =
        |pattern: &Pattern| HuntedPattern { pattern: pattern.text.clone(), kind: pattern.kind, hits: 0 };
    let mut hunt = Hunt {
        patterns,
        limit,
        watcher,
        known: Known::default(),
        report: HuntReport {
            patterns: patterns.patterns().iter().map(name).collect(),
            dumps: Vec::new(),
            hits: 0,
            truncated: false,
        },
        progress: HuntProgress::default(),
    };
    let sizes: Vec<u64> = images.iter().map(|image| memory_of(image.path)).collect();
    hunt.progress.bytes_expected = ByteCount(sizes.iter().fold(0, |sum, size| sum.saturating_add(*size)));
    let mut done = 0_u64;
    for (place, (image, size)) in images.iter().zip(sizes).enumerate() {
        hunt.watcher.begins(place);
        if hunt.image(*image).is_break() {
            break;
        }
        done = done.saturating_add(size);
        hunt.progress.bytes_done = ByteCount(done);
    }
    hunt.report
}

/// How much memory an image has; 0 where that is not to be had, which is told when it is searched.
fn memory_of(path: &Path) -> u64 {
    let map = PageMap::open(&PageMap::path_beside(path));
    map.map_or(0, |map| map.pages().saturating_mul(PAGE_BYTES))
}

struct Hunt<'a> {
    patterns: &'a PatternSet,
    limit: u64,
    watcher: &'a mut dyn Watcher,
    known: Known,
    report: HuntReport,
    progress: HuntProgress,
}

impl Hunt<'_> {
    fn image(&mut self, image: HuntedImage<'_>) -> ControlFlow<()> {
        self.report.dumps.push(HuntedDump {
            dump_id: None,
            guest: None,
            taken_at: None,
            path: image.path.display().to_string(),
            memory_bytes: ByteCount(0),
            searched_bytes: ByteCount(0),
            hits: 0,
            problem: None,
        });
        match self.search(image) {
            Ok(flow) => flow,
            Err(error) => {
                self.known.forget();
                if let Some(dump) = self.report.dumps.last_mut() {
                    dump.problem = Some(with_causes(&error));
                }
                ControlFlow::Continue(())
            }
        }
    }

    fn search(&mut self, image: HuntedImage<'_>) -> Result<ControlFlow<()>, HuntError> {
        let (mut map, manifest) =
            PageMap::open_beside(image.path, image.record).map_err(HuntError::PageMap)?;
        if let Some(dump) = self.report.dumps.last_mut() {
            if let Some(manifest) = manifest {
                dump.dump_id = Some(manifest.dump_id);
                dump.guest = Some(manifest.guest.name);
                dump.taken_at = Some(manifest.started_at);
            }
            dump.memory_bytes = ByteCount(map.pages().saturating_mul(PAGE_BYTES));
        }
        let mut flow = ControlFlow::Continue(());
        let searched = if self.patterns.has_content() {
            self.search_content(image, &mut map, &mut flow)
        } else {
            Ok(())
        };
        // What was found before an image turned out to be damaged is told all the same.
        let told = if flow.is_continue() && (self.known.has_findings() || self.patterns.has_pages()) {
            self.tell(&mut map).map_err(HuntError::PageMap)?
        } else {
            ControlFlow::Continue(())
        };
        searched?;
        Ok(if flow.is_break() || self.report.truncated { ControlFlow::Break(()) } else { told })
    }

    /// Searches what was not searched yet.
    fn search_content(
        &mut self,
        image: HuntedImage<'_>,
        map: &mut PageMap,
        flow: &mut ControlFlow<()>,
    ) -> Result<(), HuntError> {
        let frames = match image.record {
            Some(record) => StoredFrames::open_recorded(image.path, record),
            None => StoredFrames::open(image.path),
        };
        let frames = frames.map_err(HuntError::Read)?;
        let table = frames.seek_table();
        let reach = self.patterns.reach();
        let has_all = |run: PageRun| run.offset.saturating_add(run.bytes) <= table.raw_size().0;
        if !map.runs().all(has_all) {
            let damaged = PageMapError::Damaged("it describes memory that the image does not have");
            return Err(HuntError::PageMap(damaged));
        }
        let plan = Plan::new(map, &mut self.known, table.frame_bytes().into(), table.frames(), reach)
            .map_err(HuntError::PageMap)?;
        if let Some(dump) = self.report.dumps.last_mut() {
            dump.searched_bytes = ByteCount(plan.bytes);
        }
        let begun = self.progress;
        let mut findings = 0_u64;
        let mut broken: Result<(), PageMapError> = Ok(());
        let (known, watcher, limit) = (&mut self.known, &mut self.watcher, self.limit);
        let hits = self.report.hits;
        let searched = search(&frames, &plan, self.patterns, limit, &mut |found, until| {
            for found in found.drain(..) {
                match keep(map, known, found) {
                    Ok(count) => findings = findings.saturating_add(count),
                    Err(error) => broken = Err(error),
                }
            }
            let bytes_done = ByteCount(begun.bytes_done.0.saturating_add(until));
            *flow = watcher.progress(HuntProgress { bytes_done, ..begun });
            // Each finding is a hit somewhere: there is no need to go on.
            let is_enough = hits.saturating_add(findings) > limit;
            if broken.is_err() || is_enough { ControlFlow::Break(()) } else { *flow }
        });
        searched.map_err(HuntError::Read)?;
        broken.map_err(HuntError::PageMap)?;
        self.report.truncated |= hits.saturating_add(findings) > limit;
        if flow.is_continue() && !self.report.truncated {
            self.known.keep();
        } else {
            self.known.forget();
        }
        Ok(())
    }

    /// Tells what is in the pages of an image, at their addresses.
    fn tell(&mut self, map: &mut PageMap) -> Result<ControlFlow<()>, PageMapError> {
        let runs: Vec<PageRun> = map.runs().collect();
        for run in runs {
            // What lies across the border before a page: how far into it, by pattern.
            let mut covered: Vec<(u32, u32)> = Vec::new();
            let mut page = run.address.0;
            let entries = map.entries(run.first_page)?;
            let mut entries = (0..run.pages).zip(entries).map(|(_, entry)| entry).peekable();
            while let Some(entry) = entries.next() {
                let entry = entry?;
                let next = match entries.peek() {
                    Some(Ok(next)) => Some(*next),
                    _ => None,
                };
                if let Some(pattern) = self.patterns.page(&entry.fingerprint) {
                    let bytes = u32::try_from(PAGE_BYTES).unwrap_or(u32::MAX);
                    let whole = Finding { pattern, start: 0, bytes, before: 0, around: Vec::new() };
                    if self.hit(page, &whole).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                let across = next
                    .map(|next| self.known.at_border(&(entry.fingerprint, next.fingerprint)).to_vec())
                    .unwrap_or_default();
                let is_regex = |pattern| self.patterns.is_regex(pattern);
                // A regular expression that goes on across a border is one hit, not its parts as well.
                let is_part = |finding: &Finding| {
                    is_regex(finding.pattern)
                        && (across
                            .iter()
                            .any(|whole| whole.pattern == finding.pattern && whole.start <= finding.start)
                            || covered
                                .iter()
                                .any(|(pattern, end)| *pattern == finding.pattern && finding.end() <= *end))
                };
                let mut findings: Vec<Finding> = self
                    .known
                    .in_page(&entry.fingerprint)
                    .iter()
                    .filter(|finding| !is_part(finding))
                    .cloned()
                    .collect();
                covered = across
                    .iter()
                    .map(|whole| {
                        (whole.pattern, whole.end().saturating_sub(u32::try_from(PAGE_BYTES).unwrap_or(0)))
                    })
                    .collect();
                findings.extend(across);
                findings.sort_by_key(|finding| (finding.start, finding.pattern, finding.bytes));
                for finding in &findings {
                    if self.hit(page, finding).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                page = page.saturating_add(PAGE_BYTES);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn hit(&mut self, page: u64, finding: &Finding) -> ControlFlow<()> {
        if self.report.hits >= self.limit {
            self.report.truncated = true;
            return ControlFlow::Break(());
        }
        let dump = u32::try_from(self.report.dumps.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let address = page.saturating_add(finding.start.into());
        self.report.hits += 1;
        self.progress.hits = self.report.hits;
        if let Some(dump) = self.report.dumps.last_mut() {
            dump.hits += 1;
        }
        let pattern = usize::try_from(finding.pattern).ok();
        if let Some(pattern) = pattern.and_then(|pattern| self.report.patterns.get_mut(pattern)) {
            pattern.hits += 1;
        }
        self.watcher.hit(&HuntHit {
            dump,
            pattern: finding.pattern,
            address: GuestPhysAddr(address),
            bytes: finding.bytes,
            around_address: GuestPhysAddr(address.saturating_sub(finding.before.into())),
            around: finding.around.clone(),
        });
        ControlFlow::Continue(())
    }
}

/// Remembers what was found, by content; how much it is.
fn keep(map: &mut PageMap, known: &mut Known, found: Found) -> Result<u64, PageMapError> {
    let fingerprint = |map: &mut PageMap, page: u64| {
        map.entry(page).map(|entry| entry.map(|entry| entry.fingerprint).unwrap_or_default())
    };
    let count = |findings: &[Finding]| u64::try_from(findings.len()).unwrap_or(u64::MAX);
    match found {
        Found::InPage(page, findings) => {
            let kept = count(&findings);
            known.found_in_page(fingerprint(map, page)?, findings);
            Ok(kept)
        }
        Found::AtBorder(page, findings) => {
            let kept = count(&findings);
            let border = (fingerprint(map, page)?, fingerprint(map, page.saturating_add(1))?);
            known.found_at_border(border, findings);
            Ok(kept)
        }
    }
}

#[cfg(test)]
mod tests;
