use std::cell::Cell;
use std::error::Error;
use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::pipeline::source::ReceivedImage as _;
use crate::synthetic::{headers, noise};
use crate::testing::{Lab, core, memory, silent};

const MIB: usize = 1 << 20;

fn receive(stream: impl Read) -> Result<OrderedImage, CaptureError> {
    FrozenCapture::prepare(&Lab::new().store)?.receive(stream, &|| false, &mut silent)
}

fn refused(stream: impl Read) -> CaptureError {
    receive(stream).unwrap_err()
}

fn received(stream: impl Read) -> Vec<u8> {
    let mut image = Vec::new();
    receive(stream).unwrap().read_to_end(&mut image).unwrap();
    image
}

/// Gives pieces of at most that size, each after an interruption.
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
fn what_was_received_is_the_image() {
    let image = core(&memory(1, 5 * MIB + 4321));
    assert!(received(image.as_slice()) == image);
}

#[test]
fn a_stream_in_small_interrupted_pieces_gives_the_same_image() {
    let image = core(&memory(2, MIB + 4321));
    assert!(received(Interrupted { rest: &image, piece: 4096, interrupt: false }) == image);
}

#[test]
fn the_headers_tell_the_segments() {
    let image = core(&noise(1, MIB));
    let mut scanner = ElfScanner::new();
    let expected = scanner.push(&image).unwrap().unwrap();
    assert_eq!(receive(image.as_slice()).unwrap().core(), expected);
}

#[test]
fn a_beginning_that_is_longer_than_a_chunk_is_kept() {
    for gap in [CHUNK_BYTES - 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 7] {
        // The memory lies that much behind the headers.
        let mut image = headers(&[(0, MIB as u64)]);
        let notes_end = image.len() as u64;
        let place = 64 + 56 + 8;
        assert_eq!(image[place..place + 8], notes_end.to_le_bytes(), "p_offset of the memory");
        image[place..place + 8].copy_from_slice(&(notes_end + gap as u64).to_le_bytes());
        image.extend(noise(3, gap));
        image.extend(memory(4, MIB));
        assert!(received(image.as_slice()) == image, "{gap}");
    }
}

#[test]
fn a_beginning_that_claims_to_be_endless_is_spooled_like_memory() {
    let mut image = headers(&[(0, 8)]);
    let place = 64 + 56 + 8;
    let start = MAX_HEAD_BYTES + 1;
    image[place..place + 8].copy_from_slice(&start.to_le_bytes());
    image.resize(usize::try_from(start).unwrap(), 0);
    image.extend(b"memory!!");
    assert!(received(image.as_slice()) == image);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_memory_in_any_segments_comes_back(
        parts in proptest::collection::vec((0_u64..1 << 40, 0_usize..700_000), 1..4),
        seed in 0_u64..100,
    ) {
        let parts: Vec<_> = parts.iter().map(|(address, bytes)| (*address, *bytes as u64)).collect();
        let total: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
        prop_assume!(total > 0);
        let mut image = headers(&parts);
        image.extend(memory(seed, usize::try_from(total).unwrap()));
        prop_assert!(received(image.as_slice()) == image);
    }
}

#[test]
fn progress_is_exact_from_the_first_time() {
    let image = core(&vec![1; 2 * MIB]);
    let size = ByteCount(image.len() as u64);
    let mut told = Vec::new();
    let capture = FrozenCapture::prepare(&Lab::new().store).unwrap();
    capture.receive(image.as_slice(), &|| false, &mut |progress| told.push(progress)).unwrap();
    assert!(told.len() >= 8 && told.is_sorted_by_key(|progress| progress.bytes_done));
    assert_eq!(told.last().unwrap().bytes_done, size);
    assert!(told.iter().all(|progress| progress.bytes_expected == size));
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

#[test]
fn more_memory_than_any_guest_has_is_refused_at_once() {
    let promised = Cursor::new(headers(&[(0, 1 << 44)])).chain(io::repeat(1));
    let error = refused(promised);
    assert!(matches!(error, CaptureError::Spool(SpoolError::TooLarge)), "{error}");
}

#[test]
fn a_disk_that_takes_no_pages_ends_the_dump_and_is_named() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let index = Lab::new().store.create_spool().unwrap();
    let capture = FrozenCapture { file: PageFile::new(full), index };
    let image = core(&noise(1, 100 * MIB));
    let read = Cell::new(0);
    let error = capture
        .receive(image.as_slice(), &|| false, &mut |progress| read.set(progress.bytes_done.0))
        .unwrap_err();
    match error {
        CaptureError::Spool(SpoolError::Failed { step, source }) => {
            assert_eq!((step, source.kind()), ("written", io::ErrorKind::StorageFull));
        }
        other => panic!("{other:?}"),
    }
    assert!(read.get() < image.len() as u64, "the guest does not wait for the rest");
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
        let _ = receive(Watched(stream, &closed));
        assert!(closed.get());
    }
}
