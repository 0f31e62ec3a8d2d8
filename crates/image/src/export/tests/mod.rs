mod damage;
mod sinks;

use super::*;
use crate::ReadError;
use crate::synthetic::{headers, noise};
use crate::testing::{Lab, digests_of, memory, packed, record_of};
use proptest::prelude::*;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

const MIB: usize = 1 << 20;

const FIRMWARE: u64 = 0xfffc_0000;

/// A guest: where its memory lies, and what is in it.
#[derive(Clone, Debug)]
struct Guest(Vec<(u64, Vec<u8>)>);

impl Guest {
    fn image(&self) -> Vec<u8> {
        let places: Vec<_> = self.0.iter().map(|(at, bytes)| (*at, bytes.len() as u64)).collect();
        let mut image = headers(&places);
        self.0.iter().for_each(|(_, bytes)| image.extend(bytes));
        image
    }

    fn stored(&self, lab: &Lab) -> PathBuf {
        lab.store(&self.image()).image
    }

    fn sorted(&self) -> Vec<(u64, Vec<u8>)> {
        let mut parts = self.0.clone();
        parts.sort_by_key(|part| part.0);
        parts
    }

    /// What the format is, put together the simple way.
    fn expected(&self, format: ExportFormat) -> Vec<u8> {
        match format {
            ExportFormat::Elf => self.image(),
            ExportFormat::Raw => self.sorted().iter().filter(|part| part.0 != FIRMWARE).fold(
                Vec::new(),
                |mut raw, (at, bytes)| {
                    raw.resize(usize::try_from(*at).unwrap(), 0);
                    raw.extend(bytes);
                    raw
                },
            ),
            ExportFormat::Lime => self.sorted().iter().fold(Vec::new(), |mut lime, (at, bytes)| {
                lime.extend(header(*b"EMiL", 1, *at, bytes.len()));
                lime.extend(bytes);
                lime
            }),
            ExportFormat::Avml => panic!("how snappy packs is snappy's"),
        }
    }
}

fn header(magic: [u8; 4], version: u8, at: u64, length: usize) -> Vec<u8> {
    let mut header = magic.to_vec();
    header.extend([version, 0, 0, 0]);
    header.extend(at.to_le_bytes());
    header.extend((at + length as u64 - 1).to_le_bytes());
    header.extend([0; 8]);
    header
}

/// A small PC: low memory, a hole at the VGA window, RAM, firmware; its segments are not in the order of their places.
fn small_guest(seed: u64) -> Guest {
    Guest(vec![
        (0xc_0000, memory(seed, 3 * MIB + 4096)),
        (FIRMWARE, memory(seed + 1, 256 << 10)),
        (0, memory(seed + 2, 0xa_0000)),
    ])
}

fn written(path: &Path, format: ExportFormat) -> (Vec<u8>, Exported) {
    let mut out = Vec::new();
    let exported =
        ImageExport::open(path, format).unwrap().write_from(0, Effort::AllCores, &mut out).unwrap();
    assert_eq!(exported.size, ByteCount(out.len() as u64));
    (out, exported)
}

/// The ranges of an AVML image, unpacked by another reader of snappy's frames.
fn unpacked_avml(mut avml: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut parts = Vec::new();
    let long = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    while !avml.is_empty() {
        let (start, end) = (long(avml, 8), long(avml, 16));
        let length = usize::try_from(end - start + 1).unwrap();
        assert_eq!(avml[..32], header(*b"AVML", 2, start, length));
        assert_eq!(avml[32..42], *b"\xff\x06\0\0sNaPpY");
        let packed_bytes = packed_length(&avml[32..], length);
        let mut bytes = Vec::new();
        let packed = &avml[32..32 + packed_bytes];
        snap::read::FrameDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), length);
        assert_eq!(long(avml, 32 + packed_bytes), packed_bytes as u64, "what follows is the packed length");
        parts.push((start, bytes));
        avml = &avml[32 + packed_bytes + 8..];
    }
    parts
}

/// Goes from chunk to chunk until so many bytes were unpacked, as readers of AVML do.
fn packed_length(packed: &[u8], length: usize) -> usize {
    let (mut at, mut unpacked, mut identifiers) = (0, 0, 0);
    while unpacked < length {
        let size = u32::from_le_bytes([packed[at + 1], packed[at + 2], packed[at + 3], 0]) as usize;
        match packed[at] {
            0xff => identifiers += 1,
            0 => unpacked += snap::raw::decompress_len(&packed[at + 8..]).unwrap(),
            1 => unpacked += size - 4,
            other => panic!("chunk of type {other}"),
        }
        at += 4 + size;
    }
    assert_eq!(identifiers, 1, "the stream identifier begins the range and does not come again");
    at
}

#[test]
fn every_format_holds_the_guests_memory() {
    let lab = Lab::new();
    let guest = small_guest(1);
    let path = guest.stored(&lab);
    for format in [ExportFormat::Elf, ExportFormat::Raw, ExportFormat::Lime] {
        let (out, _) = written(&path, format);
        assert!(out == guest.expected(format), "{format}");
        assert_eq!(ImageExport::open(&path, format).unwrap().length(), Some(ByteCount(out.len() as u64)));
    }
    let (avml, _) = written(&path, ExportFormat::Avml);
    assert!(unpacked_avml(&avml) == guest.sorted());
    assert!(avml == written(&path, ExportFormat::Avml).0, "the same image makes the same file");
}

#[test]
fn the_whole_image_as_elf_is_confirmed_by_its_manifest_and_other_formats_have_no_hash() {
    let lab = Lab::new();
    let path = small_guest(2).stored(&lab);
    let sha256 = Some(crate::sha256_hex(&small_guest(2).image()));
    let elf = written(&path, ExportFormat::Elf).1;
    assert_eq!((elf.sha256, elf.confirmed), (sha256, true));
    for format in [ExportFormat::Raw, ExportFormat::Lime, ExportFormat::Avml] {
        let exported = written(&path, format).1;
        assert_eq!((exported.sha256, exported.confirmed), (None, false));
    }
}

#[test]
fn a_raw_image_leaves_out_the_firmware_and_says_so() {
    let lab = Lab::new();
    let path = small_guest(3).stored(&lab);
    let raw = ImageExport::open(&path, ExportFormat::Raw).unwrap();
    let omitted: Vec<_> = raw.omitted().iter().map(|part| (part.address.0, part.file_bytes.0)).collect();
    assert_eq!(omitted, [(FIRMWARE, 256 << 10)]);
    assert_eq!(raw.length(), Some(ByteCount(0xc_0000 + (3 << 20) + 4096)));
    for format in [ExportFormat::Elf, ExportFormat::Lime, ExportFormat::Avml] {
        assert_eq!(ImageExport::open(&path, format).unwrap().omitted(), []);
    }
}

#[test]
fn ram_above_4_gib_keeps_its_place_and_the_hole_before_it_costs_nothing() {
    let lab = Lab::new();
    let (low, high) = (memory(4, MIB), memory(5, MIB));
    let guest = Guest(vec![(0, low.clone()), (FIRMWARE, memory(6, 4096)), (4 << 30, high.clone())]);
    let path = guest.stored(&lab);
    let raw = ImageExport::open(&path, ExportFormat::Raw).unwrap();
    let length = (4 << 30) + MIB as u64;
    assert_eq!(raw.length(), Some(ByteCount(length)));

    let out = lab.outside().join("guest.raw");
    let mut file = SparseFile::new(fs::File::create(&out).unwrap());
    raw.write_from(0, Effort::AllCores, &mut file).unwrap();
    file.finish().unwrap();
    let metadata = fs::metadata(&out).unwrap();
    assert_eq!(metadata.len(), length);
    assert!(metadata.blocks() * 512 < 8 << 20, "{} bytes on disk", metadata.blocks() * 512);
    let mut out = fs::File::open(&out).unwrap();
    for (at, bytes) in [(0, low), (4 << 30, high)] {
        let mut found = vec![1; bytes.len()];
        out.seek(SeekFrom::Start(at)).unwrap();
        out.read_exact(&mut found).unwrap();
        assert!(found == bytes, "at {at:#x}");
    }

    let mut reader = raw.into_reader().unwrap();
    let mut bytes = [1; 8192];
    reader.seek(SeekFrom::Start((4 << 30) - 4096)).unwrap();
    reader.read_exact(&mut bytes).unwrap();
    assert!(bytes[..4096] == [0; 4096] && bytes[4096..] == guest.0[2].1[..4096]);
}

#[test]
fn the_stored_file_is_given_out_as_it_is_and_in_parts() {
    let lab = Lab::new();
    let sealed = small_guest(4).stored(&lab);
    let sealed =
        lab.store.find_sealed(&crate::testing::dump_id()).unwrap().filter(|found| found.1.image == sealed);
    let sealed = sealed.unwrap().1;
    let (record, file) = (record_of(&sealed), fs::read(&sealed.image).unwrap());
    let stored = ImageExport::open_stored(&sealed.image, &record).unwrap();
    let length = file.len() as u64;
    assert_eq!(stored.length(), Some(ByteCount(length)));
    let mut out = Vec::new();
    assert!(stored.write_from(0, Effort::Shared, &mut out).unwrap().confirmed);
    assert!(out == file);
    let parts = [0..1, 5..length, length - 20..length, length / 3..length / 2, 7..7, length - 60..length - 1];
    for part in parts {
        let mut out = Vec::new();
        stored.write_range(part.clone(), Effort::Shared, &mut out).unwrap();
        let place = |at: u64| usize::try_from(at).unwrap();
        assert!(out == file[place(part.start)..place(part.end)], "{part:?}");
    }
}

#[test]
fn avml_is_made_from_its_beginning_only() {
    let lab = Lab::new();
    let path = small_guest(8).stored(&lab);
    let avml = || ImageExport::open(&path, ExportFormat::Avml).unwrap();
    assert_eq!(avml().length(), None);
    let refused = [
        avml().write_from(1, Effort::Shared, &mut io::sink()).unwrap_err(),
        avml().write_range(0..10, Effort::Shared, &mut io::sink()).unwrap_err(),
        avml().into_reader().err().unwrap(),
    ];
    for error in refused {
        assert!(error.to_string().starts_with("an export as avml is made from its beginning"), "{error}");
    }
}

#[test]
fn an_offset_beyond_the_end_is_refused_and_the_end_itself_is_empty() {
    let lab = Lab::new();
    let guest = small_guest(9);
    let path = guest.stored(&lab);
    for format in [ExportFormat::Elf, ExportFormat::Raw, ExportFormat::Lime] {
        let export = ImageExport::open(&path, format).unwrap();
        let length = export.length().unwrap().0;
        let mut out = Vec::new();
        assert_eq!(export.write_from(length, Effort::Shared, &mut out).unwrap().size, ByteCount(0));
        let error = export.write_from(length + 1, Effort::Shared, &mut out).unwrap_err();
        assert!(matches!(error, ReadError::Offset { .. }), "{error}");
        let error = export.write_range(0..length + 1, Effort::Shared, &mut out).unwrap_err();
        assert!(matches!(error, ReadError::Offset { .. }), "{error}");
        assert!(out.is_empty());
    }
}

#[test]
fn what_cannot_be_told_as_memory_alone_can_still_be_had_as_elf() {
    let lab = Lab::new();
    let overlapping = Guest(vec![(0, memory(1, 8192)), (4096, memory(2, 8192))]).stored(&lab);
    let open = |format| ImageExport::open(&overlapping, format).map(|export| export.length());
    assert!(open(ExportFormat::Elf).is_ok());
    for format in [ExportFormat::Raw, ExportFormat::Lime, ExportFormat::Avml] {
        let error = memdeck_model::with_causes(&open(format).unwrap_err());
        assert!(error.contains("two segments hold the memory at guest-physical 0x1000"), "{error}");
    }
    let no_image = lab.store_frames(&[b"no core at all, and yet a stored file"]);
    assert!(ImageExport::open(&no_image, ExportFormat::Elf).is_ok());
    let error = ImageExport::open(&no_image, ExportFormat::Raw).err().unwrap();
    assert!(matches!(error, ReadError::Layout { source: LayoutError::Headers(_), .. }), "{error}");
    let cut = lab.store_frames(&[&small_guest(1).image()[..100]]);
    let error = ImageExport::open(&cut, ExportFormat::Lime).err().unwrap();
    assert!(matches!(error, ReadError::Layout { source: LayoutError::HeadersIncomplete, .. }), "{error}");
    let short = lab.store_frames(&[&small_guest(1).image()[..5000]]);
    let error = ImageExport::open(&short, ExportFormat::Lime).err().unwrap();
    assert!(matches!(error, ReadError::Layout { source: LayoutError::BeyondImage { .. }, .. }), "{error}");
}

#[test]
fn a_format_is_named_by_its_word() {
    for format in ExportFormat::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
        assert_eq!(serde_json::to_value(format).unwrap(), format.as_str());
    }
    let error = "kdump".parse::<ExportFormat>().unwrap_err();
    assert_eq!(error.to_string(), "'kdump' is no format of an image; there are elf, raw, lime and avml");
}

/// A guest of one to five parts that do not overlap, in any order; the holes between them are small.
fn guest() -> impl Strategy<Value = Guest> {
    let parts = proptest::collection::vec((1..400_u64, 1..300_usize), 1..5);
    (parts, any::<u64>(), any::<bool>()).prop_map(|(parts, seed, backwards)| {
        let mut at = 0;
        let mut guest = Vec::new();
        for (index, (hole, pages)) in (0..).zip(parts) {
            at += (hole - 1) * 4096;
            let bytes = memory(seed % 1000 + index, pages * 4096);
            guest.push((at, bytes));
            at += pages as u64 * 4096;
        }
        if backwards {
            guest.reverse();
        }
        Guest(guest)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_part_of_any_format_is_that_part_of_the_whole(
        guest in guest(),
        parts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..8),
    ) {
        let lab = Lab::new();
        let path = guest.stored(&lab);
        for format in [ExportFormat::Elf, ExportFormat::Raw, ExportFormat::Lime] {
            let whole = guest.expected(format);
            let export = || ImageExport::open(&path, format).unwrap();
            let mut reader = export().into_reader().unwrap();
            prop_assert_eq!(reader.length(), whole.len() as u64);
            for (a, b) in &parts {
                let (a, b) = (a.index(whole.len() + 1), b.index(whole.len() + 1));
                let (start, end) = (a.min(b), a.max(b));
                let mut out = Vec::new();
                export().write_range(start as u64..end as u64, Effort::Shared, &mut out).unwrap();
                prop_assert!(out == whole[start..end], "{} {}..{}", format, start, end);
                let mut out = vec![0; end - start];
                reader.seek(SeekFrom::Start(start as u64)).unwrap();
                reader.read_exact(&mut out).unwrap();
                prop_assert!(out == whole[start..end], "{} {}..{} sought", format, start, end);
                let mut out = Vec::new();
                export().write_from(start as u64, Effort::AllCores, &mut out).unwrap();
                prop_assert!(out == whole[start..], "{} from {}", format, start);
            }
        }
        prop_assert!(unpacked_avml(&written(&path, ExportFormat::Avml).0) == guest.sorted());
    }
}
