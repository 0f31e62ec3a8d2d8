//! The headers of an ELF core: what they say does not depend on the pieces they come in, and holds together.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{Pieces, damaged};
use memdeck_image::fuzzing::elf_headers;
use memdeck_image::{ElfCore, ElfError, ElfScanner};

static PLAIN: LazyLock<Vec<u8>> =
    LazyLock::new(|| elf_headers(&[(0, 0x1000), (0x1_0000_0000, 0x2000), (0xfffc_0000, 0x4000)]));

/// Many segments: their number is in section header 0.
static NUMBER_IN_SECTION: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut image = elf_headers(&[(0, 0x1000)]);
    let section_at = image.len();
    image[40..48].copy_from_slice(&(section_at as u64).to_le_bytes());
    image[56..58].copy_from_slice(&u16::MAX.to_le_bytes());
    image[60..62].copy_from_slice(&1_u16.to_le_bytes());
    let mut section = [0; 64];
    section[44..48].copy_from_slice(&2_u32.to_le_bytes());
    image.extend(section);
    image
});

fn scan<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<ElfCore>, ElfError> {
    let mut scanner = ElfScanner::new();
    for piece in pieces {
        scanner.push(piece)?;
    }
    Ok(scanner.into_core())
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let seed = data.arbitrary().unwrap_or_default();
    let image = damaged(&mut data, &[&PLAIN, &NUMBER_IN_SECTION]);
    let whole = scan(std::iter::once(image.as_slice()));
    for largest in [1, 100, 1000] {
        let mut pieces = Pieces::new(&image, seed, largest);
        assert_eq!(scan(std::iter::from_fn(|| pieces.next_piece())), whole);
    }
    let Ok(Some(core)) = whole else { return };
    let end = |segment: &memdeck_image::Segment| segment.offset_bytes.0 + segment.file_bytes.0;
    assert!(core.segments.iter().all(|segment| end(segment) <= core.image_size.0));
    let mut more = image.clone();
    more.extend([0; 100]);
    assert_eq!(scan(std::iter::once(more.as_slice())), Ok(Some(core)), "what follows the headers is ignored");
});
