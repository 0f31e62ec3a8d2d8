//! A few frames instead of all.

use std::fs::{self, File};

use super::{MIB, companions, damage, sentences};
use crate::SeekTable;
use crate::synthetic::noise;
use crate::testing::{Lab, core, silent};
use crate::verify::*;

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
