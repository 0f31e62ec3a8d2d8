use std::fs;
use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::export::{Exported, export};
use crate::format::manifest::ManifestFile;
use crate::synthetic::noise;
use crate::testing::{Lab, core, memory};

const MIB: usize = 1 << 20;

#[test]
fn an_export_is_the_image_and_confirmed_by_its_manifest() {
    let lab = Lab::new();
    let image = core(&memory(1, 5 * MIB));
    let sealed = lab.store(&image);
    let mut out = Vec::new();
    let exported = export(&sealed.image, &mut out).unwrap();
    assert!(out == image);
    assert_eq!(exported.size, ByteCount(image.len() as u64));
    assert!(exported.confirmed);
    fs::remove_file(&sealed.manifest).unwrap();
    assert_eq!(export(&sealed.image, &mut io::sink()).unwrap(), Exported { confirmed: false, ..exported });
}

#[test]
fn an_export_of_other_bytes_than_the_manifest_says_is_an_error() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    let manifest = fs::read_to_string(&sealed.manifest).unwrap();
    let sha256 = ManifestFile::read(&sealed.manifest).unwrap().manifest.sha256;
    fs::write(&sealed.manifest, manifest.replace(&sha256, &"0".repeat(64))).unwrap();
    let error = export(&sealed.image, &mut io::sink()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "the exported image's SHA-256 is {sha256}, but the manifest says {}: do not use it",
            "0".repeat(64)
        )
    );
}

#[test]
fn an_export_ends_at_a_damaged_frame_and_names_it() {
    let lab = Lab::new();
    let sealed = lab.store(&core(&noise(1, 3 * MIB)));
    let mut file = fs::read(&sealed.image).unwrap();
    file[MIB + 5000] ^= 1;
    fs::write(&sealed.image, file).unwrap();
    let error = export(&sealed.image, &mut io::sink()).unwrap_err().to_string();
    assert!(
        error.starts_with("frame 1 is damaged (image bytes 1048576 to 2097152, stored offset 1048"),
        "{error}"
    );
}

#[test]
fn a_full_disk_is_the_exports_own_error() {
    let lab = Lab::new();
    let sealed = lab.store(&core(&noise(1, 9 * MIB)));
    let mut full = File::options().write(true).open("/dev/full").unwrap();
    let error = export(&sealed.image, &mut full).unwrap_err();
    assert!(matches!(error, ReadError::Write(source) if source.kind() == io::ErrorKind::StorageFull));
}

#[test]
fn only_a_regular_file_is_opened() {
    let lab = Lab::new();
    let fifo = lab.outside().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for path in [fifo.as_path(), lab.store.dir(), Path::new("/dev/null")] {
        let error = ImageReader::open(path).err().expect("no image").to_string();
        assert_eq!(error, format!("{} is not a regular file, so it is not a stored image", path.display()));
    }
    let missing = ImageReader::open(Path::new("/nowhere/x.elf.zst")).err().expect("no image");
    assert!(matches!(missing, ReadError::Open { .. }));
}

#[test]
fn a_read_of_a_damaged_frame_fails_and_the_others_can_be_read() {
    let image = core(&noise(3, 3 * MIB));
    let lab = Lab::new();
    let mut file = fs::read(lab.store(&image).image).unwrap();
    file[5000] ^= 1;
    let mut reader = ImageReader::new(Cursor::new(file)).unwrap();
    let mut bytes = [0; 16];
    for _ in 0..2 {
        let error = reader.read(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().starts_with("frame 0 is damaged"), "{error}");
    }
    reader.seek(SeekFrom::Start(MIB as u64)).unwrap();
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, image[MIB..MIB + 16]);
}

#[test]
fn seeks_are_those_of_a_file() {
    let image = core(b"0123456789");
    let lab = Lab::new();
    let mut reader = ImageReader::open(&lab.store(&image).image).unwrap();
    let mut text = String::new();
    assert_eq!(reader.seek(SeekFrom::End(-4)).unwrap(), image.len() as u64 - 4);
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "6789");
    assert_eq!(reader.seek(SeekFrom::Current(100)).unwrap(), image.len() as u64 + 100);
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
    assert!(reader.seek(SeekFrom::End(i64::MIN)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_image_can_be_read_back_at_any_place(
        seed in 0_u64..100,
        length in 1_usize..4 * MIB,
        reads in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..MIB), 1..12),
    ) {
        let image = core(&memory(seed, length));
        let lab = Lab::new();
        let sealed = lab.store(&image);
        let mut out = Vec::new();
        export(&sealed.image, &mut out).unwrap();
        prop_assert!(out == image);

        let mut reader = ImageReader::open(&sealed.image).unwrap();
        prop_assert_eq!(reader.raw_size(), ByteCount(image.len() as u64));
        for (at, count) in reads {
            let at = at.index(image.len());
            let count = count.min(image.len() - at);
            let mut bytes = vec![0; count];
            reader.seek(SeekFrom::Start(at as u64)).unwrap();
            reader.read_exact(&mut bytes).unwrap();
            prop_assert!(bytes == image[at..at + count]);
        }
    }
}
