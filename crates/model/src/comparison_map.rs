//! A picture of what changed between two dumps: memory in cells of so many pages, and what two dumps have of one page.

use serde::{Deserialize, Serialize};

use crate::{ByteCount, Comparison, GuestPhysAddr, PageFate};

/// Which part of memory is drawn, and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapView {
    /// Where it begins.
    pub from: GuestPhysAddr,
    /// Where it ends; this byte is left out.
    pub until: GuestPhysAddr,
    /// The most cells, from 1 to [`MapView::MOST_CELLS`].
    pub cells: u32,
}

impl MapView {
    /// More cells than this are not drawn.
    pub const MOST_CELLS: u32 = 16_384;

    /// All memory.
    #[must_use]
    pub const fn whole(cells: u32) -> Self {
        Self { from: GuestPhysAddr(0), until: GuestPhysAddr(u64::MAX), cells }
    }

    /// The same with a number of cells that can be drawn.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self { cells: self.cells.clamp(1, Self::MOST_CELLS), ..self }
    }
}

/// Memory that lies together in both dumps and in the part that is drawn. Its first cell begins at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MapPart {
    /// Where it begins.
    pub address: GuestPhysAddr,
    /// Pages in it.
    pub pages: u64,
    /// Its first cell, from 0.
    pub first_cell: u32,
}

/// The map: each list has a number for each cell, in ascending order of addresses. Memory that not both dumps have is not in
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComparisonMap {
    /// Bytes of a page.
    pub page_bytes: ByteCount,
    /// Pages of a cell; the last one of a part may have fewer.
    pub cell_pages: u64,
    /// Where the cells are.
    pub parts: Vec<MapPart>,
    /// Pages of each cell that have other content.
    pub changed: Vec<u64>,
    /// Pages that were zeroes and have content that the first dump had nowhere.
    pub new: Vec<u64>,
    /// Pages that became zeroes.
    pub zeroed: Vec<u64>,
    /// Pages whose content was elsewhere in the first dump.
    pub moved: Vec<u64>,
    /// Mean entropy in the first dump, in hundredths of a bit per byte; zeroes count.
    pub entropy_before: Vec<u16>,
    /// Mean entropy in the second dump.
    pub entropy_after: Vec<u16>,
}

/// A comparison and a map of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DrawnComparison {
    /// The figures, of all memory.
    pub comparison: Comparison,
    /// The map of the part that was asked for.
    pub map: ComparisonMap,
}

/// What two dumps have of one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComparedBytes {
    /// Where the page begins.
    pub address: GuestPhysAddr,
    /// The first dump's bytes, as lower-case hexadecimal digits; missing where it has no such page.
    #[serde(with = "crate::hex::optional")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub first: Option<Vec<u8>>,
    /// The second dump's bytes.
    #[serde(with = "crate::hex::optional")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub second: Option<Vec<u8>>,
}

/// A page as the map counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedPage {
    /// What became of it.
    pub fate: PageFate,
    /// Its entropy in the first dump, in 4096ths of a bit per byte.
    pub from_entropy_4096ths: u16,
    /// Its entropy in the second dump.
    pub to_entropy_4096ths: u16,
}

/// Counts pages into the cells of a map.
#[derive(Debug)]
pub struct MapCounts {
    map: ComparisonMap,
    /// Sums of entropy, and pages, of each cell.
    entropy: Vec<(u64, u64, u64)>,
}

impl MapCounts {
    /// A map of memory that lies at these addresses, so many pages each, of which `view` shows a part.
    #[must_use]
    pub fn new(memory: &[(GuestPhysAddr, u64)], page_bytes: ByteCount, view: MapView) -> Self {
        let view = view.bounded();
        let shown: Vec<(u64, u64)> =
            memory.iter().filter_map(|part| shown(*part, page_bytes.0, view)).collect();
        let pages = shown.iter().fold(0_u64, |sum, (_, pages)| sum.saturating_add(*pages));
        let most = u64::from(view.cells);
        let mut cell_pages = pages.div_ceil(most).max(1).next_power_of_two();
        let cells = |cell_pages: u64| {
            shown.iter().fold(0_u64, |sum, (_, pages)| sum.saturating_add(pages.div_ceil(cell_pages)))
        };
        // Each part begins with a cell of its own; where there are more parts than cells, the last ones are left out.
        while cells(cell_pages) > most && cell_pages < pages {
            cell_pages = cell_pages.saturating_mul(2);
        }
        let mut parts = Vec::new();
        let mut first_cell = 0_u64;
        for (address, pages) in shown {
            let end = first_cell.saturating_add(pages.div_ceil(cell_pages));
            if end > most {
                break;
            }
            let first = u32::try_from(first_cell).unwrap_or(u32::MAX);
            parts.push(MapPart { address: GuestPhysAddr(address), pages, first_cell: first });
            first_cell = end;
        }
        let count = usize::try_from(first_cell).unwrap_or(0);
        let none = vec![0; count];
        let map = ComparisonMap {
            page_bytes,
            cell_pages,
            parts,
            changed: none.clone(),
            new: none.clone(),
            zeroed: none.clone(),
            moved: none,
            entropy_before: Vec::new(),
            entropy_after: Vec::new(),
        };
        Self { map, entropy: vec![(0, 0, 0); count] }
    }

    /// Counts a page, if it is shown.
    pub fn count(&mut self, address: GuestPhysAddr, page: MappedPage) {
        let Some(cell) = self.map.cell_of(address) else { return };
        if let Some(sums) = self.entropy.get_mut(cell) {
            sums.0 = sums.0.saturating_add(page.from_entropy_4096ths.into());
            sums.1 = sums.1.saturating_add(page.to_entropy_4096ths.into());
            sums.2 = sums.2.saturating_add(1);
        }
        let counts = match page.fate {
            PageFate::Unchanged => return,
            PageFate::Zeroed => &mut self.map.zeroed,
            PageFate::Moved => &mut self.map.moved,
            PageFate::New => &mut self.map.new,
            PageFate::Changed => &mut self.map.changed,
        };
        if let Some(count) = counts.get_mut(cell) {
            *count = count.saturating_add(1);
        }
    }

    #[must_use]
    pub fn finish(self) -> ComparisonMap {
        let hundredths = |sum: u64, pages: u64| {
            let mean = sum.saturating_mul(100) / 4096;
            u16::try_from(mean.checked_div(pages).unwrap_or(0)).unwrap_or(u16::MAX)
        };
        let entropy_before =
            self.entropy.iter().map(|(before, _, pages)| hundredths(*before, *pages)).collect();
        let entropy_after = self.entropy.iter().map(|(_, after, pages)| hundredths(*after, *pages)).collect();
        ComparisonMap { entropy_before, entropy_after, ..self.map }
    }
}

/// What of a part of memory is in the view: its address and its pages.
fn shown((address, pages): (GuestPhysAddr, u64), page_bytes: u64, view: MapView) -> Option<(u64, u64)> {
    let page_bytes = page_bytes.max(1);
    let skipped = view.from.0.saturating_sub(address.0) / page_bytes;
    let end = address.0.saturating_add(pages.saturating_mul(page_bytes));
    let left_out = end.saturating_sub(view.until.0) / page_bytes;
    let pages = pages.checked_sub(skipped)?.checked_sub(left_out)?;
    let begins = address.0.saturating_add(skipped.saturating_mul(page_bytes));
    (pages > 0).then_some((begins, pages))
}

impl ComparisonMap {
    /// How many cells there are.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.changed.len()
    }

    /// Pages of a cell that are not as they were.
    #[must_use]
    pub fn different(&self, cell: usize) -> u64 {
        let lists = [&self.changed, &self.new, &self.zeroed, &self.moved];
        lists.iter().filter_map(|list| list.get(cell)).fold(0, |sum, pages| sum.saturating_add(*pages))
    }

    /// The memory of a cell: where it begins, and how many pages it has.
    #[must_use]
    pub fn memory_of(&self, cell: usize) -> Option<(GuestPhysAddr, u64)> {
        let cell = u32::try_from(cell).ok()?;
        let behind = self.parts.partition_point(|part| part.first_cell <= cell);
        let part = self.parts.get(behind.checked_sub(1)?)?;
        let skipped = u64::from(cell.checked_sub(part.first_cell)?).checked_mul(self.cell_pages)?;
        let pages = part.pages.checked_sub(skipped)?.min(self.cell_pages);
        let address = part.address.0.checked_add(skipped.checked_mul(self.page_bytes.0)?)?;
        (pages > 0).then_some((GuestPhysAddr(address), pages))
    }

    /// The cell that has a page.
    #[must_use]
    pub fn cell_of(&self, page: GuestPhysAddr) -> Option<usize> {
        let behind = self.parts.partition_point(|part| part.address <= page);
        let part = self.parts.get(behind.checked_sub(1)?)?;
        let number = page.0.saturating_sub(part.address.0).checked_div(self.page_bytes.0)?;
        if number >= part.pages {
            return None;
        }
        let within = usize::try_from(number.checked_div(self.cell_pages)?).ok()?;
        usize::try_from(part.first_cell).ok()?.checked_add(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn page(fate: PageFate, from_bits: u16, to_bits: u16) -> MappedPage {
        MappedPage { fate, from_entropy_4096ths: from_bits * 4096, to_entropy_4096ths: to_bits * 4096 }
    }

    fn counts(memory: &[(u64, u64)], view: MapView) -> MapCounts {
        let memory: Vec<_> =
            memory.iter().map(|(address, pages)| (GuestPhysAddr(*address), *pages)).collect();
        MapCounts::new(&memory, ByteCount(PAGE), view)
    }

    #[test]
    fn every_page_is_in_a_cell_and_no_cell_spans_two_parts() {
        let memory = [(0, 160), (0xc_0000, 1000), (1 << 32, 64)];
        for cells in [1, 3, 7, 64, 500, 16_384] {
            let mut counts = counts(&memory, MapView::whole(cells));
            for (address, pages) in memory {
                for number in 0..pages {
                    counts.count(GuestPhysAddr(address + number * PAGE), page(PageFate::Changed, 0, 8));
                }
            }
            let map = counts.finish();
            assert!(map.cells() <= cells as usize, "{cells}");
            assert!(map.cell_pages.is_power_of_two());
            let drawn: u64 = map.parts.iter().map(|part| part.pages).sum();
            assert_eq!(map.changed.iter().sum::<u64>(), drawn, "{cells}");
            if cells >= 3 {
                assert_eq!(drawn, 1224, "{cells}");
                assert!(map.changed.iter().all(|pages| (1..=map.cell_pages).contains(pages)), "{cells}");
                assert!(map.entropy_after.iter().all(|entropy| *entropy == 800));
            }
        }
    }

    #[test]
    fn a_cell_knows_its_memory() {
        let mut counts = counts(&[(0, 10), (100 * PAGE, 3)], MapView::whole(4));
        counts.count(GuestPhysAddr(9 * PAGE), page(PageFate::New, 0, 0));
        counts.count(GuestPhysAddr(101 * PAGE), page(PageFate::Moved, 0, 0));
        counts.count(GuestPhysAddr(102 * PAGE), page(PageFate::Zeroed, 0, 0));
        let map = counts.finish();
        assert_eq!(map.cell_pages, 4);
        let told: Vec<_> =
            (0..5).map(|cell| map.memory_of(cell).map(|(at, pages)| (at.0 / PAGE, pages))).collect();
        assert_eq!(told, [Some((0, 4)), Some((4, 4)), Some((8, 2)), Some((100, 3)), None]);
        assert_eq!([0, 1, 2, 3, 4].map(|cell| map.different(cell)), [0, 0, 1, 2, 0]);
        for cell in 0..map.cells() {
            assert_eq!(map.cell_of(map.memory_of(cell).unwrap().0), Some(cell));
        }
    }

    #[test]
    fn a_view_shows_the_pages_between_its_ends() {
        let memory = [(0, 16), (100 * PAGE, 16)];
        let view = |from: u64, until: u64| MapView {
            from: GuestPhysAddr(from),
            until: GuestPhysAddr(until),
            cells: 64,
        };
        let parts = |from, until| {
            let map = counts(&memory, view(from, until)).finish();
            map.parts.iter().map(|part| (part.address.0, part.pages)).collect::<Vec<_>>()
        };
        assert_eq!(parts(0, u64::MAX), [(0, 16), (100 * PAGE, 16)]);
        assert_eq!(parts(4 * PAGE, 102 * PAGE), [(4 * PAGE, 12), (100 * PAGE, 2)]);
        assert_eq!(parts(16 * PAGE, 100 * PAGE), []);
        assert_eq!(parts(u64::MAX, 0), []);

        let mut one = counts(&memory, view(2 * PAGE, 4 * PAGE));
        one.count(GuestPhysAddr(2 * PAGE), page(PageFate::New, 0, 4));
        one.count(GuestPhysAddr(3 * PAGE), page(PageFate::Unchanged, 2, 2));
        one.count(GuestPhysAddr(4 * PAGE), page(PageFate::Zeroed, 2, 0));
        let map = one.finish();
        assert_eq!((map.cell_pages, map.new, map.zeroed), (1, vec![1, 0], vec![0, 0]));
        assert_eq!((map.entropy_before, map.entropy_after), (vec![0, 200], vec![400, 200]));
    }

    #[test]
    fn a_view_of_hostile_numbers_is_bounded() {
        let far = counts(&[(u64::MAX - 10, u64::MAX)], MapView::whole(u32::MAX)).finish();
        assert!(far.cells() <= MapView::MOST_CELLS as usize);
        let many: Vec<_> = (0..40_000).map(|part| (part * 2 * PAGE, 1)).collect();
        assert!(counts(&many, MapView::whole(u32::MAX)).finish().cells() <= MapView::MOST_CELLS as usize);
    }
}
