//! A stored image with the files beside it that were written with it: what is called intact exports as the very bytes that were captured,
//! whichever of its five files is damaged; what is wrong is said of the file that is.
#![no_main]

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{capture, damaged, provenance, scratch, stored};
use memdeck_image::fuzzing::{elf_headers, noise};
use memdeck_image::{Companion, ImageStore, Verdict, VerifyReport, export, verify, verify_sample};
use memdeck_model::CaptureMode;

const IMAGE: usize = 0;
const MANIFEST: usize = 1;
const CHECKSUM: usize = 2;
const PAGE_MAP: usize = 3;
const DIGESTS: usize = 4;
const ALL_FRAMES: NonZero<u64> = NonZero::<u64>::MAX;

struct Stored {
    /// Image, manifest, checksum, page map, digests: where they are, and what they held.
    files: [(PathBuf, Vec<u8>); 5],
    image: Vec<u8>,
}

static STORED: LazyLock<Stored> = LazyLock::new(|| {
    let store = ImageStore::open(&scratch().join("dumps")).expect("a directory for dumps");
    let memory = [noise(1, 9000), vec![0; 9000]].concat();
    let image = [elf_headers(&[(0, memory.len() as u64)]), memory].concat();
    let provenance = provenance(CaptureMode::Frozen);
    let dump_id = "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11".parse().expect("a dump id");
    let mut partial = store.create(&provenance.guest.name, &dump_id).expect("a new image");
    capture(&store, &mut partial, image.as_slice()).expect("a captured image");
    let sealed = partial.seal(provenance).expect("a sealed image");
    let beside = [sealed.page_map, sealed.digests].map(|path| path.expect("an image has one"));
    let [page_map, digests] = beside;
    let files = [sealed.image, sealed.manifest, sealed.checksum, page_map, digests].map(|path| {
        let content = fs::read(&path).expect("a file of the image");
        (path, content)
    });
    Stored { files, image }
});

/// What is under the codec of this file, damaged and stored anew: a whole file with an odd content.
fn odd(data: &mut Unstructured<'_>, file: &[u8]) -> Vec<u8> {
    let frame_bytes = usize::from(data.arbitrary::<u16>().unwrap_or_default()) + 256;
    let content = zstd::stream::decode_all(file).expect("frames and a skippable one");
    let content = damaged(data, &[&content]);
    stored(if content.is_empty() { &[0] } else { &content }, frame_bytes)
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let Stored { files, image } = &*STORED;
    let (changed, content) = data.arbitrary::<(u8, bool)>().unwrap_or_default();
    let mut is_changed = [false; 5];
    for (index, (path, original)) in files.iter().enumerate() {
        let content = match changed & 1 << index {
            0 => original.clone(),
            _ if content && matches!(index, IMAGE | PAGE_MAP) => odd(&mut data, original),
            _ => damaged(&mut data, &[original]),
        };
        is_changed[index] = content != *original;
        fs::write(path, content).expect("a writable directory");
    }
    let path = &files[IMAGE].0;
    let report = verify(path, &mut |_| {}).expect("a file that can be read");
    let mut exported = Vec::new();
    let export = export(path, &mut exported);
    match report.verdict {
        Verdict::Intact => {
            let export = export.expect("an intact image exports");
            assert!(export.confirmed);
            assert_eq!(exported, *image);
        }
        Verdict::Unconfirmed | Verdict::Sampled => unreachable!("no file is missing, and all of it was read"),
        Verdict::Damaged => {
            assert!(!report.findings.is_empty());
            assert!(is_changed.contains(&true), "{:?}", report.findings);
            // An export that is confirmed is of the image that the manifest names, whatever else is wrong.
            if export.is_ok_and(|export| export.confirmed) {
                assert_eq!(report.sha256, report.manifest.as_ref().map(|manifest| manifest.sha256.clone()));
            }
        }
    }
    if !is_changed[MANIFEST] {
        let must_be_found = [IMAGE, CHECKSUM, PAGE_MAP, DIGESTS].iter().any(|index| is_changed[*index]);
        assert_eq!(report.verdict == Verdict::Damaged, must_be_found, "{:?}", report.findings);
        for (index, state) in [(PAGE_MAP, report.page_map), (DIGESTS, report.frame_digests)] {
            let is_blamed = state == Companion::Damaged;
            // With another image, what belongs to this one may be blamed too.
            assert!(is_blamed == is_changed[index] || is_changed[IMAGE], "{index}: {:?}", report.findings);
        }
    }
    check_sample(&report, &verify_sample(path, ALL_FRAMES, &mut |_| {}).expect("a file that can be read"));
});

/// A sample of all frames finds what reading all of it finds, but for what it does not look at.
fn check_sample(whole: &VerifyReport, sample: &VerifyReport) {
    assert_eq!(sample.frames, whole.frames);
    assert!(!matches!(sample.verdict, Verdict::Intact | Verdict::Unconfirmed));
    if sample.verdict == Verdict::Damaged {
        assert_eq!(whole.verdict, Verdict::Damaged, "{:?}", sample.findings);
    }
}
