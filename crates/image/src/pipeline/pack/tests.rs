use super::*;
use crate::format::page_map::is_zero;
use crate::pipeline::source::Filled;
use crate::synthetic::noise;

/// A source that is never asked.
struct Never;

impl ImageSource for Never {
    fn fill(&mut self, _: &mut [u8]) -> io::Result<Filled> {
        Err(io::Error::other("nobody should read this"))
    }
}

/// Gives the same bytes, frame after frame, so many times.
struct Repeated {
    frame: Vec<u8>,
    times: usize,
}

impl ImageSource for Repeated {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let Some(times) = self.times.checked_sub(1) else { return Ok(Filled::Bytes(0)) };
        self.times = times;
        buffer.copy_from_slice(&self.frame);
        Ok(Filled::Bytes(buffer.len()))
    }
}

/// Pushes what a source gives.
fn feed_all(mut source: impl ImageSource, mut feed: Feed<'_>) -> Result<usize, usize> {
    let mut sent = 0;
    loop {
        let Some(mut slot) = feed.empty_slot() else { return Err(sent) };
        let filled = source.fill(slot.buffer()).unwrap().bytes();
        if filled == 0 {
            return Ok(sent);
        }
        slot.set_filled(filled);
        if feed.push(Frame::Content(slot)).is_none() {
            return Err(sent);
        }
        sent += 1;
    }
}

fn file() -> File {
    tempfile::tempfile().unwrap()
}

#[test]
fn only_zero_bytes_are_zero() {
    assert!(is_zero(&[]));
    assert!(is_zero(&vec![0; FRAME_BYTES]));
    for at in [0, 511, 512, 4095, 4096, FRAME_BYTES - 1] {
        let mut bytes = vec![0; FRAME_BYTES];
        bytes[at] = 1;
        assert!(!is_zero(&bytes), "byte {at}");
    }
}

#[test]
fn a_failing_disk_ends_the_pipeline_and_is_named() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let endless = || Repeated { frame: noise(1, FRAME_BYTES), times: usize::MAX };
    let (image, page_map, digests) = (full(), file(), file());
    let outputs = Outputs { image: &image, page_map: &page_map, digests: &digests };
    let (sent, packed) = pack(&outputs, None, None, endless(), |feed| feed_all(endless(), feed));
    let sent = sent.unwrap().unwrap_err();
    assert!(sent <= 40, "the reader is stopped about a ring after the failure, not after {sent} frames");
    match packed {
        Err(PackError::Write(Output::Image, error)) => {
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
        other => panic!("{other:?}"),
    }
    // Its buffer takes what the first frames bring; it fails at the end.
    let (image, digests) = (file(), full());
    let outputs = Outputs { image: &image, page_map: &page_map, digests: &digests };
    let few = || Repeated { frame: noise(1, FRAME_BYTES), times: 3 };
    let (_, packed) = pack(&outputs, None, None, few(), |feed| feed_all(few(), feed));
    assert!(matches!(packed, Err(PackError::Write(Output::Digests, _))), "{packed:?}");
}

fn stored_with_second(second: impl ImageSource + Send) -> Result<Packed, PackError> {
    let (image, page_map, digests) = (file(), file(), file());
    let outputs = Outputs { image: &image, page_map: &page_map, digests: &digests };
    let first = Repeated { frame: noise(1, FRAME_BYTES), times: 20 };
    pack(&outputs, None, None, second, |feed| feed_all(first, feed)).1
}

#[test]
fn what_is_read_twice_must_be_the_same_both_times() {
    let same = stored_with_second(Repeated { frame: noise(1, FRAME_BYTES), times: 20 }).unwrap();
    assert_eq!(same.stored.frames, 20);
    let mut other = noise(1, FRAME_BYTES);
    other[FRAME_BYTES - 1] ^= 1;
    for second in [Repeated { frame: other, times: 20 }, Repeated { frame: noise(1, FRAME_BYTES), times: 19 }]
    {
        let packed = stored_with_second(second);
        assert!(matches!(packed, Err(PackError::ReadsDiffer)), "{packed:?}");
    }
    let packed = stored_with_second(Never);
    assert!(matches!(packed, Err(PackError::Read(_))), "{packed:?}");
}
