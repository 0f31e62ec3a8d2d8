use std::fs;
use std::io::Cursor;

use memdeck_model::{Manifest, PageTotals};
use proptest::prelude::*;

use super::*;
use crate::format::manifest::ManifestFile;
use crate::format::page_map::PageClass;
use crate::synthetic::noise;
use crate::testing::{Lab, provenance};

const MIB: usize = 1 << 20;

/// A core whose segments are these: bytes of anything before each, and its memory.
fn core_with_gaps(segments: &[(u64, usize, Vec<u8>)]) -> Vec<u8> {
    let head = 64 + 56 * segments.len();
    let mut image = crate::synthetic::headers(&vec![(0, 0); segments.len() - 1]);
    image.truncate(head);
    image.resize(head, 0);
    for (index, (address, gap, memory)) in segments.iter().enumerate() {
        image.resize(image.len() + gap, 0xaa);
        let length = memory.len() as u64;
        let header = [image.len() as u64, 0, *address, length, length, 0];
        let header: Vec<u8> = [1_u32, 0]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .chain(header.iter().flat_map(|long| long.to_le_bytes()))
            .collect();
        image[64 + 56 * index..][..56].copy_from_slice(&header);
        image.extend(memory);
    }
    image
}

/// The page map as one would make it of the segments, page by page.
fn naive(segments: &[(u64, usize, Vec<u8>)]) -> Vec<(u64, PageEntry)> {
    let page_entry = |page: &[u8]| {
        let mut whole = page.to_vec();
        whole.resize(4096, 0);
        let mut counts = [0_u32; 256];
        for byte in &whole {
            counts[usize::from(*byte)] += 1;
        }
        let share = |count: u32| f64::from(count) / 4096.0;
        let used = counts.into_iter().filter(|count| *count > 0);
        let entropy: f64 = used.map(|count| -share(count) * share(count).log2()).sum();
        let printable: u32 = (32..127).chain([9, 10, 13]).map(|byte: usize| counts[byte]).sum();
        let class = match () {
            () if counts[0] == 4096 => PageClass::Zero,
            () if counts.contains(&4096) => PageClass::Uniform,
            () if printable >= 3892 => PageClass::Text,
            () if counts[0] >= 3072 => PageClass::Sparse,
            () if entropy >= 7.8 => PageClass::HighEntropy,
            () => PageClass::Binary,
        };
        let fill = if class == PageClass::Uniform { whole[0] } else { 0 };
        let fingerprint = blake3::hash(&whole).as_bytes()[..16].try_into().unwrap();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 32768")]
        let entropy_4096ths = (entropy * 4096.0).round() as u16;
        PageEntry { fingerprint, class, fill, entropy_4096ths }
    };
    let pages = |(address, _, memory): &(u64, usize, Vec<u8>)| -> Vec<_> {
        let addresses = (0..).map(|page: u64| address + page * 4096);
        addresses.zip(memory.chunks(4096).map(page_entry)).collect()
    };
    segments.iter().flat_map(pages).collect()
}

fn stored(lab: &Lab, stream: impl Read) -> (PageMap, Manifest) {
    let mut partial = lab.partial();
    partial.capture_core(stream).unwrap();
    let sealed = partial.seal(provenance()).unwrap();
    (
        PageMap::open(&sealed.page_map.unwrap()).unwrap(),
        ManifestFile::read(&sealed.manifest).unwrap().manifest,
    )
}

fn assert_is(map: &mut PageMap, expected: &[(u64, PageEntry)]) {
    assert_eq!(map.pages(), expected.len() as u64);
    let entries: Vec<PageEntry> = map.entries(0).unwrap().map(Result::unwrap).collect();
    for (page, (entry, (address, expected))) in (0..).zip(entries.iter().zip(expected)) {
        assert_eq!(map.address(page).unwrap().0, *address, "page {page}");
        let near = entry.entropy_4096ths.abs_diff(expected.entropy_4096ths) <= 1;
        let entry = PageEntry { entropy_4096ths: expected.entropy_4096ths, ..*entry };
        assert!(near && entry == *expected, "page {page}: {entry:?} instead of {expected:?}");
    }
}

/// Memory in which zeroes, other bytes, text, sparse tables, noise and code take turns in runs of odd lengths.
fn memory(bytes: usize, seed: u64) -> Vec<u8> {
    let mut memory = Vec::new();
    for (turn, word) in (0_usize..).zip(noise(seed, 4096).as_chunks().0) {
        let length = usize::from(u16::from_le_bytes(*word)) * 3 % 50_000;
        match turn % 7 {
            0 | 1 => memory.extend(vec![0; length * 4]),
            2 => memory.extend(vec![0x5a; length]),
            3 => memory.extend(b"some text of an operator\n".iter().cycle().take(length)),
            4 => memory.extend([1, 2, 0, 0, 0, 0, 0, 0, 0, 0].iter().cycle().take(length)),
            5 => memory.extend(noise(seed + turn as u64, length)),
            _ => memory.extend(noise(seed, length).iter().map(|byte| byte & 0x3f)),
        }
        if memory.len() >= bytes {
            break;
        }
    }
    memory.truncate(bytes);
    memory
}

/// Reads in pieces of these lengths, in turn.
struct Pieces<'a> {
    rest: &'a [u8],
    lengths: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.lengths.next().unwrap().min(buffer.len());
        self.rest.read(&mut buffer[..length])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_reads_and_any_place_of_memory_give_the_same_map(
        parts in proptest::collection::vec((0_usize..9000, 1_usize..3 * MIB / 2), 1..4),
        seed in 0_u64..1000,
        lengths in proptest::collection::vec(1_usize..300_000, 1..20),
    ) {
        let mut address = 0;
        let segments: Vec<(u64, usize, Vec<u8>)> = parts
            .into_iter()
            .map(|(gap, bytes)| {
                let segment = (address, gap, memory(bytes, seed + address));
                address += 1 << 32;
                segment
            })
            .collect();
        let image = core_with_gaps(&segments);
        let lab = Lab::new();
        let stream = Pieces { rest: &image, lengths: lengths.into_iter().cycle() };
        let (mut map, manifest) = stored(&lab, stream);
        let expected = naive(&segments);
        assert_is(&mut map, &expected);
        let totals = manifest.page_map.unwrap().pages;
        let count = |class| expected.iter().filter(|(_, entry)| entry.class == class).count() as u64;
        prop_assert_eq!(
            totals,
            PageTotals {
                total: expected.len() as u64,
                zero: count(PageClass::Zero),
                uniform: count(PageClass::Uniform),
                text: count(PageClass::Text),
                sparse: count(PageClass::Sparse),
                high_entropy: count(PageClass::HighEntropy),
                binary: count(PageClass::Binary),
            }
        );
    }
}

#[test]
fn every_page_can_be_asked_for() {
    let segments = [(0, 100, memory(3 * MIB, 3)), (1 << 32, 5, memory(MIB, 4))];
    let lab = Lab::new();
    let (mut map, _) = stored(&lab, core_with_gaps(&segments).as_slice());
    let expected = naive(&segments);
    for page in [0, 1, 255, 256, 700, 767, 768, 1000, 1023] {
        let (address, entry) = expected[page];
        let page = page as u64;
        assert_eq!(map.address(page).unwrap().0, address);
        assert_eq!(map.entry(page).unwrap().unwrap().fingerprint, entry.fingerprint);
        assert_eq!(map.entries(page).unwrap().next().unwrap().unwrap().fingerprint, entry.fingerprint);
    }
    assert_eq!((map.entry(1024).unwrap(), map.address(1024)), (None, None));
    assert!(map.entries(1024).unwrap().next().is_none());
}

#[test]
fn the_manifest_tells_the_mean_entropy_of_pages_with_content() {
    let every_byte: Vec<u8> = (0..=255).cycle().take(4096).collect();
    let memory = [vec![0; 2 * 4096], every_byte, vec![1; 4096]].concat();
    let (_, manifest) = stored(&Lab::new(), core_with_gaps(&[(0, 0, memory)]).as_slice());
    assert_eq!(manifest.page_map.unwrap().mean_entropy_millibits, 4000);
}

#[test]
fn segments_out_of_order_have_no_page_map() {
    let mut image = core_with_gaps(&[(0, 0, vec![1; 8192]), (1 << 20, 0, vec![2; 4096])]);
    let (first, second) = image[64..64 + 112].split_at_mut(56);
    first.swap_with_slice(second);
    let lab = Lab::new();
    let mut partial = lab.partial();
    let captured = partial.capture_core(image.as_slice()).unwrap();
    assert_eq!(captured.page_map, None);
    let sealed = partial.seal(provenance()).unwrap();
    assert_eq!(sealed.page_map, None);
    assert!(!PageMap::path_beside(&sealed.image).exists(), "{:?}", lab.files());
}

#[test]
fn what_is_no_page_map_is_refused() {
    let lab = Lab::new();
    let path = lab.store(&core_with_gaps(&[(0, 0, memory(MIB, 1))])).page_map.unwrap();
    let mut content = Vec::new();
    crate::ImageReader::open(&path).unwrap().read_to_end(&mut content).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = content.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        PageMap::open(&lab.store_frames(&[&changed]))
            .map(|map| map.pages())
            .map_err(|error| error.to_string())
    };
    assert_eq!(with(0, b""), Ok(256));
    let refused = |at: usize, bytes: &[u8]| with(at, bytes).unwrap_err();
    assert!(refused(0, b"x").contains("does not begin as a page map"));
    assert!(refused(8, &[2]).contains("has version 2; this program reads version 1"));
    assert!(refused(12, &[1]).contains("of another size"));
    assert!(refused(24, &[21]).contains("of another size"));
    assert!(refused(16, &[1]).contains("contradict each other"));
    assert!(refused(28, &[0xff; 4]).contains("more runs of memory than it has room for"));
    assert!(refused(48, &[0; 8]).contains("contradict each other"));
    let longer = [content.as_slice(), b"more"].concat();
    let error = PageMap::open(&lab.store_frames(&[&longer])).err().unwrap().to_string();
    assert!(error.contains("its length does not fit"), "{error}");
    let mut class = content.clone();
    class[32 + 24 + 16] = 99;
    let mut map = PageMap::new(Cursor::new(fs::read(lab.store_frames(&[&class])).unwrap())).unwrap();
    assert!(matches!(map.entry(0), Err(PageMapError::Entry(0))));
    assert!(map.entry(1).unwrap().is_some());
}
