//! Verifying an image: here what is wrong with its own file; with what lies beside it, in the modules.

mod against;
mod companions;
mod difference;
mod manipulations;
mod records;
mod sample;
mod signature;
mod time_stamp;

use std::fs::{self, File};

use super::*;
use crate::synthetic::{headers, noise};
use crate::testing::{Lab, core, silent};
use crate::{Sealed, SeekTable};

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

/// The page map and the digests of an image, with where they are.
fn companions(sealed: &Sealed) -> (std::path::PathBuf, std::path::PathBuf) {
    (sealed.page_map.clone().unwrap(), sealed.digests.clone().unwrap())
}

fn small(lab: &Lab) -> Sealed {
    let mut memory = noise(5, 5 * 4096);
    memory.extend(vec![0; 4096]);
    lab.store(&core(&memory))
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
fn a_verification_ends_at_the_frame_after_which_nobody_wants_it_any_more() {
    let lab = Lab::new();
    let sealed = four_frames(&lab);
    let mut seen = Vec::new();
    let stopped = verify_while(&sealed.image, &mut |progress| {
        seen.push(progress.bytes_done.0);
        if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(ReadError::Stopped)), "{stopped:?}");
    assert_eq!(seen, [MIB as u64, 2 * MIB as u64]);
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
