//! Figures of one image, and of what changed since another one, for many dumps of a guest: one pass over the page maps each, and
//! nothing that grows with them.

use std::io::{Read, Seek};
use std::ops::ControlFlow;

use memdeck_image::PageMap;
use memdeck_model::{MemoryChanges, MemoryFigures, PageClass};

use super::figures::Entropy;
use super::{CompareError, ComparedImage, Side, check, in_common, open, walk};

/// What the page map of an image adds up to.
///
/// # Errors
/// It has none, or one that is damaged or not the one that was recorded; or it was stopped.
pub fn memory_figures(
    image: ComparedImage<'_>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<MemoryFigures, CompareError> {
    figures_of(&mut open(Side::Second, image)?.0, is_cancelled)
}

/// How much of the second image's memory is not as it was in the first.
///
/// # Errors
/// As of [`memory_figures`], for either.
pub fn memory_changes(
    first: ComparedImage<'_>,
    second: ComparedImage<'_>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<MemoryChanges, CompareError> {
    changes_of(&mut open(Side::First, first)?.0, &mut open(Side::Second, second)?.0, is_cancelled)
}

pub(super) fn figures_of<R: Read + Seek>(
    map: &mut PageMap<R>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<MemoryFigures, CompareError> {
    let failed = |source| CompareError::PageMap { side: Side::Second, source };
    let mut entropy = Entropy::default();
    let mut figures = MemoryFigures { pages: map.pages(), ..MemoryFigures::default() };
    for (page, entry) in (0_u64..).zip(map.entries(0).map_err(failed)?) {
        check(page, is_cancelled)?;
        let entry = entry.map_err(failed)?;
        figures.zero_pages += u64::from(entry.class == PageClass::Zero);
        entropy.count(&entry);
    }
    figures.mean_entropy_millibits = entropy.mean_millibits();
    Ok(figures)
}

pub(super) fn changes_of<R: Read + Seek>(
    first: &mut PageMap<R>,
    second: &mut PageMap<R>,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<MemoryChanges, CompareError> {
    let common = in_common(first, second)?;
    let mut changes = MemoryChanges::default();
    walk(first, second, &common, is_cancelled, &mut |_, _, before, after| {
        changes.compared += 1;
        changes.different += u64::from(before.fingerprint != after.fingerprint);
        ControlFlow::Continue(())
    })?;
    Ok(changes)
}
