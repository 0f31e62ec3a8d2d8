use std::collections::HashMap;
use std::fs::File;

use proptest::prelude::*;

use memdeck_model::{MemoryChanges, MemoryFigures};

use super::*;
use crate::synthetic::noise;
use crate::testing::Lab;

const PAGE: usize = 4096;
const TAKEN: &str = "2026-11-14T08:58:23Z";

/// Pages of memory by what is in them: 0 is zero, 1 and 2 are uniform, the others noise of that seed, or text.
fn memory(pages: &[u8]) -> Vec<u8> {
    let page = |content: &u8| match content {
        0..=2 => vec![*content; PAGE],
        3 => b"page ".iter().copied().cycle().take(PAGE).collect(),
        seed => noise(u64::from(*seed), PAGE),
    };
    pages.iter().flat_map(page).collect()
}

fn map_of(lab: &Lab, guest: &str, memory: &[(u64, Vec<u8>)]) -> PageMap<File> {
    let image = lab.store(guest, TAKEN, memory);
    PageMap::open_beside(&image, None).unwrap().0
}

/// The fates of the pages that differ, and the figures.
fn compared(
    first: &mut PageMap<File>,
    second: &mut PageMap<File>,
    most_fingerprints: u64,
) -> (Vec<(u64, PageFate)>, Comparison) {
    let mut pages = Vec::new();
    let mut see = |page: &ComparedPage| {
        pages.push((page.address.0, page.fate));
        ControlFlow::Continue(())
    };
    let comparison =
        compare_in_rounds(first, second, most_fingerprints, None, &mut see, &|| false).unwrap().0;
    let view = MapView::whole(MapView::MOST_CELLS);
    let (drawn, map) = compare_maps_drawn(first, second, view, &|| false).unwrap();
    assert_eq!(drawn, comparison);
    check_map(&map, &pages, &comparison);
    let different = comparison.pages.different();
    let changes = MemoryChanges { compared: comparison.pages.compared, different };
    assert_eq!(over_time::changes_of(first, second, &|| false).unwrap(), changes);
    (pages, comparison)
}

/// Each page that differs is in its cell, under its fate.
fn check_map(map: &ComparisonMap, pages: &[(u64, PageFate)], comparison: &Comparison) {
    assert_eq!(map.cell_pages, 1, "memory that is so small is drawn page by page");
    assert_eq!(map.cells() as u64, comparison.pages.compared);
    for (address, fate) in pages {
        let cell = map.cell_of(GuestPhysAddr(*address)).unwrap();
        let counts = [map.changed[cell], map.new[cell], map.zeroed[cell], map.moved[cell]];
        let expected = [PageFate::Changed, PageFate::New, PageFate::Zeroed, PageFate::Moved];
        assert_eq!(counts, expected.map(|one| u64::from(one == *fate)), "{address:#x}");
    }
    let drawn = [&map.changed, &map.new, &map.zeroed, &map.moved].into_iter().flatten().sum::<u64>();
    assert_eq!(drawn, pages.len() as u64);
}

/// What it must be, from the memory itself.
fn naive(first: &HashMap<u64, u8>, second: &HashMap<u64, u8>) -> Vec<(u64, PageFate)> {
    let mut fates: Vec<_> = second
        .iter()
        .filter_map(|(address, after)| {
            let before = first.get(address).filter(|before| *before != after)?;
            let fate = match (before, after) {
                (_, 0) => PageFate::Zeroed,
                (_, 3..) if first.values().any(|content| content == after) => PageFate::Moved,
                (0, _) => PageFate::New,
                _ => PageFate::Changed,
            };
            Some((*address, fate))
        })
        .collect();
    fates.sort_unstable_by_key(|(address, _)| *address);
    fates
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_page_has_the_fate_that_its_bytes_show(
        first in proptest::collection::vec(0_u8..8, 1..40),
        second in proptest::collection::vec(0_u8..8, 1..40),
        cut in 0_usize..40,
    ) {
        let lab = Lab::new();
        // The second is in two ranges, with a hole between them.
        let (low, high) = second.split_at(cut.min(second.len()));
        let high_address = (low.len() as u64 + 1) * 4096;
        let parts = [(0, low), (high_address, high)];
        let parts: Vec<_> = parts.iter().filter(|(_, pages)| !pages.is_empty()).collect();
        let place = |start: u64, pages: &[u8]| {
            (0..).zip(pages.to_vec()).map(move |(page, content): (u64, u8)| (start + page * 4096, content)).collect::<Vec<_>>()
        };
        let before: HashMap<u64, u8> = place(0, &first).into_iter().collect();
        let after: HashMap<u64, u8> = parts.iter().flat_map(|(start, pages)| place(*start, pages)).collect();
        let mut a = map_of(&lab, "web-01", &[(0, memory(&first))]);
        let stored: Vec<_> = parts.iter().map(|(start, pages)| (*start, memory(pages))).collect();
        let mut b = map_of(&lab, "web-02", &stored);
        let expected = naive(&before, &after);
        let common = after.keys().filter(|address| before.contains_key(address)).count() as u64;
        let mut told = None;
        for most_fingerprints in [1 << 20, 3] {
            let (pages, comparison) = compared(&mut a, &mut b, most_fingerprints);
            prop_assert_eq!(&pages, &expected);
            prop_assert_eq!(comparison.pages.compared, common);
            prop_assert_eq!(comparison.pages.different(), expected.len() as u64);
            let count = |fate| expected.iter().filter(|(_, found)| *found == fate).count() as u64;
            prop_assert_eq!(comparison.pages.moved, count(PageFate::Moved));
            let sums = |parts: Vec<u64>| parts.into_iter().sum::<u64>();
            prop_assert_eq!(sums(comparison.classes.iter().map(|class| class.pages.compared).collect()), common);
            prop_assert_eq!(sums(comparison.regions.iter().map(|region| region.pages.different()).collect()), expected.len() as u64);
            prop_assert_eq!(comparison.first.only_here, before.len() as u64 - common);
            prop_assert_eq!(comparison.second.only_here, after.len() as u64 - common);
            // However many rounds it takes.
            prop_assert!(told.is_none_or(|told| told == comparison));
            told = Some(comparison);
        }
    }
}

#[test]
fn figures_of_one_image_are_those_of_its_pages() {
    let lab = Lab::new();
    let mut map = map_of(&lab, "web-01", &[(0, memory(&[0, 0, 1, 4, 5])), (1 << 32, memory(&[0]))]);
    let figures = over_time::figures_of(&mut map, &|| false).unwrap();
    // Three pages are not zero: one of one byte alone, and two of noise, which has nearly eight bits per byte.
    let MemoryFigures { pages, zero_pages, mean_entropy_millibits } = figures;
    assert_eq!((pages, zero_pages), (6, 3));
    assert!((5200..5334).contains(&mean_entropy_millibits), "{mean_entropy_millibits}");
    let stopped = over_time::figures_of(&mut map, &|| true);
    assert!(matches!(stopped, Err(CompareError::Cancelled)));
}

#[test]
fn an_encryptor_is_seen_by_the_entropy_of_what_changed() {
    let lab = Lab::new();
    let text = vec![3; 600];
    let encrypted: Vec<u8> = (4..204).chain(4..104).chain([3; 300]).collect();
    // 200 seeds for 300 pages: some are the same, none was there before.
    let (mut a, mut b) =
        (map_of(&lab, "a", &[(0, memory(&text))]), map_of(&lab, "b", &[(0, memory(&encrypted))]));
    let (_, comparison) = compared(&mut a, &mut b, 1 << 20);
    assert_eq!((comparison.pages.changed, comparison.entropy.became_high_entropy), (300, 300));
    assert!(comparison.entropy.before_millibits < 3000 && comparison.entropy.after_millibits > 7800);
    assert!(comparison.summary()[1].contains("look encrypted"), "{:?}", comparison.summary());
}

#[test]
fn a_page_map_that_is_not_the_recorded_one_is_not_compared() {
    let lab = Lab::new();
    let first = lab.store("web-01", TAKEN, &[(0, memory(&[4, 5, 6]))]);
    let second = lab.store("web-01", TAKEN, &[(0, memory(&[4, 5, 7]))]);
    let compare = |first: &Path, second: &Path| {
        let image = |path| ComparedImage { path, record: None };
        compare(image(first), image(second), &mut |_| ControlFlow::Continue(()), &|| false)
    };
    let comparison = compare(&first, &second).unwrap();
    assert_eq!(comparison.pages.changed, 1);
    assert_eq!(comparison.first.guest.unwrap().0, "web-01");
    std::fs::copy(PageMap::path_beside(&first), PageMap::path_beside(&second)).unwrap();
    let error = compare(&first, &second).unwrap_err();
    assert!(
        matches!(
            error,
            CompareError::PageMap { side: Side::Second, source: PageMapError::NotAsRecorded { .. } }
        ),
        "{error:?}"
    );
    std::fs::remove_file(PageMap::path_beside(&second)).unwrap();
    assert!(compare(&second, &first).is_err());
}

#[test]
fn a_comparison_can_be_stopped() {
    let lab = Lab::new();
    let mut maps = [[4, 5], [6, 7]].map(|pages| map_of(&lab, "web-01", &[(0, memory(&pages))]));
    let [first, second] = &mut maps;
    let stopped = compare_maps(first, second, &mut |_| ControlFlow::Continue(()), &|| true);
    assert!(matches!(stopped, Err(CompareError::Cancelled)));
    let broken_off = compare_maps(first, second, &mut |_| ControlFlow::Break(()), &|| false);
    assert!(matches!(broken_off, Err(CompareError::Cancelled)));
}
