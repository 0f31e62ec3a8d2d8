//! QEMU's migration stream: what it tells, or why it is refused, does not depend on the pieces it comes in.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{Pieces, damaged};
use memdeck_image::fuzzing::{migration_stream, migration_streams};

static VALID: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let streams = migration_streams();
    for stream in &streams {
        migration_stream(stream.as_slice()).expect("a valid stream");
    }
    streams
});

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let seed = data.arbitrary().unwrap_or_default();
    let stream = damaged(&mut data, &VALID.each_ref().map(Vec::as_slice));
    let whole = migration_stream(stream.as_slice()).map_err(|error| error.to_string());
    let pieces = migration_stream(Pieces::new(&stream, seed, 5000)).map_err(|error| error.to_string());
    assert_eq!(pieces, whole);
    if let Ok(told) = whole {
        // A page takes nine bytes or more, whatever it says of itself.
        assert!(told.pages * 9 <= stream.len() as u64, "{} pages in {} bytes", told.pages, stream.len());
    }
});
