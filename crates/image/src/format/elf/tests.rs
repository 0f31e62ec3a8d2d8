use proptest::prelude::*;

use super::*;
use crate::synthetic::headers;
use crate::testing::core;

fn scan(bytes: &[u8]) -> Result<Option<ElfCore>, ElfError> {
    let mut scanner = ElfScanner::new();
    scanner.push(bytes)?;
    Ok(scanner.into_core())
}

fn scanned(bytes: &[u8]) -> ElfCore {
    scan(bytes).unwrap().expect("the headers are complete")
}

/// The headers of a core with two segments, with some bytes replaced.
fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut headers = headers(&[(0, 0x1000), (0xfffc_0000, 0x400)]);
    headers[at..at + bytes.len()].copy_from_slice(bytes);
    headers
}

fn refused(at: usize, bytes: &[u8]) -> String {
    scan(&with(at, bytes)).unwrap_err().to_string()
}

/// Offsets of fields in `headers`: the file header, the note's header, then the two segments'.
const PHOFF: usize = 32;
const SHOFF: usize = 40;
const PHENTSIZE: usize = 54;
const PHNUM: usize = 56;
const SHENTSIZE: usize = 58;
const SHNUM: usize = 60;
const LOAD_0: usize = 64 + 56;
const LOAD_1: usize = LOAD_0 + 56;
const OFFSET: usize = 8;
const PADDR: usize = 24;
const FILESZ: usize = 32;

#[test]
fn the_headers_of_a_guest_are_read() {
    insta::assert_json_snapshot!(scanned(&headers(&[(0, 0x2000_0000), (0xfffc_0000, 0x4_0000)])).segments, @r#"
    [
      {
        "kind": "note",
        "address": 0,
        "offset_bytes": 232,
        "file_bytes": 24,
        "memory_bytes": 24
      },
      {
        "kind": "load",
        "address": 0,
        "offset_bytes": 256,
        "file_bytes": 536870912,
        "memory_bytes": 536870912
      },
      {
        "kind": "load",
        "address": 4294705152,
        "offset_bytes": 536871168,
        "file_bytes": 262144,
        "memory_bytes": 262144
      }
    ]
    "#);
}

#[test]
fn the_headers_promise_the_length_of_the_image() {
    let image = core(&[7; 12_345]);
    assert_eq!(scanned(&image).image_size, ByteCount(image.len() as u64));
}

#[test]
fn other_files_are_refused_by_name() {
    assert_eq!(
        scan(b"QEVM\0\0\0\x03").unwrap_err().to_string(),
        "the image does not begin with an ELF header (its first bytes are [51, 45, 56, 4d])"
    );
    assert!(refused(4, &[1]).contains("32-bit cores are not supported"));
    assert!(refused(5, &[2]).contains("big-endian guests are not supported"));
    assert!(refused(6, &[9]).contains("unknown ELF version (9)"));
    assert!(refused(20, &[2]).contains("unknown ELF version (2)"));
    assert!(refused(16, &[2]).contains("not a core (type 2 instead of 4)"));
}

#[test]
fn absurd_headers_are_refused_each_in_its_own_words() {
    let long = |value: u64| value.to_le_bytes();
    assert_eq!(refused(PHENTSIZE, &[32]), "the image's program headers have 32 bytes each; 56 were expected");
    assert!(
        refused(PHOFF, &long(0)).contains("program headers are at an impossible place (offset 0, 3 entries)")
    );
    assert!(refused(PHOFF, &long(1 << 40)).contains("program headers are at an impossible place"));
    assert!(refused(PHOFF, &long(u64::MAX)).contains("program headers are at an impossible place"));
    assert!(
        refused(SHNUM, &[1]).contains("section headers are at an impossible place (offset 0, 1 entries)")
    );
    assert!(
        refused(LOAD_1 + OFFSET, &long(u64::MAX)).contains("segment 2 of the image ends beyond 2^64 bytes")
    );
    assert!(
        refused(LOAD_1 + PADDR, &long(u64::MAX)).contains("segment 2 of the image ends beyond 2^64 bytes")
    );
    assert!(
        refused(LOAD_0 + FILESZ, &long(0x1001)).contains("segment 1 of the image has more bytes in the file")
    );
    assert_eq!(refused(PHNUM, &[1]), "the image has no segment that holds memory");
    assert_eq!(refused(PHNUM, &[0]), "the image has no segment that holds memory");
}

#[test]
fn memory_may_reach_the_end_of_the_address_space() {
    let top = (u64::MAX - 0x3ff).to_le_bytes();
    assert!(scan(&with(LOAD_1 + PADDR, &top)).is_ok());
}

#[test]
fn a_section_table_without_entries_is_ignored() {
    let plain = scanned(&with(SHOFF, &[0; 8]));
    assert_eq!(scanned(&with(SHOFF, &u64::MAX.to_le_bytes())), plain);
}

/// A core of one segment with section headers between the program headers and the memory.
fn with_sections(phnum: u16, sections: &[Vec<u8>], programs: &[Vec<u8>]) -> Vec<u8> {
    let mut image = headers(&[])[..64].to_vec();
    let section_bytes: Vec<u8> = sections.concat();
    image[PHOFF..PHOFF + 8].copy_from_slice(&(64 + section_bytes.len() as u64).to_le_bytes());
    image[PHNUM..PHNUM + 2].copy_from_slice(&phnum.to_le_bytes());
    image[SHOFF..SHOFF + 8].copy_from_slice(&64_u64.to_le_bytes());
    image[SHNUM..SHNUM + 2].copy_from_slice(&u16::try_from(sections.len()).unwrap().to_le_bytes());
    image.extend(section_bytes);
    image.extend(programs.concat());
    image
}

fn section(kind: u32, offset: u64, size: u64, info: u32) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[4..8].copy_from_slice(&kind.to_le_bytes());
    bytes[24..32].copy_from_slice(&offset.to_le_bytes());
    bytes[32..40].copy_from_slice(&size.to_le_bytes());
    bytes[44..48].copy_from_slice(&info.to_le_bytes());
    bytes
}

fn load(offset: u64, length: u64) -> Vec<u8> {
    let mut bytes = vec![0; 56];
    bytes[0] = 1;
    bytes[8..16].copy_from_slice(&offset.to_le_bytes());
    bytes[32..40].copy_from_slice(&length.to_le_bytes());
    bytes[40..48].copy_from_slice(&length.to_le_bytes());
    bytes
}

#[test]
fn more_segments_than_16_bits_hold_are_counted_by_section_header_0() {
    let loads: Vec<Vec<u8>> = (0..70_000).map(|n| load(8_000_000 + n * 16, 16)).collect();
    let image = with_sections(PN_XNUM, &[section(0, 0, 0, 70_000)], &loads);
    let core = scanned(&image);
    assert_eq!(core.segments.len(), 70_000);
    assert_eq!(core.image_size, ByteCount(8_000_000 + 70_000 * 16));
}

#[test]
fn a_count_in_section_header_0_is_not_trusted() {
    let claims = with_sections(PN_XNUM, &[section(0, 0, 0, u32::MAX)], &[]);
    assert_eq!(scan(&claims).unwrap_err(), ElfError::TooManySegments(u32::MAX.into()));
    let mut missing = claims;
    missing[SHOFF..SHOFF + 8].fill(0);
    assert_eq!(scan(&missing).unwrap_err(), ElfError::SegmentCountMissing);
}

#[test]
fn the_contents_of_sections_count_towards_the_length() {
    const STRINGS: u32 = 3;
    const NOBITS: u32 = 8;
    let image = |last| with_sections(1, &[section(0, 0, 0, 0), last], &[load(0x1000, 0x1000)]);
    assert_eq!(scanned(&image(section(STRINGS, 0x2000, 0x10, 0))).image_size, ByteCount(0x2010));
    assert_eq!(scanned(&image(section(NOBITS, 0x2000, 0x10, 0))).image_size, ByteCount(0x2000));
    let overflow = scan(&image(section(STRINGS, u64::MAX, 1, 0))).unwrap_err();
    assert_eq!(overflow.to_string(), "section 1 of the image ends beyond 2^64 bytes");
    let mut odd = image(section(STRINGS, 0x2000, 0x10, 0));
    odd[SHENTSIZE] = 40;
    assert_eq!(
        scan(&odd).unwrap_err().to_string(),
        "the image's section headers have 40 bytes each; 64 were expected"
    );
}

#[test]
fn an_image_that_is_cut_within_its_headers_is_incomplete_and_not_wrong() {
    let image = headers(&[(0, 0x1000)]);
    let end_of_headers = 64 + 2 * 56;
    for length in 0..end_of_headers {
        assert_eq!(scan(&image[..length]), Ok(None), "{length} bytes");
    }
    assert!(scan(&image[..end_of_headers]).unwrap().is_some());
}

proptest! {
    #[test]
    fn pieces_of_any_size_tell_the_same(memory in 0_usize..5000, piece in 1_usize..300) {
        let image = core(&vec![1; memory + 1]);
        let mut scanner = ElfScanner::new();
        for piece in image.chunks(piece) {
            scanner.push(piece).unwrap();
        }
        prop_assert_eq!(scanner.into_core().unwrap(), scanned(&image));
    }

    #[test]
    fn no_damage_to_the_headers_makes_the_scanner_panic(
        damage in proptest::collection::vec((0_usize..232, any::<u8>()), 1..8)
    ) {
        let mut image = core(&[3; 4096]);
        for (at, byte) in damage {
            image[at] = byte;
        }
        if let Ok(Some(core)) = scan(&image) {
            prop_assert!(core.segments.iter().any(|segment| segment.kind == SegmentKind::Load));
        }
    }
}
