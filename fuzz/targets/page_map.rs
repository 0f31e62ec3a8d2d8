//! The page map of an image: whatever stands in it, an entry is the same however it is come by, and what was written
//! is read again.
#![no_main]

use std::io::Cursor;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{damaged, stored};
use memdeck_image::fuzzing::page_map;
use memdeck_image::{PageClass, PageEntry, PageMap};

/// Bytes of an entry.
const ENTRY_BYTES: u64 = 20;

/// Of text, one byte repeated, zeroes, and pages that are not full.
static MAP: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let memory = [b"page ".repeat(820), vec![7; 4092], vec![0; 4100], b"end".to_vec()].concat();
    page_map(&[(0, 5000), (0x1_0000_0000, 7295)], &memory)
});
static CONTENT: LazyLock<Vec<u8>> =
    LazyLock::new(|| zstd::stream::decode_all(MAP.as_slice()).expect("frames and a skippable one"));

fn check_entry(entry: &PageEntry) {
    assert!((0.0..=8.0).contains(&entry.entropy_bits()), "{entry:?}");
    assert!(entry.fill == 0 || entry.class == PageClass::Uniform, "{entry:?}");
    assert_eq!(PageClass::from_code(entry.class.code()), Some(entry.class));
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let (frame_bytes, first) = data.arbitrary::<(u8, u8)>().unwrap_or_default();
    let is_stored_anew = data.ratio(7, 8).unwrap_or(true);
    // As memdeck writes it a map is one frame, of which damage leaves nothing: so what is in it is damaged.
    let (file, most_pages) = if is_stored_anew {
        let content = damaged(&mut data, &[&CONTENT]);
        if content.is_empty() {
            return;
        }
        (stored(&content, usize::from(frame_bytes) + 1), content.len() as u64 / ENTRY_BYTES)
    } else {
        (damaged(&mut data, &[&MAP]), u64::MAX)
    };
    let Ok(mut map) = PageMap::new(Cursor::new(file.as_slice())) else {
        return;
    };
    let pages = map.pages();
    assert!(pages <= most_pages);
    let all: Vec<_> = map.entries(0).expect("a place in the map").collect();
    let good = all.iter().take_while(|entry| entry.is_ok()).count() as u64;
    // After an error there are no more.
    assert_eq!(all.len() as u64, if good < pages { good + 1 } else { pages });
    for (page, entry) in (0..).zip(&all) {
        let alone = map.entry(page);
        match entry {
            Ok(entry) => {
                check_entry(entry);
                assert_eq!(alone.expect("an entry that was read before"), Some(*entry));
            }
            Err(error) => assert_eq!(alone.expect_err("the same error").to_string(), error.to_string()),
        }
    }
    let first = u64::from(first).min(good);
    let rest = map.entries(first).expect("a place in the map").map_while(Result::ok);
    assert!(rest.eq(all.iter().flatten().copied().skip(usize::try_from(first).expect("a number of pages"))));
    for page in [pages, pages + 1, u64::MAX] {
        assert_eq!(map.address(page), None);
        assert!(map.entry(page).is_ok_and(|entry| entry.is_none()));
        assert_eq!(map.entries(page).map(Iterator::count).ok(), Some(0));
    }
});
