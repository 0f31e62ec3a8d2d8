use std::cell::Cell;
use std::error::Error;
use std::io::Cursor;

use super::*;
use crate::read_ahead;
use crate::synthetic::{headers, noise};
use crate::testing::{Lab, core, provenance, silent};

const MIB: usize = 1 << 20;

fn refused(stream: impl Read) -> CaptureError {
    Lab::new().partial().capture(stream, &mut silent).unwrap_err()
}

#[test]
fn a_capture_tells_what_it_stored() {
    let mut memory = noise(1, 2 * MIB);
    memory.extend(vec![0; 3 * MIB]);
    let image = core(&memory);
    let lab = Lab::new();
    let mut partial = lab.partial();
    let captured = partial.capture(image.as_slice(), &mut silent).unwrap();
    let file = std::fs::read(partial.path()).unwrap();
    assert_eq!(captured.raw_size, ByteCount(image.len() as u64));
    assert_eq!(captured.stored_size, ByteCount(file.len() as u64));
    // The headers push the memory by some bytes: the third frame begins with noise, the sixth is a rest of zeroes.
    assert_eq!((captured.frames, captured.zero_frames), (6, 3));
    assert_eq!(captured.segments.len(), 2);
    let sha256 = |bytes: &[u8]| {
        use sha2::Digest;
        crate::hash::hex_digest(sha2::Sha256::new_with_prefix(bytes))
    };
    assert_eq!(captured.sha256, sha256(&image));
    assert_eq!(captured.file_sha256, sha256(&file));
}

#[test]
fn progress_is_told_per_mib_and_exact_from_the_first_time() {
    let image = core(&vec![1; 2 * MIB]);
    let size = image.len() as u64;
    let mut told = Vec::new();
    Lab::new().partial().capture(image.as_slice(), &mut |progress| told.push(progress)).unwrap();
    let done: Vec<u64> = told.iter().map(|progress| progress.bytes_done.0).collect();
    assert_eq!(done, [MIB as u64, 2 * MIB as u64, size]);
    assert!(told.iter().all(|progress| progress.bytes_expected == ByteCount(size)));
}

/// Gives `pieces` of at most that size, each after an interruption.
struct Interrupted<'a> {
    rest: &'a [u8],
    piece: usize,
    interrupt: bool,
}

impl Read for Interrupted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = self.piece.min(buffer.len());
        self.rest.read(&mut buffer[..count])
    }
}

#[test]
fn a_stream_in_small_interrupted_pieces_gives_the_same_image() {
    let image = core(&noise(2, MIB + 4321));
    let whole = Lab::new().partial().capture(image.as_slice(), &mut silent).unwrap();
    let stream = Interrupted { rest: &image, piece: 4096, interrupt: false };
    let in_pieces = Lab::new().partial().capture(stream, &mut silent).unwrap();
    assert_eq!((in_pieces.sha256, in_pieces.file_sha256), (whole.sha256, whole.file_sha256));
}

/// Fails after its bytes.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the dump was cancelled")),
            count => Ok(count),
        }
    }
}

#[test]
fn an_error_of_the_stream_aborts_and_is_named() {
    let image = core(&vec![1; 3 * MIB]);
    let error = refused(Broken(&image[..2 * MIB]));
    assert_eq!(error.to_string(), "reading the guest's memory failed after 2.00 MiB");
    assert_eq!(error.source().unwrap().to_string(), "the dump was cancelled");
}

#[test]
fn a_stream_that_is_shorter_or_longer_than_its_headers_promise_is_no_image() {
    let mut image = core(&vec![1; 2 * MIB]);
    let size = image.len();
    assert_eq!(
        refused(&image[..size - 1]).to_string(),
        format!("the guest's memory stream ended after {} bytes; its headers promise {size}", size - 1)
    );
    image.push(0);
    assert_eq!(
        refused(image.as_slice()).to_string(),
        format!("the guest's memory stream goes on after the {size} bytes that its headers promise")
    );
}

#[test]
fn a_stream_without_complete_headers_is_no_image() {
    for length in [0, 1, 63, 64, 120] {
        let error = refused(&core(b"memory")[..length]).to_string();
        let expected = format!("ended after {length} bytes, before its headers were complete");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn another_kind_of_stream_is_refused_with_the_reason() {
    let error = refused(&b"QEVM\0\0\0\x03"[..]);
    assert_eq!(error.to_string(), "the hypervisor's stream is not a memory image that memdeck can store");
    assert!(error.source().unwrap().to_string().contains("does not begin with an ELF header"));
}

#[test]
fn an_endless_stream_is_given_up_once_it_is_too_long() {
    let endless = Cursor::new(headers(&[(0, 1)])).chain(io::repeat(0));
    assert!(matches!(refused(endless), CaptureError::TooLong { .. }));
}

/// Says when it is dropped.
struct Watched<'a, R>(R, &'a Cell<bool>);

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R> Drop for Watched<'_, R> {
    fn drop(&mut self) {
        self.1.set(true);
    }
}

#[test]
fn the_stream_is_closed_however_reading_ends() {
    let image = core(b"memory");
    for stream in [image.as_slice(), &image[..70], b"junk"] {
        let closed = Cell::new(false);
        let _ = Lab::new().partial().capture(Watched(stream, &closed), &mut silent);
        assert!(closed.get());
    }
}

#[test]
fn a_failed_capture_cannot_be_repeated_or_sealed() {
    let lab = Lab::new();
    let mut partial = lab.partial();
    partial.capture(&b"junk"[..], &mut silent).unwrap_err();
    let again = partial.capture(core(b"memory").as_slice(), &mut silent).unwrap_err();
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
    let captured = partial.capture(image.as_slice(), &mut silent).unwrap();
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
        let captured = Lab::new().partial().capture(core(&memory).as_slice(), &mut silent).unwrap();
        assert_eq!(captured.os_banner.as_deref(), Some(banner), "at {at}");
    }
    let captured = Lab::new().partial().capture(core(&noise(1, 2 * MIB)).as_slice(), &mut silent).unwrap();
    assert_eq!(captured.os_banner, None);
}

#[test]
fn what_is_read_ahead_is_stored_as_if_it_were_not() {
    let mut memory = noise(1, 2 * MIB);
    memory.extend(vec![0; 5 * MIB]);
    memory.extend(noise(2, MIB));
    let image = core(&memory);
    let lab = Lab::new();
    let (intake, outlet) = read_ahead(&lab.store).unwrap();
    let report = intake.take_in(image.as_slice());
    assert_eq!(report.read.0, image.len() as u64);
    let captured = lab.partial().capture_read_ahead(outlet, &|| false, &mut silent).unwrap();
    let directly = Lab::new().partial().capture(image.as_slice(), &mut silent).unwrap();
    assert_eq!((captured.sha256, captured.file_sha256), (directly.sha256, directly.file_sha256));
    assert_eq!((captured.raw_size, captured.zero_frames), (directly.raw_size, directly.zero_frames));
}

#[test]
fn storing_what_is_read_ahead_ends_when_it_is_told_to() {
    let image = core(&vec![1; 2 * MIB]);
    let lab = Lab::new();
    let (intake, outlet) = read_ahead(&lab.store).unwrap();
    intake.take_in(image.as_slice());
    let asked = Cell::new(0);
    let must_stop = || asked.replace(asked.get() + 1) == 1;
    let error = lab.partial().capture_read_ahead(outlet, &must_stop, &mut silent).unwrap_err();
    let CaptureError::Stream { read, source } = error else { panic!("{error:?}") };
    assert_eq!((read.0, source.kind()), (MIB as u64, io::ErrorKind::TimedOut));
}
