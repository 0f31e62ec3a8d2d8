//! Images that are stored as differences: what they are read as, and what is found when either of both files is another.

use proptest::prelude::*;

use super::*;
use crate::testing::{memory, record_of};
use crate::{
    Effort, ExportFormat, FrameContent, FrameDecoder, ImageExport, ManifestFile, StoredFrames, export,
};

/// A guest's memory, and the same later.
struct Pair {
    lab: Lab,
    base: Sealed,
    difference: Sealed,
    /// What the later image is.
    image: Vec<u8>,
}

impl Pair {
    fn new(before: &[u8], after: &[u8]) -> Self {
        let lab = Lab::new();
        let base = lab.store_signed(&core(before));
        let image = core(after);
        let difference = lab.store_difference(&base, &image);
        Self { lab, base, difference, image }
    }

    /// Four frames: two that stay, between them one of which little changes, and one that is another.
    fn of_four_frames() -> Self {
        let mut before = noise(1, 2 * MIB);
        before.extend(vec![0; MIB]);
        before.extend(noise(2, MIB / 2));
        let mut after = before.clone();
        after[MIB + 5_000..MIB + 5_010].copy_from_slice(b"ten others");
        after[MIB + 9_000] ^= 1;
        after[3 * MIB..].copy_from_slice(&noise(3, MIB / 2));
        Self::new(&before, &after)
    }

    fn exported(&self) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        export(&self.difference.image, &mut bytes).map(|exported| {
            assert!(exported.confirmed);
            bytes
        })
    }

    fn facts(&self) -> crate::DifferenceFacts {
        ManifestFile::read(&self.difference.manifest).unwrap().manifest.difference.unwrap()
    }
}

#[test]
fn only_what_changed_is_stored_and_all_of_it_is_read() {
    let pair = Pair::of_four_frames();
    let facts = pair.facts();
    assert_eq!((facts.same_frames, facts.changed_frames), (2, 1), "and one that is another");
    assert_eq!(facts.base, crate::testing::dump_id());
    let stored = pair.difference.stored_size.0;
    assert!(stored < pair.base.stored_size.0 / 4 + 2_000, "{stored} bytes are stored");
    assert_eq!(pair.exported().unwrap(), pair.image);
    let report = check(&pair.difference.image);
    assert_eq!((report.verdict, sentences(&report)), (Verdict::Intact, vec![]));
    assert_eq!(report.sha256.unwrap(), crate::sha256_hex(&pair.image));

    let frames = StoredFrames::open_recorded(&pair.difference.image, &record_of(&pair.difference)).unwrap();
    let (mut decoder, mut bytes) = (FrameDecoder::new().unwrap(), Vec::new());
    for span in frames.seek_table().spans() {
        let content = frames.read(span.frame, &mut decoder, &mut bytes).unwrap();
        let place = |at: u64| usize::try_from(at).unwrap();
        let image = &pair.image[place(span.image.start)..place(span.image.end)];
        match content {
            FrameContent::Zero => assert!(image.iter().all(|byte| *byte == 0)),
            FrameContent::Bytes => assert!(bytes == image, "frame {}", span.frame),
        }
    }
    let report =
        verify_sample(&pair.difference.image, std::num::NonZero::new(4).unwrap(), &mut silent).unwrap();
    assert_eq!((report.verdict, sentences(&report)), (Verdict::Sampled, vec![]));
}

#[test]
fn what_lies_beside_a_difference_is_as_beside_a_full_image() {
    let pair = Pair::of_four_frames();
    let lab = Lab::new();
    let full = lab.store(&pair.image);
    let manifest = |sealed: &Sealed| ManifestFile::read(&sealed.manifest).unwrap().manifest;
    let (difference, full) = (manifest(&pair.difference), manifest(&full));
    assert_eq!(difference.sha256, full.sha256);
    assert_eq!(difference.frame_digests, full.frame_digests);
    assert_eq!(difference.page_map, full.page_map);
    assert_eq!(difference.frames, full.frames);
    assert_eq!((difference.manifest_version, full.manifest_version), (2, 1), "older programs refuse the one");
    assert_eq!(full.difference, None);
}

#[test]
fn without_its_base_a_difference_says_which_image_is_needed() {
    let pair = Pair::of_four_frames();
    let away = pair.lab.outside().join("away");
    fs::rename(&pair.base.image, &away).unwrap();
    let report = check(&pair.difference.image);
    let base = pair.base.image.file_name().unwrap().to_str().unwrap();
    let said = sentences(&report);
    assert_eq!(report.verdict, Verdict::Damaged);
    assert!(
        said[0].contains(&format!("dump {}", crate::testing::dump_id())) && said[0].contains(base),
        "{said:?}"
    );
    assert!(!said.iter().any(|said| said.contains("frame ")), "its frames are not to blame: {said:?}");
    let error = memdeck_model::with_causes(&pair.exported().unwrap_err());
    assert!(error.contains(base) && error.contains("cannot be opened"), "{error}");
    let error =
        ImageExport::open_recorded(&pair.difference.image, ExportFormat::Raw, &record_of(&pair.difference));
    assert!(matches!(error.err().unwrap(), ReadError::Base { .. }));

    fs::rename(&away, &pair.base.image).unwrap();
    assert_eq!(pair.exported().unwrap(), pair.image);
}

#[test]
fn a_base_that_is_damaged_or_another_is_found() {
    let pair = Pair::of_four_frames();
    let original = fs::read(&pair.base.image).unwrap();
    // In a frame that is as in the base, and in one that changed in part.
    for at in [1_000, MIB + 1_000] {
        damage(&pair.base.image, |bytes| bytes[at] ^= 4);
        let said = sentences(&check(&pair.difference.image));
        assert!(said.iter().any(|said| said.contains("that image is damaged")), "{said:?}");
        assert!(pair.exported().is_err());
        fs::write(&pair.base.image, &original).unwrap();
    }
    // Sound frames of another image.
    let lab = Lab::new();
    let other = lab.store(&core(&noise(77, 3 * MIB + MIB / 2)));
    fs::copy(&other.image, &pair.base.image).unwrap();
    let said = sentences(&check(&pair.difference.image));
    assert!(said.iter().any(|said| said.contains("not the one that was recorded")), "{said:?}");
    assert!(pair.exported().is_err());
    // With their digests.
    fs::copy(other.digests.unwrap(), pair.base.digests.as_ref().unwrap()).unwrap();
    let said = sentences(&check(&pair.difference.image));
    assert!(said[0].contains("the digests of its frames are of no use"), "{said:?}");
}

#[test]
fn a_manifest_cannot_lead_elsewhere() {
    let pair = Pair::of_four_frames();
    let base = pair.facts().base_file;
    for name in
        [format!("../dumps/{base}"), format!("/etc/{base}"), "..".to_owned(), "web-01_x.elf.zst".to_owned()]
    {
        let manifest = fs::read_to_string(&pair.difference.manifest).unwrap();
        let changed =
            manifest.replace(&format!("\"base_file\": \"{base}\""), &format!("\"base_file\": \"{name}\""));
        assert_ne!(changed, manifest);
        fs::write(&pair.difference.manifest, changed).unwrap();
        let said = sentences(&check(&pair.difference.image));
        assert!(said[0].contains("names it wrongly"), "{said:?}");
        fs::write(&pair.difference.manifest, manifest).unwrap();
    }
}

#[test]
fn frames_without_a_manifest_that_names_a_base_are_damaged() {
    let pair = Pair::of_four_frames();
    fs::remove_file(&pair.difference.manifest).unwrap();
    let report = check(&pair.difference.image);
    assert_eq!(report.verdict, Verdict::Damaged);
    let said = sentences(&report);
    assert!(
        said.iter().any(|said| said.contains("frame 0") && said.contains("difference to another image")),
        "{said:?}"
    );
}

#[test]
fn an_image_of_another_layout_is_stored_whole() {
    let lab = Lab::new();
    let base = lab.store_signed(&core(&noise(1, MIB)));
    let image = core(&noise(1, MIB + 4096));
    let sealed = lab.store_difference(&base, &image);
    assert_eq!(ManifestFile::read(&sealed.manifest).unwrap().manifest.difference, None);
    fs::remove_file(&base.image).unwrap();
    assert_eq!(check(&sealed.image).verdict, Verdict::Intact);
}

#[test]
fn what_a_damaged_base_was_to_save_is_stored() {
    for changes in [0, 1] {
        let lab = Lab::new();
        let before = noise(1, MIB / 2);
        let base = lab.store_signed(&core(&before));
        damage(&base.image, |bytes| bytes[1_000] ^= 4);
        let mut after = before;
        after[7] ^= changes;
        let image = core(&after);
        let sealed = lab.store_difference(&base, &image);
        let facts = ManifestFile::read(&sealed.manifest).unwrap().manifest.difference.unwrap();
        assert_eq!((facts.same_frames, facts.changed_frames), (0, 0), "{changes}");
        let mut exported = Vec::new();
        export(&sealed.image, &mut exported).unwrap();
        assert!(exported == image);
    }
}

#[test]
fn each_flipped_bit_of_a_difference_is_found() {
    let mut before = noise(9, MIB + 6_000);
    before[..MIB - 4_000].fill(7);
    let mut after = before.clone();
    after[MIB + 100..MIB + 110].copy_from_slice(b"ten others");
    let pair = Pair::new(&before, &after);
    assert_eq!((pair.facts().same_frames, pair.facts().changed_frames), (1, 1));
    let files = [&pair.difference.image, &pair.difference.checksum];
    for path in files
        .into_iter()
        .chain([pair.difference.page_map.as_ref().unwrap(), pair.difference.digests.as_ref().unwrap()])
    {
        let original = fs::read(path).unwrap();
        for byte in 0..original.len() {
            let mut changed = original.clone();
            changed[byte] ^= 1 << (byte % 8);
            fs::write(path, changed).unwrap();
            assert_eq!(
                check(&pair.difference.image).verdict,
                Verdict::Damaged,
                "byte {byte} of {}",
                path.display()
            );
        }
        fs::write(path, original).unwrap();
    }
    assert_eq!(check(&pair.difference.image).verdict, Verdict::Intact);
}

fn changed(before: &[u8], changes: &[(prop::sample::Index, usize, u64)]) -> Vec<u8> {
    let mut after = before.to_vec();
    for (at, length, seed) in changes {
        let at = at.index(after.len());
        let end = (at + length).min(after.len());
        let bytes = if seed % 3 == 0 { vec![0; end - at] } else { noise(*seed, end - at) };
        after[at..end].copy_from_slice(&bytes);
    }
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_difference_is_exported_as_the_image_that_was_dumped(
        seed in 0_u64..100,
        length in 4_096_usize..3_500_000,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..600_000, 0_u64..100), 0..5),
        offset in any::<prop::sample::Index>(),
    ) {
        let before = memory(seed, length);
        let pair = Pair::new(&before, &changed(&before, &changes));
        prop_assert!(pair.exported().unwrap() == pair.image);
        let report = check(&pair.difference.image);
        prop_assert_eq!((report.verdict, sentences(&report)), (Verdict::Intact, vec![]));
        // From any place on.
        let at = offset.index(pair.image.len());
        let mut rest = Vec::new();
        ImageExport::open(&pair.difference.image, ExportFormat::Elf).unwrap()
            .write_from(at as u64, Effort::Shared, &mut rest).unwrap();
        prop_assert!(rest == pair.image[at..]);
    }
}
