//! The page map of an image, and the digests of its frames.

use std::fs::{self, File};

use memdeck_model::GuestPhysAddr;

use super::{MIB, check, companions, damage, sentences, small};
use crate::format::manifest::{ManifestFile, manifest_to_json};
use crate::synthetic::noise;
use crate::testing::{Lab, core};
use crate::verify::*;
use crate::{ExportFormat, ImageExport, PageMap, SeekTable};

#[test]
fn every_cut_and_every_flipped_bit_of_a_companion_is_noticed() {
    let lab = Lab::new();
    let sealed = small(&lab);
    for path in [companions(&sealed).0, companions(&sealed).1] {
        let whole = fs::read(&path).unwrap();
        assert!(whole.len() > 30);
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(check(&sealed.image).verdict, Verdict::Damaged, "{path:?} cut to {length} bytes");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                fs::write(&path, flipped).unwrap();
                assert_eq!(
                    check(&sealed.image).verdict,
                    Verdict::Damaged,
                    "{path:?}: bit {bit} of byte {at}"
                );
            }
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(check(&sealed.image).verdict, Verdict::Intact);
    }
}

#[test]
fn a_companion_that_is_missing_leaves_an_image_unconfirmed() {
    let lab = Lab::new();
    let sealed = small(&lab);
    let (page_map, digests) = companions(&sealed);
    fs::remove_file(page_map).unwrap();
    fs::remove_file(digests).unwrap();
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Unconfirmed);
    assert_eq!((report.page_map, report.frame_digests), (Companion::Missing, Companion::Missing));
    insta::assert_json_snapshot!(sentences(&report), @r#"
    [
      "there is no page map web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.pages",
      "there is no file web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.blake3 with the digests of the frames"
    ]
    "#);
}

#[test]
fn a_pipe_or_a_device_in_the_place_of_a_companion_is_found_and_keeps_nobody_waiting() {
    let lab = Lab::new();
    let sealed = small(&lab);
    let (page_map, digests) = companions(&sealed);
    for path in [&page_map, &digests, &sealed.manifest, &sealed.checksum] {
        let kept = fs::read(path).unwrap();
        for is_pipe in [true, false] {
            fs::remove_file(path).unwrap();
            if is_pipe {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            } else {
                std::os::unix::fs::symlink("/dev/zero", path).unwrap();
            }
            assert_eq!(check(&sealed.image).verdict, Verdict::Damaged, "{path:?}");
            if path == &digests || path == &sealed.manifest {
                assert!(ImageExport::open(&sealed.image, ExportFormat::Raw).is_err(), "{path:?}");
            }
        }
        fs::remove_file(path).unwrap();
        fs::write(path, kept).unwrap();
    }
    assert_eq!(check(&sealed.image).verdict, Verdict::Intact);
}

#[test]
fn a_page_map_of_another_image_is_told_page_by_page() {
    let (lab, other) = (Lab::new(), Lab::new());
    let mut memory = vec![0; 200 * 4096];
    memory[..4096].fill(1);
    let sealed = lab.store(&core(&memory));
    memory[100 * 4096] = 7;
    memory[120 * 4096..150 * 4096].fill(2);
    let foreign = other.store(&core(&memory));
    fs::copy(foreign.page_map.unwrap(), companions(&sealed).0).unwrap();
    let report = check(&sealed.image);
    assert_eq!((report.verdict, report.page_map), (Verdict::Damaged, Companion::Damaged));
    assert_eq!(report.findings[0], Finding::Page { page: 100, address: GuestPhysAddr(100 * 4096) });
    assert_eq!(report.findings[20], Finding::FurtherPages { pages: 11 });
    let last = report.findings[21].to_string();
    assert!(last.starts_with("the BLAKE3 hash of the page map is "), "{last}");
    assert_eq!(report.findings.len(), 22);
    fs::remove_file(&sealed.manifest).unwrap();
    assert_eq!(check(&sealed.image).verdict, Verdict::Damaged, "the image itself contradicts the map");
}

#[test]
fn a_page_map_of_other_memory_is_of_no_use() {
    let (lab, other) = (Lab::new(), Lab::new());
    let sealed = lab.store(&core(&noise(1, 3 * 4096)));
    let foreign = other.store(&core(&noise(1, 2 * 4096)));
    fs::copy(foreign.page_map.unwrap(), companions(&sealed).0).unwrap();
    let sentences = sentences(&check(&sealed.image));
    assert!(
        sentences[0].ends_with("of no use: it describes other memory than the image has"),
        "{sentences:?}"
    );
}

#[test]
fn digests_of_another_image_are_told_frame_by_frame() {
    let (lab, other) = (Lab::new(), Lab::new());
    let sealed = lab.store(&core(&noise(1, 3 * MIB)));
    let mut memory = noise(1, 3 * MIB);
    memory[MIB + 5] ^= 1;
    let foreign = other.store(&core(&memory));
    fs::copy(foreign.digests.unwrap(), companions(&sealed).1).unwrap();
    let report = check(&sealed.image);
    assert_eq!((report.verdict, report.frame_digests), (Verdict::Damaged, Companion::Damaged));
    let sentences = sentences(&report);
    assert_eq!(
        sentences[0],
        "frame 1 (image bytes 1048576 to 2097152) has another BLAKE3 digest than was recorded"
    );
    assert!(sentences[1].starts_with("the root over the recorded digests is "), "{sentences:?}");
    assert_eq!(sentences.len(), 2);
}

#[test]
fn an_altered_page_count_in_the_manifest_is_told() {
    let lab = Lab::new();
    let sealed = small(&lab);
    let mut manifest = ManifestFile::read(&sealed.manifest).unwrap().manifest;
    manifest.page_map.as_mut().unwrap().pages.zero += 1;
    fs::write(&sealed.manifest, manifest_to_json(&manifest).unwrap()).unwrap();
    let sentences = sentences(&check(&sealed.image));
    assert!(sentences[0].starts_with("the count of pages is "), "{sentences:?}");
}

#[test]
fn pages_of_a_damaged_frame_are_not_held_against_the_page_map() {
    let lab = Lab::new();
    let sealed = lab.store(&core(&noise(1, 4 * MIB)));
    let span = SeekTable::read_from(&mut File::open(&sealed.image).unwrap()).unwrap().span(2).unwrap();
    damage(&sealed.image, |file| file[usize::try_from(span.stored.end).unwrap() - 6] ^= 1);
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Damaged);
    assert_eq!((report.page_map, report.frame_digests), (Companion::Intact, Companion::Intact));
    assert!(matches!(report.findings[0], Finding::Frame { .. }), "{:?}", report.findings);
    assert_eq!(report.findings.len(), 2, "and the hash of the file: {:?}", report.findings);
}

#[test]
fn the_page_map_of_an_image_is_beside_it() {
    let lab = Lab::new();
    let sealed = small(&lab);
    assert_eq!(PageMap::path_beside(&sealed.image), sealed.page_map.unwrap());
}
