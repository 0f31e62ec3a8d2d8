use std::path::PathBuf;

use memdeck_model::PatternKind;
use proptest::prelude::*;

use super::*;
use crate::synthetic::noise;
use crate::testing::Lab;

const PAGE: usize = 4096;
const TAKEN: &str = "2026-11-14T08:58:23Z";
const NO_LIMIT: u64 = 1 << 20;

/// Keeps what it is told.
#[derive(Default)]
struct Heard {
    hits: Vec<HuntHit>,
    told: Vec<HuntProgress>,
    stop_after: Option<usize>,
}

impl Watcher for Heard {
    fn hit(&mut self, hit: &HuntHit) {
        self.hits.push(hit.clone());
    }

    fn progress(&mut self, progress: HuntProgress) -> ControlFlow<()> {
        self.told.push(progress);
        if self.stop_after.is_some_and(|stop| self.told.len() >= stop) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn set(kind: PatternKind, texts: &[&str]) -> PatternSet {
    let patterns = texts.iter().map(|text| Pattern { text: (*text).to_owned(), kind }).collect();
    PatternSet::new(patterns, PatternOptions::default()).unwrap()
}

fn run(images: &[PathBuf], patterns: &PatternSet, limit: u64) -> (HuntReport, Vec<HuntHit>) {
    let images: Vec<_> = images.iter().map(|path| HuntedImage { path, record: None }).collect();
    let mut heard = Heard::default();
    let report = hunt(&images, patterns, limit, &mut heard);
    assert_eq!(report.hits, heard.hits.len() as u64);
    (report, heard.hits)
}

/// Dump, address and pattern of every hit.
fn places(hits: &[HuntHit]) -> Vec<(u32, u64, u32)> {
    hits.iter().map(|hit| (hit.dump, hit.address.0, hit.pattern)).collect()
}

/// What is there, by looking at every byte of every range.
fn naive(dump: u32, memory: &[(u64, Vec<u8>)], patterns: &[Vec<u8>]) -> Vec<(u32, u64, u32)> {
    let mut found = Vec::new();
    for (start, bytes) in memory {
        for at in 0..bytes.len() {
            for (number, pattern) in (0..).zip(patterns) {
                if bytes[at..].starts_with(pattern) {
                    found.push((dump, start + at as u64, number));
                }
            }
        }
    }
    found
}

/// Memory with patterns at these places; kinds of pages: 0 zeroes, else noise of that seed.
fn memory(pages: &[u8], planted: &[(usize, usize)], patterns: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes: Vec<u8> = pages
        .iter()
        .flat_map(|kind| if *kind == 0 { vec![0; PAGE] } else { noise(u64::from(*kind), PAGE) })
        .collect();
    for (at, pattern) in planted {
        let pattern = &patterns[pattern % patterns.len()];
        let at = at % bytes.len();
        let end = (at + pattern.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&pattern[..end - at]);
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_hunt_finds_what_a_look_at_every_byte_finds(
        guests in proptest::collection::vec(
            (proptest::collection::vec(0_u8..4, 1..600), proptest::collection::vec((any::<usize>(), any::<usize>()), 0..40)),
            1..4,
        ),
        near_borders in proptest::collection::vec((0_usize..600, -40_isize..40, any::<usize>()), 0..30),
    ) {
        let patterns = vec![b"needle".to_vec(), b"needle in a haystack".to_vec(), b"tail\0\0\0".to_vec(), b"eed".to_vec()];
        let texts = ["6e6565646c65", "6e6565646c6520696e206120686179737461636b", "7461696c000000", "656564"];
        let lab = Lab::new();
        let mut expected = Vec::new();
        let mut images = Vec::new();
        for (dump, (pages, planted)) in (0..).zip(&guests) {
            let near = near_borders.iter().map(|(page, shift, pattern)| {
                ((page % pages.len() * PAGE).saturating_add_signed(*shift), *pattern)
            });
            let planted: Vec<_> = planted.iter().copied().chain(near).collect();
            let bytes = memory(pages, &planted, &patterns);
            // Two ranges: nothing lies across them, although they follow each other in the image.
            let cut = bytes.len() / 2 / PAGE * PAGE;
            let parts = [(0, bytes[..cut].to_vec()), (1 << 32, bytes[cut..].to_vec())];
            let parts: Vec<_> = parts.into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
            expected.extend(naive(dump, &parts, &patterns));
            images.push(lab.store("web-01", TAKEN, &parts));
        }
        let set = set(PatternKind::Bytes, &texts);
        let (report, hits) = run(&images, &set, NO_LIMIT);
        let mut found = places(&hits);
        prop_assert!(found.is_sorted_by_key(|(dump, address, _)| (*dump, *address)));
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
        prop_assert!(!report.truncated && report.dumps.iter().all(|dump| dump.problem.is_none()));
        for hit in &hits {
            let before = usize::try_from(hit.address.0 - hit.around_address.0).unwrap();
            prop_assert!(hit.around[before..].starts_with(&patterns[hit.pattern as usize]));
        }
    }
}

#[test]
fn what_is_the_same_in_many_dumps_is_searched_once() {
    let lab = Lab::new();
    let pages: Vec<u8> = (0..100).chain(0..100).collect();
    let plain = memory(&pages, &[], &[b"needle".to_vec()]);
    let mut changed = plain.clone();
    changed[PAGE * 7 + 100..][..6].copy_from_slice(b"needle");
    let images = [("a", &plain), ("b", &plain), ("c", &changed), ("d", &changed)]
        .map(|(guest, bytes)| lab.store(guest, TAKEN, &[(0, bytes.clone())]));
    let (report, hits) = run(&images, &set(PatternKind::Text, &["needle"]), NO_LIMIT);
    let searched: Vec<u64> = report.dumps.iter().map(|dump| dump.searched_bytes.0 / PAGE as u64).collect();
    assert_eq!(searched, [99, 0, 1, 0], "each page once, zeroes never");
    assert_eq!(places(&hits), [(2, 7 * 4096 + 100, 0), (3, 7 * 4096 + 100, 0)]);
}

#[test]
fn a_regular_expression_across_a_border_is_one_hit() {
    let lab = Lab::new();
    let mut bytes = vec![b'.'; 3 * PAGE];
    bytes[PAGE - 5..][..12].copy_from_slice(b"id=123456789");
    bytes[2 * PAGE + 10..][..5].copy_from_slice(b"id=77");
    let image = lab.store("web-01", TAKEN, &[(0x1000, bytes)]);
    let (_, hits) = run(&[image], &set(PatternKind::Regex, &["id=[0-9]+"]), NO_LIMIT);
    let found: Vec<_> = hits.iter().map(|hit| (hit.address.0, hit.bytes)).collect();
    assert_eq!(found, [(0x2000 - 5, 12), (0x3000 + 10, 5)]);
}

#[test]
fn a_page_is_found_by_its_fingerprint_without_being_read() {
    let lab = Lab::new();
    let image = lab.store("web-01", TAKEN, &[(0, memory(&[1, 2, 1], &[], &[b"x".to_vec()]))]);
    let fingerprint =
        PageMap::open(&PageMap::path_beside(&image)).unwrap().entry(0).unwrap().unwrap().fingerprint;
    let text = format!("{:032X}", u128::from_be_bytes(fingerprint));
    let (report, hits) = run(&[image], &set(PatternKind::Page, &[&text]), NO_LIMIT);
    assert_eq!(places(&hits), [(0, 0, 0), (0, 0x2000, 0)]);
    assert_eq!(report.dumps[0].searched_bytes, ByteCount(0));
}

#[test]
fn a_hunt_ends_at_its_limit_and_says_so() {
    let lab = Lab::new();
    let image = lab.store("web-01", TAKEN, &[(0, b"needle..".repeat(5000))]);
    let patterns = set(PatternKind::Text, &["needle"]);
    for (limit, truncated) in [(10, true), (4999, true), (5000, false)] {
        let (report, hits) = run(std::slice::from_ref(&image), &patterns, limit);
        assert_eq!((hits.len() as u64, report.truncated), (limit, truncated));
        assert!(places(&hits).is_sorted());
        assert_eq!(report.patterns[0].hits, limit);
    }
}

#[test]
fn a_damaged_image_is_told_and_the_others_are_searched_whole() {
    let lab = Lab::new();
    let mut bytes: Vec<u8> = (0..600).flat_map(|seed| noise(seed, PAGE)).collect();
    for page in [5, 500] {
        bytes[page * PAGE..][..6].copy_from_slice(b"needle");
    }
    let images = ["a", "b"].map(|guest| lab.store(guest, TAKEN, &[(0, bytes.clone())]));
    let mut stored = std::fs::read(&images[0]).unwrap();
    let middle = stored.len() / 2;
    stored[middle] ^= 1;
    std::fs::write(&images[0], stored).unwrap();
    let (report, hits) = run(&images, &set(PatternKind::Text, &["needle"]), NO_LIMIT);
    let problems: Vec<_> = report.dumps.iter().map(|dump| dump.problem.is_some()).collect();
    assert_eq!(problems, [true, false]);
    let of_second: Vec<_> = places(&hits).into_iter().filter(|(dump, ..)| *dump == 1).collect();
    assert_eq!(of_second, [(1, 5 * 4096, 0), (1, 500 * 4096, 0)]);
}

#[test]
fn a_hunt_can_be_stopped() {
    let lab = Lab::new();
    let bytes: Vec<u8> = (0..2000_u64).flat_map(|seed| noise(seed, PAGE)).collect();
    let image = lab.store("web-01", TAKEN, &[(0, bytes)]);
    let mut heard = Heard { stop_after: Some(1), ..Heard::default() };
    let images = [HuntedImage { path: &image, record: None }; 2];
    let report = hunt(&images, &set(PatternKind::Text, &["needle"]), NO_LIMIT, &mut heard);
    assert_eq!((report.dumps.len(), heard.told.len()), (1, 1));
}
