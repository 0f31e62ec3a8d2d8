use std::fs::{self, File};

use memdeck_model::GuestPhysAddr;

use super::*;
use crate::synthetic::{headers, noise};
use crate::testing::{Lab, core, silent};
use crate::{PageMap, Sealed, SeekTable};

const MIB: usize = 1 << 20;

fn check(path: &Path) -> VerifyReport {
    verify(path, &mut silent).unwrap()
}

/// What an operator reads, without the directory.
fn sentences(report: &VerifyReport) -> Vec<String> {
    let dir = format!("{}/", report.path.parent().unwrap().display());
    report.findings.iter().map(|finding| finding.to_string().replace(&dir, "")).collect()
}

fn damage(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Four frames: noise, noise, zeroes, and what the headers push over.
fn four_frames(lab: &Lab) -> Sealed {
    let mut memory = noise(1, 2 * MIB);
    memory.extend(vec![0; MIB]);
    lab.store(&core(&memory))
}

#[test]
fn an_image_as_it_was_sealed_is_intact() {
    let lab = Lab::new();
    let sealed = four_frames(&lab);
    let mut told = Vec::new();
    let report = verify(&sealed.image, &mut |progress| told.push(progress.bytes_done.0)).unwrap();
    assert_eq!((report.verdict, sentences(&report)), (Verdict::Intact, vec![]));
    let manifest = report.manifest.unwrap();
    assert_eq!(report.sha256.as_ref(), Some(&manifest.sha256));
    assert_eq!(report.file_sha256.as_ref(), Some(&manifest.file_sha256));
    assert_eq!((report.page_map, report.frame_digests), (Companion::Intact, Companion::Intact));
    assert_eq!(report.sample, None);
    assert_eq!((report.frames, report.raw_size), (Some(4), Some(manifest.raw_size_bytes)));
    assert_eq!(report.stored_size, sealed.stored_size);
    assert_eq!(told, [MIB as u64, 2 * MIB as u64, 3 * MIB as u64, manifest.raw_size_bytes.0]);
}

#[test]
fn every_cut_of_an_image_is_noticed() {
    let lab = Lab::new();
    let sealed = lab.store(&core(&noise(5, 100)));
    let whole = fs::read(&sealed.image).unwrap();
    for length in 0..whole.len() {
        fs::write(&sealed.image, &whole[..length]).unwrap();
        let report = check(&sealed.image);
        assert_eq!(report.verdict, Verdict::Damaged, "cut to {length} bytes");
        let cut = Finding::CutShort { recorded_bytes: whole.len() as u64, found_bytes: length as u64 };
        assert!(report.findings.contains(&cut), "cut to {length} bytes: {:?}", sentences(&report));
    }
}

#[test]
fn every_flipped_bit_of_an_image_is_noticed() {
    let lab = Lab::new();
    let sealed = lab.store(&core(&noise(5, 100)));
    let whole = fs::read(&sealed.image).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            fs::write(&sealed.image, flipped).unwrap();
            assert_eq!(check(&sealed.image).verdict, Verdict::Damaged, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn damage_is_told_with_its_frame_and_place_and_all_of_it() {
    let lab = Lab::new();
    let sealed = four_frames(&lab);
    let table = SeekTable::read_from(&mut File::open(&sealed.image).unwrap()).unwrap();
    let spans: Vec<_> = table.spans().collect();
    damage(&sealed.image, |file| {
        for span in [&spans[0], &spans[2]] {
            file[usize::try_from(span.stored.end).unwrap() - 6] ^= 1;
        }
    });
    let report = check(&sealed.image);
    assert_eq!(report.sha256, None);
    let sentences = sentences(&report);
    for (sentence, span) in sentences.iter().zip([&spans[0], &spans[2]]) {
        let expected = format!(
            "frame {} is damaged (image bytes {} to {}, stored offset {} to {}): it does not decompress: ",
            span.frame, span.image.start, span.image.end, span.stored.start, span.stored.end
        );
        assert!(sentence.starts_with(&expected), "{sentence}");
    }
    let manifest = report.manifest.unwrap();
    let hash = format!(
        "the SHA-256 of the stored file is {}, but the manifest says {}",
        report.file_sha256.unwrap(),
        manifest.file_sha256
    );
    assert_eq!(sentences[2..], [hash]);
}

#[test]
fn a_long_list_of_damaged_frames_is_counted_instead() {
    let lab = Lab::new();
    let frame = [7; 16];
    let path = lab.store_frames(&[frame.as_slice(); 150]);
    let first = SeekTable::read_from(&mut File::open(&path).unwrap()).unwrap().span(0).unwrap();
    damage(&path, |file| {
        for frame in 0..150 {
            file[frame * usize::try_from(first.stored.end).unwrap()] ^= 1;
        }
    });
    let report = check(&path);
    assert_eq!(
        report.findings.iter().filter(|finding| matches!(finding, Finding::Frame { .. })).count(),
        100
    );
    assert!(report.findings.contains(&Finding::FurtherFrames { frames: 50 }));
}

#[test]
fn a_frame_of_another_length_than_the_table_says_is_damaged() {
    let lab = Lab::new();
    let path = lab.store_frames(&[&core(&[9; 1000])]);
    damage(&path, |file| {
        let at = file.len() - 9 - 4;
        file[at] ^= 1;
    });
    let report = check(&path);
    let sentence = &sentences(&report)[0];
    assert!(sentence.contains("it holds 1200 bytes of the image instead of 1201"), "{sentence}");
}

#[test]
fn an_image_of_another_length_than_its_headers_promise_is_damaged() {
    let lab = Lab::new();
    let image = core(b"memory");
    let path = lab.store_frames(&[&image[..image.len() - 1]]);
    let expected =
        format!("the image has {} bytes, but its ELF headers promise {}", image.len() - 1, image.len());
    assert_eq!(sentences(&check(&path))[0], expected);
}

#[test]
fn a_file_of_valid_frames_that_holds_no_core_is_damaged() {
    let lab = Lab::new();
    let report = check(&lab.store_frames(&[b"just some text"]));
    assert!(sentences(&report)[0].starts_with("the image's headers are not valid: the image does not begin"));
    let report = check(&lab.store_frames(&[&headers(&[(0, 9)])[..70]]));
    assert_eq!(sentences(&report)[0], "the image's headers are not valid: the image ends within its headers");
}

#[test]
fn records_that_are_missing_leave_an_image_unconfirmed() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    fs::remove_file(&sealed.manifest).unwrap();
    fs::remove_file(&sealed.checksum).unwrap();
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Unconfirmed);
    insta::assert_json_snapshot!(sentences(&report), @r#"
    [
      "there is no manifest web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.json: nobody can say whether these are the bytes that were captured",
      "there is no checksum file web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.sha256"
    ]
    "#);
}

#[test]
fn records_that_cannot_be_read_are_told_from_records_that_are_missing() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    fs::write(&sealed.manifest, "{}").unwrap();
    fs::write(&sealed.checksum, "hello").unwrap();
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Damaged);
    insta::assert_json_snapshot!(sentences(&report), @r#"
    [
      "the manifest web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.json is of no use: the manifest is damaged: missing field `manifest_version` at line 1 column 2",
      "the checksum file web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.sha256 is of no use: it does not begin with a SHA-256"
    ]
    "#);
}

#[test]
fn the_manifest_of_another_image_is_recognised() {
    let (lab, other) = (Lab::new(), Lab::new());
    let sealed = lab.store(&core(b"memory"));
    let foreign = other.store(&core(b"other memory"));
    fs::copy(&foreign.manifest, &sealed.manifest).unwrap();
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Damaged);
    insta::assert_json_snapshot!(sentences(&report), @r#"
    [
      "the manifest web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11.json describes another image (dump 0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11 of guest web-01)"
    ]
    "#);
}

#[test]
fn an_altered_manifest_is_told_by_the_value_that_differs() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    let manifest = Manifest::read(&sealed.manifest).unwrap();
    let altered = Manifest { raw_size_bytes: ByteCount(1), stored_size_bytes: ByteCount(2), ..manifest };
    fs::write(&sealed.manifest, altered.to_json().unwrap()).unwrap();
    let sentences = sentences(&check(&sealed.image));
    assert!(sentences[0].contains("more than the 2 that the manifest says"), "{sentences:?}");
    assert!(sentences[1].contains("the size of the image is 206, but the manifest says 1"), "{sentences:?}");
    assert_eq!(sentences.len(), 2);
}

#[test]
fn a_checksum_file_of_other_bytes_is_told() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    fs::write(&sealed.checksum, format!("{}  -\n", "0".repeat(64))).unwrap();
    let report = check(&sealed.image);
    assert_eq!(report.verdict, Verdict::Damaged);
    let [Finding::ChecksumMismatch { recorded, .. }] = report.findings.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(recorded, &"0".repeat(64));
}

#[test]
fn bytes_that_were_appended_are_told() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    damage(&sealed.image, |file| file.push(0));
    let sentences = sentences(&check(&sealed.image));
    assert!(sentences[0].contains("does not end with a seek table"), "{sentences:?}");
    assert!(sentences[1].contains("more than the"), "{sentences:?}");
}

#[test]
fn what_cannot_be_opened_is_an_error_and_no_report() {
    let lab = Lab::new();
    assert!(matches!(verify(lab.store.dir(), &mut silent), Err(ReadError::NotAFile { .. })));
    assert!(matches!(verify(Path::new("/nowhere/x"), &mut silent), Err(ReadError::Open { .. })));
}

/// The page map and the digests of an image, with where they are.
fn companions(sealed: &Sealed) -> (std::path::PathBuf, std::path::PathBuf) {
    (sealed.page_map.clone().unwrap(), sealed.digests.clone().unwrap())
}

fn small(lab: &Lab) -> Sealed {
    let mut memory = noise(5, 5 * 4096);
    memory.extend(vec![0; 4096]);
    lab.store(&core(&memory))
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_page_map_is_noticed() {
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
    let mut manifest = Manifest::read(&sealed.manifest).unwrap();
    manifest.page_map.as_mut().unwrap().pages.zero += 1;
    fs::write(&sealed.manifest, manifest.to_json().unwrap()).unwrap();
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

fn sample(path: &Path, frames: u64) -> VerifyReport {
    verify_sample(path, NonZero::new(frames).unwrap(), &mut silent).unwrap()
}

#[test]
fn a_sample_says_that_it_is_one() {
    let lab = Lab::new();
    let sealed = lab.store(&core(&noise(1, 9 * MIB)));
    let mut told = Vec::new();
    let report =
        verify_sample(&sealed.image, NonZero::new(4).unwrap(), &mut |progress| told.push(progress)).unwrap();
    assert_eq!((report.verdict, sentences(&report)), (Verdict::Sampled, vec![]));
    assert_eq!(report.verdict.to_string(), "nothing wrong in the sample");
    assert_eq!(report.sample, Some(Sample { frames: 4, compared: 4, of: 10 }));
    assert_eq!((report.sha256, report.file_sha256), (None, None));
    assert_eq!((report.page_map, report.frame_digests), (Companion::Intact, Companion::Intact));
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|progress| progress.bytes_expected == told[3].bytes_done));
    assert_eq!(sample(&sealed.image, 1000).sample, Some(Sample { frames: 10, compared: 10, of: 10 }));
}

#[test]
fn a_sample_finds_what_is_wrong_in_its_frames_and_beside_the_image() {
    let (lab, other) = (Lab::new(), Lab::new());
    let sealed = lab.store(&core(&noise(1, 9 * MIB)));
    let whole = fs::read(&sealed.image).unwrap();
    let spans: Vec<_> =
        SeekTable::read_from(&mut File::open(&sealed.image).unwrap()).unwrap().spans().collect();
    for frame in [0, 9] {
        let mut damaged = whole.clone();
        damaged[usize::try_from(spans[frame].stored.end).unwrap() - 6] ^= 1;
        fs::write(&sealed.image, damaged).unwrap();
        let report = sample(&sealed.image, 2);
        assert_eq!(report.verdict, Verdict::Damaged);
        assert!(matches!(&report.findings[..], [Finding::Frame { span, .. }] if *span == spans[frame]));
    }
    // A frame that is sound, of the same size, and not the one that was stored.
    let mut memory = noise(1, 9 * MIB);
    memory[0] ^= 1;
    let foreign = other.store(&core(&memory));
    fs::copy(&foreign.image, &sealed.image).unwrap();
    let report = sample(&sealed.image, 1);
    assert!(matches!(&report.findings[..], [Finding::FrameDigest { span }] if *span == spans[0]));
    fs::write(&sealed.image, &whole).unwrap();

    let (page_map, digests) = companions(&sealed);
    for (path, with) in [(page_map, foreign.page_map.unwrap()), (digests, foreign.digests.unwrap())] {
        let own = fs::read(&path).unwrap();
        fs::copy(with, &path).unwrap();
        assert_eq!(sample(&sealed.image, 1).verdict, Verdict::Damaged, "{}", path.display());
        fs::write(&path, own).unwrap();
    }
    damage(&sealed.checksum, |text| text[0] = b'x');
    assert_eq!(sample(&sealed.image, 1).verdict, Verdict::Damaged);
    damage(&sealed.image, |file| file.truncate(file.len() - 1));
    assert!(matches!(sample(&sealed.image, 1).findings[0], Finding::SeekTable { .. }));
}

#[test]
fn the_manifest_of_another_image_is_recognised_by_a_sample_too() {
    let (lab, other) = (Lab::new(), Lab::new());
    let sealed = lab.store(&core(b"memory"));
    let foreign = other.store(&core(b"other memory"));
    fs::copy(&foreign.manifest, &sealed.manifest).unwrap();
    fs::copy(&foreign.checksum, &sealed.checksum).unwrap();
    let report = sample(&sealed.image, 5);
    assert!(matches!(report.findings[..], [Finding::ManifestOfAnotherImage { .. }]), "{:?}", report.findings);
}

#[test]
fn the_page_map_of_an_image_is_beside_it() {
    let lab = Lab::new();
    let sealed = small(&lab);
    assert_eq!(PageMap::path_beside(&sealed.image), sealed.page_map.unwrap());
}
