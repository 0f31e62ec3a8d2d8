//! The pages that differ between two dumps, as a list and as the memory of the second one that they are.

use std::ops::ControlFlow;

use memdeck_model::{ChangedPages, ComparedPage, GuestPhysAddr};

use super::{CompareError, ComparedImage, PAGE_BYTES, compare};
use crate::page::{PageError, PageReader};

/// See `LiME`'s `doc/README.md`: before every range of memory a header of 32 bytes, little-endian: magic, version, first address, last
/// address (inclusive), 8 bytes of zero.
const LIME_MAGIC: u32 = 0x4C69_4D45;
const LIME_VERSION: u32 = 1;

/// The first `most` pages that differ, from an address on.
///
/// # Errors
/// As [`compare`].
pub fn changed_pages(
    first: ComparedImage<'_>,
    second: ComparedImage<'_>,
    from: GuestPhysAddr,
    most: usize,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<ChangedPages, CompareError> {
    let mut changed = ChangedPages::default();
    let mut page = |page: &ComparedPage| {
        if page.address < from {
            return ControlFlow::Continue(());
        }
        if changed.pages.len() == most {
            changed.next = Some(page.address);
            return ControlFlow::Break(());
        }
        changed.pages.push(*page);
        ControlFlow::Continue(())
    };
    match compare(first, second, &mut page, is_cancelled) {
        // It was broken off here.
        Err(CompareError::Cancelled) if changed.next.is_some() => Ok(changed),
        compared => compared.map(|_| changed),
    }
}

/// What an image has of these pages, in ascending order of addresses, as `LiME` writes it. A page that it does not have is left out.
///
/// # Errors
/// They cannot be read, or are not those that were recorded.
pub fn as_lime(image: &mut PageReader, pages: &[ComparedPage]) -> Result<Vec<u8>, PageError> {
    let mut lime = Vec::new();
    let mut range: Option<(u64, Vec<u8>)> = None;
    for page in pages {
        let Some(bytes) = image.read(page.address)? else { continue };
        match &mut range {
            // A page that is shorter than others ends its memory.
            Some((start, memory))
                if start.saturating_add(length(memory)) == page.address.0
                    && length(memory).is_multiple_of(PAGE_BYTES) =>
            {
                memory.extend(bytes);
            }
            _ => {
                write_range(&mut lime, range.replace((page.address.0, bytes)));
            }
        }
    }
    write_range(&mut lime, range);
    Ok(lime)
}

fn write_range(lime: &mut Vec<u8>, range: Option<(u64, Vec<u8>)>) {
    let Some((start, memory)) = range else { return };
    let last = start.saturating_add(length(&memory).saturating_sub(1));
    lime.extend(LIME_MAGIC.to_le_bytes());
    lime.extend(LIME_VERSION.to_le_bytes());
    lime.extend(start.to_le_bytes());
    lime.extend(last.to_le_bytes());
    lime.extend([0; 8]);
    lime.extend(memory);
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::noise;
    use crate::testing::Lab;

    const TAKEN: &str = "2026-11-14T08:58:23Z";

    /// Where each range of a file in `LiME`'s format begins, and its bytes.
    fn ranges(mut lime: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        let mut ranges = Vec::new();
        while !lime.is_empty() {
            let (header, rest) = lime.split_at(32);
            assert_eq!(header[..8], [0x45, 0x4d, 0x69, 0x4c, 1, 0, 0, 0]);
            let (start, last) = (number(&header[8..16]), number(&header[16..24]));
            let (memory, rest) = rest.split_at(usize::try_from(last - start + 1).unwrap());
            ranges.push((start, memory.to_vec()));
            lime = rest;
        }
        ranges
    }

    #[test]
    fn the_pages_that_differ_are_written_as_they_are_now_range_by_range() {
        let lab = Lab::new();
        let page = |seed| noise(seed, 4096);
        let before: Vec<u8> = (1..=6).flat_map(page).collect();
        let after: Vec<u8> = [1, 20, 30, 4, 50, 6].into_iter().flat_map(page).collect();
        let high = 1 << 32;
        let first = lab.store("web-01", TAKEN, &[(0x1000, before), (high, page(7))]);
        let second = lab.store("web-01", TAKEN, &[(0x1000, after), (high, vec![0; 4096])]);
        let image = |path| ComparedImage { path, record: None };
        let of = |from, most| {
            changed_pages(image(&first), image(&second), GuestPhysAddr(from), most, &|| false).unwrap()
        };
        let changed = of(0, 100);
        let addresses: Vec<u64> = changed.pages.iter().map(|page| page.address.0).collect();
        assert_eq!((addresses, changed.next), (vec![0x2000, 0x3000, 0x5000, high], None));
        let mut reader = PageReader::open(&second, None).unwrap();
        let both = [page(20), page(30)].concat();
        let expected = [(0x2000, both), (0x5000, page(50)), (high, vec![0; 4096])];
        assert_eq!(ranges(&as_lime(&mut reader, &changed.pages).unwrap()), expected);

        let part = of(0x3000, 2);
        let addresses: Vec<u64> = part.pages.iter().map(|page| page.address.0).collect();
        assert_eq!((addresses, part.next), (vec![0x3000, 0x5000], Some(GuestPhysAddr(high))));
        assert_eq!(of(high + 1, 2), ChangedPages::default());
    }
}
