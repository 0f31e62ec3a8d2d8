//! A live dump, from the migration stream to the ELF core: what is accepted becomes a core that is what it says.
#![no_main]

use std::io::Read as _;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{Pieces, damaged, read_in_steps, scratch};
use memdeck_image::fuzzing::{migration_stream, migration_streams};
use memdeck_image::{ElfScanner, ImageStore, LiveCapture, LiveEvent, SegmentKind};

static VALID: LazyLock<[Vec<u8>; 2]> = LazyLock::new(migration_streams);
static STORE: LazyLock<ImageStore> =
    LazyLock::new(|| ImageStore::open(&scratch().join("dumps")).expect("a directory for dumps"));

/// How much of an image is read: a stream of a few bytes may speak of many GiB.
const MAX_READ_BYTES: u64 = 256 << 10;

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let seed = data.arbitrary().unwrap_or_default();
    let stream = damaged(&mut data, &VALID.each_ref().map(Vec::as_slice));
    let mut failures = 0;
    let received = LiveCapture::receive(&STORE, Pieces::new(&stream, seed, 5000), &|| false, &mut |event| {
        failures += u32::from(matches!(event, LiveEvent::Failed(_)));
    });
    let received = match received {
        Ok(received) => received,
        Err(error) => {
            assert!(failures <= 1, "told {failures} times that it failed ({error})");
            return;
        }
    };
    assert_eq!(failures, 0);
    let told = migration_stream(stream.as_slice()).expect("what is received can be parsed");
    assert_eq!(received.stream_bytes.0, stream.len() as u64);
    let pages = received.pages;
    assert_eq!(pages.total, pages.zero + pages.non_zero + pages.absent);
    assert_eq!(received.ram_bytes.0, pages.total * 4096);
    assert!(pages.zero + pages.non_zero + pages.resent <= told.pages);

    let image_size = received.image_size().0;
    let ram_bytes = received.ram_bytes.0;
    let mut reader = received.into_reader().take(MAX_READ_BYTES);
    let image = read_in_steps(&mut reader, seed, 1 << 16).expect("an image that was spooled");
    assert_eq!(image.len() as u64, image_size.min(MAX_READ_BYTES));
    let mut scanner = ElfScanner::new();
    scanner.push(&image).expect("headers that memdeck accepts");
    let core = scanner.into_core().expect("complete headers");
    assert_eq!(core.image_size.0, image_size);
    let loaded = core.segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
    assert_eq!(loaded.map(|segment| segment.file_bytes.0).sum::<u64>(), ram_bytes);
});
