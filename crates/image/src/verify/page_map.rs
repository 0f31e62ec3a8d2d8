//! The page map beside an image.

use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memdeck_model::{Companion, Finding, PageTotals, with_causes};

use super::MAX_LISTED_PAGES;
use crate::format::page_map::{ENTRY_BYTES, Entries, FrameBytes, PageAssembler, PageLayout, PageTally};
use crate::format::regular::open_regular;
use crate::read::image::ImageReader;
use crate::read::page_map::PageMap;

/// What is known of it in the end.
pub(super) struct Checked {
    pub(super) path: PathBuf,
    /// What the file alone shows; the manifest may know better.
    pub(super) state: Companion,
    /// BLAKE3 hash of the file, if there is one.
    pub(super) file_blake3: Option<String>,
    /// Pages per class and their mean entropy as they are, if all were read.
    pub(super) totals: Option<(PageTotals, u64)>,
    pub(super) findings: Vec<Finding>,
}

/// Compares entries with pages that come in order.
pub(super) struct Check<'a> {
    checked: Checked,
    comparison: Option<Comparison<'a>>,
}

struct Comparison<'a> {
    assembler: PageAssembler<'a>,
    layout: &'a PageLayout,
    /// `None` once it cannot be read any further.
    recorded: Option<BufReader<ImageReader>>,
    buffer: Vec<u8>,
    page: u64,
    different: u64,
    /// `None` once the content of a page is not known.
    tally: Option<PageTally>,
}

impl<'a> Check<'a> {
    /// Opens the page map of an image. Its entries are compared if it is known which pages the image has.
    pub(super) fn open(image: &Path, layout: Option<&'a PageLayout>) -> Self {
        let path = PageMap::path_beside(image);
        let mut checked =
            Checked { path, state: Companion::None, file_blake3: None, totals: None, findings: Vec::new() };
        checked.file_blake3 = match hash(&checked.path) {
            Ok(hash) => Some(hash),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self { checked, comparison: None };
            }
            Err(error) => {
                checked.unusable(with_causes(&error));
                None
            }
        };
        checked.state = Companion::Intact;
        let mut recorded = None;
        match PageMap::open(&checked.path) {
            Ok(map) if layout.is_some_and(|layout| *layout != *map.layout()) => {
                checked.unusable("it describes other memory than the image has".to_owned());
            }
            Ok(map) => match map.into_stored_entries() {
                Ok(entries) => recorded = Some(entries),
                Err(error) => checked.unusable(with_causes(&error)),
            },
            Err(error) => checked.unusable(with_causes(&error)),
        }
        let comparison = layout.map(|layout| Comparison {
            assembler: PageAssembler::new(layout),
            layout,
            recorded,
            buffer: Vec::new(),
            page: 0,
            different: 0,
            tally: Some(PageTally::default()),
        });
        Self { checked, comparison }
    }

    /// Takes the next frame: where it lies in the image, what it holds, and the entries of the pages in it.
    pub(super) fn push(&mut self, span: Range<u64>, bytes: FrameBytes<'_>, whole: &[u8]) {
        let Some(comparison) = &mut self.comparison else { return };
        let Comparison { assembler, layout, recorded, buffer, page, different, tally } = comparison;
        let findings = &mut self.checked.findings;
        let path = &self.checked.path;
        let compared = assembler.push(span, bytes, whole, |entries| {
            let count = entries.count();
            if let Some(tally) = tally.as_mut().filter(|_| !matches!(entries, Entries::Unknown(_))) {
                tally.push(entries);
            } else {
                *tally = None;
            }
            if let Some(file) = recorded {
                let length = usize::try_from(count).map_err(io::Error::other)?.saturating_mul(ENTRY_BYTES);
                buffer.resize(length, 0);
                file.read_exact(buffer)?;
                let recorded = buffer.as_chunks::<ENTRY_BYTES>().0;
                for (at, (found, recorded)) in (0..).zip(entries.iter().zip(recorded)) {
                    if found.is_some_and(|found| found != recorded) {
                        *different += 1;
                        if *different <= MAX_LISTED_PAGES {
                            let number = page.saturating_add(at);
                            let address = layout.address(number).unwrap_or_default();
                            findings.push(Finding::Page { page: number, address });
                        }
                    }
                }
            }
            *page = page.saturating_add(count);
            Ok::<_, io::Error>(())
        });
        if let Err(error) = compared {
            findings.push(Finding::PageMapUnusable { path: path.clone(), reason: with_causes(&error) });
            *recorded = None;
        }
    }

    pub(super) fn finish(mut self) -> Checked {
        if let Some(Comparison { different, tally, .. }) = self.comparison {
            if let Some(pages @ 1..) = different.checked_sub(MAX_LISTED_PAGES) {
                self.checked.findings.push(Finding::FurtherPages { pages });
            }
            self.checked.totals = tally.map(|tally| (tally.totals(), tally.mean_entropy_millibits()));
        }
        self.checked
    }
}

impl Checked {
    fn unusable(&mut self, reason: String) {
        self.findings.push(Finding::PageMapUnusable { path: self.path.clone(), reason });
    }
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut open_regular(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}
