use std::cell::Cell;

use std::io;

use super::*;
use crate::FrozenCapture;
use crate::synthetic::noise;
use crate::testing::{Lab, core, provenance, silent};

const MIB: usize = 1 << 20;

#[test]
fn a_capture_tells_what_it_stored() {
    let mut memory = noise(1, 2 * MIB);
    memory.extend(vec![0; 3 * MIB]);
    let image = core(&memory);
    let lab = Lab::new();
    let mut partial = lab.partial();
    let captured = partial.capture_core(image.as_slice()).unwrap();
    let file = std::fs::read(partial.path()).unwrap();
    assert_eq!(captured.raw_size, ByteCount(image.len() as u64));
    assert_eq!(captured.stored_size, ByteCount(file.len() as u64));
    // The headers push the memory by some bytes: the third frame begins with noise, the sixth is a rest of zeroes.
    assert_eq!((captured.frames, captured.zero_frames), (6, 3));
    assert_eq!(captured.segments.len(), 2);
    let sha256 = |bytes: &[u8]| {
        use sha2::Digest;
        crate::format::hash::hex_digest(sha2::Sha256::new_with_prefix(bytes))
    };
    assert_eq!(captured.sha256, sha256(&image));
    assert_eq!(captured.file_sha256, sha256(&file));
}

#[test]
fn progress_is_told_per_mib_and_exact_from_the_first_time() {
    let image = core(&vec![1; 2 * MIB]);
    let size = image.len() as u64;
    let lab = Lab::new();
    let mut told = Vec::new();
    let image = FrozenCapture::prepare(&lab.store)
        .unwrap()
        .receive(image.as_slice(), &|| false, &mut silent)
        .unwrap();
    lab.partial().capture(image, &|| false, &mut |progress| told.push(progress)).unwrap();
    let done: Vec<u64> = told.iter().map(|progress| progress.bytes_done.0).collect();
    assert_eq!(done, [MIB as u64, 2 * MIB as u64, size]);
    assert!(told.iter().all(|progress| progress.bytes_expected == ByteCount(size)));
}

#[test]
fn a_failed_capture_cannot_be_repeated_or_sealed() {
    let lab = Lab::new();
    let mut partial = lab.partial();
    let image = FrozenCapture::prepare(&lab.store).unwrap().receive(
        core(b"memory").as_slice(),
        &|| false,
        &mut silent,
    );
    partial.capture(image.unwrap(), &|| true, &mut silent).unwrap_err();
    let again = partial.capture_core(core(b"memory").as_slice()).unwrap_err();
    assert!(again.to_string().contains("was captured before"), "{again}");
    let error = partial.seal(provenance()).unwrap_err();
    assert!(error.to_string().contains("was not captured completely"), "{error}");
    assert_eq!(lab.files(), [""; 0]);
}

#[test]
fn frames_have_digests_and_a_root_over_them() {
    let mut memory = noise(1, 2 * MIB);
    memory.extend(vec![0; 3 * MIB]);
    let image = core(&memory);
    let lab = Lab::new();
    let mut partial = lab.partial();
    let captured = partial.capture_core(image.as_slice()).unwrap();
    let sealed = partial.seal(provenance()).unwrap();
    let digests = std::fs::read(sealed.digests.unwrap()).unwrap();
    let expected: Vec<u8> = image.chunks(MIB).flat_map(|frame| *blake3::hash(frame).as_bytes()).collect();
    assert!(digests == expected);
    assert_eq!(captured.frame_digests.root, blake3::hash(&expected).to_hex().to_string());
}

#[test]
fn the_guests_banner_is_found_wherever_it_lies() {
    let banner = "Linux version 6.1.0 (a@b) (gcc 12) #1 SMP Debian";
    let head = core(&[]).len();
    for at in [10, MIB - head - 20, MIB - head, 3 * MIB - head - banner.len()] {
        let mut memory = vec![0; 3 * MIB];
        memory[at..at + banner.len()].copy_from_slice(banner.as_bytes());
        let captured = Lab::new().partial().capture_core(core(&memory).as_slice()).unwrap();
        assert_eq!(captured.os_banner.as_deref(), Some(banner), "at {at}");
    }
    let captured = Lab::new().partial().capture_core(core(&noise(1, 2 * MIB)).as_slice()).unwrap();
    assert_eq!(captured.os_banner, None);
}

#[test]
fn storing_ends_when_it_is_told_to() {
    let lab = Lab::new();
    let image = core(&vec![1; 2 * MIB]);
    let image = FrozenCapture::prepare(&lab.store)
        .unwrap()
        .receive(image.as_slice(), &|| false, &mut silent)
        .unwrap();
    let asked = Cell::new(0);
    let must_stop = || asked.replace(asked.get() + 1) == 1;
    let error = lab.partial().capture(image, &must_stop, &mut silent).unwrap_err();
    let CaptureError::Stream { read, source } = error else { panic!("{error:?}") };
    assert_eq!((read.0, source.kind()), (MIB as u64, io::ErrorKind::TimedOut));
}
