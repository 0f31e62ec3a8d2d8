//! Images and page maps that others made, compared and hunted: whatever stands in them, figures add up, hits come in order
//! and within the limit, and on images that are sound a hunt finds exactly what is there.
#![no_main]

use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{damaged, scratch, stored};
use memdeck_image::fuzzing::{elf_headers, page_map};
use memdeck_image::{PageClass, PageMap};
use memdeck_model::{ComparedPage, HuntHit, HuntProgress, MapView, PageFate, PatternKind};
use memdeck_study::compare::{compare_maps, compare_maps_drawn};
use memdeck_study::hunt::{HuntedImage, Pattern, PatternOptions, PatternSet, Watcher, hunt};

const LIMIT: u64 = 50;
const NEEDLE: &[u8] = b"needle";
const SEGMENTS: [(u64, u64); 2] = [(0, 9000), (0x1_0000_0000, 7295)];

static IMAGE: LazyLock<PathBuf> = LazyLock::new(|| scratch().join("web-01_s1.elf.zst"));
static PATTERNS: LazyLock<PatternSet> = LazyLock::new(|| {
    let pattern = |text: &str, kind| Pattern { text: text.to_owned(), kind };
    let patterns = vec![pattern("needle", PatternKind::Text), pattern("ne+d[a-z]*", PatternKind::Regex)];
    PatternSet::new(patterns, PatternOptions { utf16: true, ignore_case: false }).expect("valid patterns")
});

/// Text, zeroes, and needles, one of them across a border.
fn memory() -> Vec<u8> {
    let mut memory = [b"page ".repeat(1000), vec![0; 4000], vec![7; 7295]].concat();
    for at in [100, 4093, 8990, 9100] {
        memory[at..at + NEEDLE.len()].copy_from_slice(NEEDLE);
    }
    memory
}

static MAP: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let map = page_map(&SEGMENTS, &memory());
    zstd::stream::decode_all(map.as_slice()).expect("frames and a skippable one")
});

#[derive(Default)]
struct Heard(Vec<HuntHit>);

impl Watcher for Heard {
    fn hit(&mut self, hit: &HuntHit) {
        self.0.push(hit.clone());
    }

    fn progress(&mut self, _: HuntProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn check_comparison(first: &[u8], second: &[u8]) {
    let map = |file| PageMap::new(Cursor::new(file));
    let (Ok(mut first), Ok(mut second)) = (map(first), map(second)) else { return };
    let mut pages = Vec::new();
    let mut see = |page: &ComparedPage| {
        pages.push(*page);
        ControlFlow::Continue(())
    };
    let Ok(comparison) = compare_maps(&mut first, &mut second, &mut see, &|| false) else { return };
    assert_eq!(comparison.pages.different(), pages.len() as u64);
    assert!(pages.is_sorted_by_key(|page| page.address));
    assert!(pages.iter().all(|page| (page.fate == PageFate::Zeroed) == (page.to == PageClass::Zero)));
    let classes: u64 = comparison.classes.iter().map(|class| class.pages.compared).sum();
    assert_eq!(classes, comparison.pages.compared);
    assert!(!comparison.summary().is_empty());
    let (drawn, map) =
        compare_maps_drawn(&mut first, &mut second, MapView::whole(64), &|| false).expect("as before");
    assert_eq!(drawn, comparison);
    assert!(map.cells() <= 64);
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let (map_frame, image_frame, is_sound) = data.arbitrary::<(u8, u16, bool)>().unwrap_or_default();
    let map_frame = usize::from(map_frame) + 1;
    let image_frame = usize::from(image_frame % 12_000) + 1;
    let map = if is_sound { MAP.clone() } else { damaged(&mut data, &[&MAP]) };
    if map.is_empty() {
        return;
    }
    let map = stored(&map, map_frame);
    check_comparison(&stored(&MAP, map_frame), &map);

    let image = [elf_headers(&SEGMENTS), memory()].concat();
    let image = stored(&image, image_frame);
    let image = if is_sound { image } else { damaged(&mut data, &[&image]) };
    fs::write(&*IMAGE, image).expect("a writable directory");
    fs::write(PageMap::path_beside(&IMAGE), map).expect("a writable directory");
    let mut heard = Heard::default();
    let images = [HuntedImage { path: &IMAGE, record: None }; 2];
    let report = hunt(&images, &PATTERNS, LIMIT, &mut heard);
    let hits = heard.0;
    assert!(report.hits == hits.len() as u64 && report.hits <= LIMIT);
    for dump in 0..2 {
        let of_dump = hits.iter().filter(|hit| hit.dump == dump);
        assert!(of_dump.is_sorted_by_key(|hit| hit.address) || !is_sound);
    }
    if is_sound {
        let needles: Vec<_> =
            hits.iter().filter(|hit| hit.pattern == 0).map(|hit| (hit.dump, hit.address.0)).collect();
        let here = [100, 4093, 8990, 0x1_0000_0000 + 100];
        let expected: Vec<_> = (0..2).flat_map(|dump| here.map(|address| (dump, address))).collect();
        assert_eq!(needles, expected);
    }
});
