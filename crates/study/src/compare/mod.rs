//! What changed between two dumps, from their page maps alone: no byte of memory is read.
//!
//! ```text
//! first's map ──► fingerprints ──┐
//!        └──────► pages in common ──► fate of each ──► figures, a map; every page that differs, for who wants the list
//! second's map ─────────┘
//! ```

mod common;
mod export;
mod figures;
mod moved;
mod over_time;

use std::fmt;
use std::io::{Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;

use memdeck_image::{PageEntry, PageMap, PageMapError};
use memdeck_model::{
    ByteCount, ComparedDump, ComparedPage, Comparison, ComparisonMap, GuestPhysAddr, Manifest, MapCounts,
    MapView, MappedPage, PageClass, PageFate, Record,
};

use self::common::{Common, Overlap, common};
use self::figures::Figures;
use self::moved::Moved;

pub use self::export::{as_lime, changed_pages};
pub use self::over_time::{memory_changes, memory_figures};

const PAGE_BYTES: u64 = 4096;
/// Between two questions whether to go on.
const PAGES_BETWEEN_CHECKS: u64 = 1 << 16;

/// Which of the two dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    First,
    /// The second.
    Second,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

/// Why two dumps cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A page map cannot be used.
    #[error("the {side} dump cannot be compared")]
    PageMap {
        /// Whose.
        side: Side,
        /// What is wrong with it.
        source: PageMapError,
    },
    /// Nothing shows which content memory has that is there twice.
    #[error("the {side} dump cannot be compared: it has the memory at guest-physical {address} twice")]
    Overlap {
        /// Which dump.
        side: Side,
        /// Where the second begins.
        address: GuestPhysAddr,
    },
    /// Somebody stopped it.
    #[error("the comparison was stopped")]
    Cancelled,
}

/// A stored image that is to be compared.
#[derive(Clone, Copy, Debug)]
pub struct ComparedImage<'a> {
    /// The stored image.
    pub path: &'a Path,
    /// The record of its dump, which it must agree with, where there is one.
    pub record: Option<&'a Record>,
}

/// Compares two stored images. `page` sees every page that differs, in ascending order of addresses, and may break it off.
///
/// # Errors
/// An image has no page map, or one that is damaged or not the one that was recorded; or it was stopped.
pub fn compare(
    first: ComparedImage<'_>,
    second: ComparedImage<'_>,
    page: &mut dyn FnMut(&ComparedPage) -> ControlFlow<()>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Comparison, CompareError> {
    let opened = Opened { first: open(Side::First, first)?, second: open(Side::Second, second)? };
    opened.compare(None, page, is_cancelled).map(|(comparison, _)| comparison)
}

/// Compares two stored images and draws a map of them.
///
/// # Errors
/// As [`compare`].
pub fn compare_drawn(
    first: ComparedImage<'_>,
    second: ComparedImage<'_>,
    view: MapView,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(Comparison, ComparisonMap), CompareError> {
    let opened = Opened { first: open(Side::First, first)?, second: open(Side::Second, second)? };
    opened.compare(Some(view), &mut |_| ControlFlow::Continue(()), is_cancelled)
}

/// Two page maps, each with the manifest of its image.
struct Opened {
    first: (PageMap, Option<Manifest>),
    second: (PageMap, Option<Manifest>),
}

impl Opened {
    fn compare(
        self,
        view: Option<MapView>,
        page: &mut dyn FnMut(&ComparedPage) -> ControlFlow<()>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(Comparison, ComparisonMap), CompareError> {
        let ((mut a, first), (mut b, second)) = (self.first, self.second);
        let (mut comparison, map) =
            compare_in_rounds(&mut a, &mut b, Moved::most(), view, page, is_cancelled)?;
        name(&mut comparison.first, first);
        name(&mut comparison.second, second);
        Ok((comparison, map.unwrap_or_default()))
    }
}

fn open(side: Side, image: ComparedImage<'_>) -> Result<(PageMap, Option<Manifest>), CompareError> {
    PageMap::open_beside(image.path, image.record).map_err(|source| CompareError::PageMap { side, source })
}

fn name(dump: &mut ComparedDump, manifest: Option<Manifest>) {
    if let Some(manifest) = manifest {
        dump.dump_id = Some(manifest.dump_id);
        dump.guest = Some(manifest.guest.name);
        dump.guest_uuid = Some(manifest.guest.uuid);
        dump.taken_at = Some(manifest.started_at);
    }
}

/// Compares two page maps; of which dumps they are is not known. Otherwise as [`compare`].
///
/// # Errors
/// As [`compare`].
pub fn compare_maps<R: Read + Seek>(
    first: &mut PageMap<R>,
    second: &mut PageMap<R>,
    page: &mut dyn FnMut(&ComparedPage) -> ControlFlow<()>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Comparison, CompareError> {
    compare_in_rounds(first, second, Moved::most(), None, page, is_cancelled)
        .map(|(comparison, _)| comparison)
}

/// The same, drawn.
///
/// # Errors
/// As [`compare`].
pub fn compare_maps_drawn<R: Read + Seek>(
    first: &mut PageMap<R>,
    second: &mut PageMap<R>,
    view: MapView,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(Comparison, ComparisonMap), CompareError> {
    let page = &mut |_: &ComparedPage| ControlFlow::Continue(());
    let (comparison, map) = compare_in_rounds(first, second, Moved::most(), Some(view), page, is_cancelled)?;
    Ok((comparison, map.unwrap_or_default()))
}

/// The memory that both have.
fn in_common<R: Read + Seek>(first: &PageMap<R>, second: &PageMap<R>) -> Result<Vec<Common>, CompareError> {
    let runs = |map: &PageMap<R>| map.runs().collect::<Vec<_>>();
    let found = |a: &[_], b: &[_], side| {
        common(a, b)
            .map_err(|Overlap(address)| CompareError::Overlap { side, address: GuestPhysAddr(address) })
    };
    let (a, b) = (runs(first), runs(second));
    // Alone first, so that it is known whose memory is there twice.
    found(&a, &[], Side::First)?;
    found(&a, &b, Side::Second)
}

fn compare_in_rounds<R: Read + Seek>(
    first: &mut PageMap<R>,
    second: &mut PageMap<R>,
    most_fingerprints: u64,
    view: Option<MapView>,
    page: &mut dyn FnMut(&ComparedPage) -> ControlFlow<()>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(Comparison, Option<ComparisonMap>), CompareError> {
    let common = in_common(first, second)?;
    let moved = Moved::find(first, second, &common, most_fingerprints, is_cancelled)?;
    let mut figures = Figures::new(&common);
    let mut map = view.map(|view| {
        let memory: Vec<_> = common.iter().map(|part| (GuestPhysAddr(part.address), part.pages)).collect();
        MapCounts::new(&memory, ByteCount(PAGE_BYTES), view)
    });
    walk(first, second, &common, is_cancelled, &mut |number, place, before, after| {
        let fate = if before.fingerprint == after.fingerprint {
            PageFate::Unchanged
        } else if after.class == PageClass::Zero {
            PageFate::Zeroed
        } else if moved.has(number, &after) {
            PageFate::Moved
        } else if before.class == PageClass::Zero {
            PageFate::New
        } else {
            PageFate::Changed
        };
        figures.count(place.part, fate, &before, &after);
        if let Some(map) = &mut map {
            let (from_entropy_4096ths, to_entropy_4096ths) = (before.entropy_4096ths, after.entropy_4096ths);
            let page = MappedPage { fate, from_entropy_4096ths, to_entropy_4096ths };
            map.count(GuestPhysAddr(place.address), page);
        }
        if fate == PageFate::Unchanged {
            return ControlFlow::Continue(());
        }
        page(&ComparedPage {
            address: GuestPhysAddr(place.address),
            fate,
            from: before.class,
            to: after.class,
            from_entropy_4096ths: before.entropy_4096ths,
            to_entropy_4096ths: after.entropy_4096ths,
        })
    })?;
    let comparison = figures.finish(ByteCount(PAGE_BYTES), first.pages(), second.pages());
    Ok((comparison, map.map(MapCounts::finish)))
}

/// Where a page is.
#[derive(Clone, Copy)]
struct Place {
    /// In which part of the memory in common.
    part: usize,
    /// Guest-physical.
    address: u64,
}

/// Looks at every page in common: its number, its place, and what each image has there.
fn walk<R: Read + Seek>(
    first: &mut PageMap<R>,
    second: &mut PageMap<R>,
    common: &[Common],
    is_cancelled: &dyn Fn() -> bool,
    see: &mut dyn FnMut(u64, Place, PageEntry, PageEntry) -> ControlFlow<()>,
) -> Result<(), CompareError> {
    let failed = |side| move |source| CompareError::PageMap { side, source };
    let mut number = 0;
    for (part, Common { address, pages, in_first, in_second }) in common.iter().enumerate() {
        let before = first.entries(*in_first).map_err(failed(Side::First))?;
        let after = second.entries(*in_second).map_err(failed(Side::Second))?;
        for (page, (before, after)) in (0..*pages).zip(before.zip(after)) {
            check(number, is_cancelled)?;
            let before = before.map_err(failed(Side::First))?;
            let after = after.map_err(failed(Side::Second))?;
            let address = address.saturating_add(page.saturating_mul(PAGE_BYTES));
            if see(number, Place { part, address }, before, after).is_break() {
                return Err(CompareError::Cancelled);
            }
            number = number.saturating_add(1);
        }
    }
    Ok(())
}

fn check(page: u64, is_cancelled: &dyn Fn() -> bool) -> Result<(), CompareError> {
    if page.is_multiple_of(PAGES_BETWEEN_CHECKS) && is_cancelled() {
        Err(CompareError::Cancelled)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
