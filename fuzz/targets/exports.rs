//! A stored image in each format, from any offset: a part of an export is refused, or is exactly those bytes of the
//! whole; the reader that is sought, the parts and the whole agree.
#![no_main]

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{damaged, scratch, stored};
use memdeck_image::fuzzing::{elf_headers, noise};
use memdeck_image::{Effort, ExportFormat, ImageExport, ReadError};

/// Longer exports, which are mostly holes, are not made whole.
const MAX_WHOLE_BYTES: u64 = 1 << 20;
/// The longest part that is asked for.
const MAX_PART_BYTES: u64 = 10_000;
const LIME_HEADER_BYTES: usize = 32;

static PATH: LazyLock<PathBuf> = LazyLock::new(|| scratch().join("web-01_a1.elf.zst"));

#[derive(Arbitrary, Debug)]
struct Guest {
    /// Where memory begins, how many bytes of it there are, and which byte it holds; 0 for noise.
    parts: Vec<(Place, u16, u8)>,
    frame_bytes: u16,
    is_file_damaged: bool,
    /// Parts of an export: where they begin, and how long they are.
    wanted: [(u64, u16); 3],
}

#[derive(Arbitrary, Debug)]
enum Place {
    Low(u16),
    BelowFourGib(u16),
    High(u16),
    Any(u64),
}

impl Place {
    fn address(&self) -> u64 {
        match *self {
            Self::Low(page) => u64::from(page) << 8,
            Self::BelowFourGib(page) => 0xffff_ffff - (u64::from(page) << 8),
            Self::High(page) => (1 << 32) + (u64::from(page) << 8),
            Self::Any(address) => address,
        }
    }
}

impl Guest {
    fn image(&self) -> Vec<u8> {
        let parts = self.parts.iter().take(8);
        let places: Vec<_> = parts.clone().map(|(at, bytes, _)| (at.address(), u64::from(*bytes))).collect();
        let mut image = elf_headers(&places);
        for (seed, (_, bytes, fill)) in (0..).zip(parts) {
            image.extend(match fill {
                0 => noise(seed, usize::from(*bytes)),
                fill => vec![fill - 1; usize::from(*bytes)],
            });
        }
        image
    }
}

fn open(format: ExportFormat) -> Result<ImageExport, ReadError> {
    ImageExport::open(&PATH, format)
}

fn whole(format: ExportFormat) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let exported = open(format)?.write_from(0, Effort::Shared, &mut bytes)?;
    assert_eq!(exported.size.0, bytes.len() as u64);
    assert!(!exported.confirmed, "there is no manifest");
    Ok(bytes)
}

fn part(export: &ImageExport, range: Range<u64>) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let exported = export.write_range(range, Effort::Shared, &mut bytes)?;
    assert_eq!(exported.size.0, bytes.len() as u64);
    Ok(bytes)
}

fn read(format: ExportFormat, range: &Range<u64>) -> std::io::Result<Vec<u8>> {
    let mut reader = open(format).and_then(ImageExport::into_reader).expect("a format that can be sought");
    reader.seek(SeekFrom::Start(range.start)).expect("a place");
    let mut bytes = Vec::new();
    reader.take(range.end - range.start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check_parts(format: ExportFormat, wanted: &[(u64, u16)]) {
    let Ok(export) = open(format) else { return };
    let length = export.length().expect("a format whose length is known").0;
    let whole = (length <= MAX_WHOLE_BYTES).then(|| whole(format));
    if let Some(Ok(whole)) = &whole {
        assert_eq!(whole.len() as u64, length);
    }
    if let Some(beyond) = length.checked_add(1) {
        assert!(matches!(part(&export, 0..beyond), Err(ReadError::Offset { .. })));
    }
    for (index, (start, count)) in wanted.iter().enumerate() {
        // One of them near the end.
        let places = length.saturating_add(1);
        let start = if index != 1 { start % places } else { length.saturating_sub(start % places % 5000) };
        let end = start.saturating_add(u64::from(*count) % MAX_PART_BYTES).min(length);
        let (given, sought) = (part(&export, start..end), read(format, &(start..end)));
        match (&given, &sought) {
            (Ok(given), Ok(sought)) => {
                assert!(given == sought, "{format} {start}..{end}: a part is not what the reader gives");
                assert_eq!(given.len() as u64, end - start, "{format} {start}..{end} of {length}");
            }
            (Err(_), Err(_)) => {}
            _ => panic!("{format} {start}..{end}: {given:?} {sought:?}"),
        }
        match (&whole, given) {
            (Some(Ok(whole)), Ok(given)) => {
                let place = |at: u64| usize::try_from(at).expect("a place in the export");
                assert!(given == whole[place(start)..place(end)], "{format} {start}..{end}");
            }
            (Some(Ok(_)), Err(error)) => {
                panic!("{format} {start}..{end}: {error}, but the whole can be read")
            }
            // A damaged frame may lie outside of the part.
            (Some(Err(_)) | None, _) => {}
        }
    }
}

/// Every range of an AVML image holds what the same range of the `LiME` image does.
fn check_avml(lime: &[u8]) {
    let avml = whole(ExportFormat::Avml).expect("what can be exported as LiME");
    let (mut lime, mut avml) = (lime, avml.as_slice());
    while !lime.is_empty() {
        let (header, body) = lime.split_at(LIME_HEADER_BYTES);
        let (avml_header, packed) = avml.split_at(LIME_HEADER_BYTES);
        assert_eq!(header[8..], avml_header[8..], "the places");
        let long = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let length = usize::try_from(long(16) - long(8) + 1).expect("a length in memory");
        let (body, further) = body.split_at(length);
        let packed_bytes = packed_bytes(packed, length);
        let (packed, rest) = packed.split_at(packed_bytes);
        let mut unpacked = Vec::new();
        snap::read::FrameDecoder::new(packed).read_to_end(&mut unpacked).expect("snappy's frames");
        assert!(unpacked == body);
        let (told, rest) = rest.split_at(8);
        assert_eq!(told, (packed_bytes as u64).to_le_bytes());
        (lime, avml) = (further, rest);
    }
    assert!(avml.is_empty());
}

/// How many of these bytes are snappy's frames of `length` bytes: a frame is a kind, a length of three bytes, and in
/// what holds data a checksum, before its content.
fn packed_bytes(packed: &[u8], length: usize) -> usize {
    let (mut at, mut unpacked) = (0, 0);
    while unpacked < length {
        let frame_bytes = usize::from(packed[at + 1]) | usize::from(packed[at + 2]) << 8;
        let frame_bytes = frame_bytes | usize::from(packed[at + 3]) << 16;
        let content = &packed[at + 4..at + 4 + frame_bytes];
        unpacked += match packed[at] {
            0 => snap::raw::decompress_len(&content[4..]).expect("a packed frame"),
            1 => frame_bytes - 4,
            _ => 0,
        };
        at += 4 + frame_bytes;
    }
    at
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let Ok(guest) = data.arbitrary::<Guest>() else { return };
    let image = guest.image();
    let frame_bytes = usize::from(guest.frame_bytes % 16384) + 1024;
    let (image, file) = if guest.is_file_damaged {
        (None, damaged(&mut data, &[&stored(&image, frame_bytes)]))
    } else {
        let image = damaged(&mut data, &[&image]);
        if image.is_empty() {
            return;
        }
        let file = stored(&image, frame_bytes);
        (Some(image), file)
    };
    let path: &Path = &PATH;
    fs::write(path, file).expect("a writable directory");
    if let Some(image) = image {
        assert!(whole(ExportFormat::Elf).expect("an image that is sound") == image);
    }
    for format in [ExportFormat::Elf, ExportFormat::Raw, ExportFormat::Lime] {
        check_parts(format, &guest.wanted);
    }
    if let Ok(export) = open(ExportFormat::Avml) {
        assert_eq!(export.length(), None);
        assert!(matches!(part(&export, 0..1), Err(ReadError::Sequential(_))));
        assert!(export.into_reader().is_err());
        if let Ok(lime) = whole(ExportFormat::Lime) {
            check_avml(&lime);
        }
    }
});
