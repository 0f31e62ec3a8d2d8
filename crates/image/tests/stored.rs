//! Images that earlier versions stored are read for ever: they lie in `images`, as they were written then.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::num::NonZero;
use std::path::PathBuf;

use memdeck_image::{
    Companion, ImageReader, Manifest, ManifestFile, PageClass, PageMap, Verdict, VerifyReport, export,
    sha256_hex, verify, verify_sample,
};

const NAMES: [&str; 4] =
    ["frozen_without-page-map", "live_without-page-map", "frozen_with-page-map", "live_with-page-map"];

fn image(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/images").join(format!("{name}.elf.zst"))
}

fn manifest(name: &str) -> Manifest {
    let file = image(name).with_file_name(format!("{name}.json"));
    ManifestFile::read(&file).expect("a manifest").manifest
}

fn companions(report: &VerifyReport) -> [Companion; 2] {
    [report.page_map, report.frame_digests]
}

#[test]
fn every_stored_image_verifies() {
    for name in NAMES {
        let report = verify(&image(name), &mut |_| {}).expect("an image");
        assert_eq!((report.verdict, report.findings.as_slice()), (Verdict::Intact, [].as_slice()), "{name}");
        let expected = if name.ends_with("without-page-map") { Companion::None } else { Companion::Intact };
        assert_eq!(companions(&report), [expected; 2], "{name}");
        let frames = NonZero::new(5).expect("not 0");
        let report = verify_sample(&image(name), frames, &mut |_| {}).expect("an image");
        assert_eq!((report.verdict, report.findings.as_slice()), (Verdict::Sampled, [].as_slice()), "{name}");
        assert_eq!(companions(&report), [expected; 2], "{name}");
        let sample = report.sample.expect("it is one");
        assert_eq!((sample.frames, sample.of), (2, 2), "{name}");
        assert_eq!(sample.compared, if expected == Companion::None { 0 } else { 2 }, "{name}");
    }
}

#[test]
fn every_stored_image_exports() {
    for name in NAMES {
        let mut bytes = Vec::new();
        let exported = export(&image(name), &mut bytes).expect("an image");
        assert!(exported.confirmed, "{name}");
        assert_eq!(sha256_hex(&bytes), manifest(name).sha256, "{name}");
    }
}

#[test]
fn every_stored_image_can_be_read_at_any_place() {
    for name in NAMES {
        let mut reader = ImageReader::open(&image(name)).expect("an image");
        let mut load =
            manifest(name).segments.into_iter().filter(|segment| segment.file_bytes.0 == 316 << 12);
        let memory = load.next_back().expect("a segment of 316 pages").offset_bytes.0;
        reader.seek(SeekFrom::Start(memory + (4 << 12))).expect("a place");
        let mut text = [0; 14];
        reader.read_exact(&mut text).expect("the image goes on");
        assert_eq!(&text, b"Linux version ", "{name}");
    }
}

#[test]
fn page_maps_of_stored_images_are_read() {
    for name in NAMES.into_iter().filter(|name| name.ends_with("with-page-map")) {
        let mut map = PageMap::open(&PageMap::path_beside(&image(name))).expect("a page map");
        let classes: Vec<PageClass> =
            map.entries(0).expect("entries").map(|entry| entry.expect("an entry").class).collect();
        assert_eq!(classes.len(), 320, "{name}");
        for (page, class) in [
            (0, PageClass::Zero),
            (1, PageClass::HighEntropy),
            (3, PageClass::Uniform),
            (4, PageClass::Sparse),
            (10, PageClass::Text),
            (255, PageClass::HighEntropy),
            (256, PageClass::HighEntropy),
            (319, PageClass::Uniform),
        ] {
            assert_eq!(classes[page], class, "page {page} of {name}");
        }
        assert_eq!(map.entry(319).expect("a page map").expect("a page").fill, 7, "{name}");
        let last = if name.starts_with("live") { 0xffff_f000 } else { 0xfffc_3000 };
        assert_eq!(map.address(319).expect("a page").0, last, "{name}");
        let banner = manifest(name).guest.os_banner.expect("the guest says what it is");
        assert!(banner.starts_with("Linux version 6.1.0-18-amd64 "), "{banner}");
        let text =
            fs::read_to_string(image(name).with_file_name(format!("{name}.json"))).expect("a manifest");
        assert_eq!(text.matches("os_banner").count(), 1);
    }
}
