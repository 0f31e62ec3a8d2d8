//! A frozen dump, from the hypervisor's stream to the stored image: what is accepted is called intact, and exports as
//! the bytes that came; what is not leaves no file.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{Pieces, capture, damaged, provenance, scratch};
use memdeck_image::fuzzing::{elf_headers, noise};
use memdeck_image::{CaptureError, Companion, ImageStore, PageMap, Sealed, Verdict, export, verify};
use memdeck_model::{CaptureMode, DumpId};

static STORE: LazyLock<ImageStore> =
    LazyLock::new(|| ImageStore::open(&scratch().join("dumps")).expect("a directory for dumps"));
static ID: LazyLock<DumpId> = LazyLock::new(|| "a1".parse().expect("a dump id"));

/// A core with segments in any order, one of them not of whole pages.
static CORE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let parts = [(0xc_0000, 5000), (0xfffc_0000, 4096), (0, 8192)];
    let memory = [noise(1, 5000), b"text".repeat(1024), vec![0; 8192]].concat();
    [elf_headers(&parts), memory].concat()
});

fn dump(stream: &[u8], seed: u8) -> Result<Sealed, CaptureError> {
    let provenance = provenance(CaptureMode::Frozen);
    let mut partial = STORE.create(&provenance.guest.name, &ID).expect("a new image");
    let captured = capture(&STORE, &mut partial, Pieces::new(stream, seed, 5000))?;
    assert_eq!(captured.raw_size.0, stream.len() as u64);
    Ok(partial.seal(provenance).expect("a captured image can be sealed"))
}

fn check(sealed: &Sealed, stream: &[u8]) {
    let report = verify(&sealed.image, &mut |_| {}).expect("a file that can be read");
    assert_eq!(report.verdict, Verdict::Intact, "{:?}", report.findings);
    let mut exported = Vec::new();
    assert!(export(&sealed.image, &mut exported).expect("an intact image exports").confirmed);
    assert!(exported == stream);
    assert_eq!(report.frame_digests, Companion::Intact);
    assert_eq!(report.page_map == Companion::Intact, sealed.page_map.is_some());
    if let Some(path) = &sealed.page_map {
        let mut map = PageMap::open(path).expect("the map of an intact image");
        let pages = map.pages();
        let entries = map.entries(0).expect("a place in the map");
        let read = entries.inspect(|entry| assert!(entry.is_ok(), "an entry that can be read")).count();
        assert_eq!(read as u64, pages);
    }
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let seed = data.arbitrary().unwrap_or_default();
    let stream = damaged(&mut data, &[&CORE]);
    if let Ok(sealed) = dump(&stream, seed) {
        check(&sealed, &stream);
        STORE.remove_partials(&ID).expect("files that can be removed");
    } else {
        assert_ne!(stream, *CORE);
    }
    assert_eq!(fs::read_dir(STORE.dir()).expect("the directory for dumps").count(), 0);
});
