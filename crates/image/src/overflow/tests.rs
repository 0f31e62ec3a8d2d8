use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::synthetic::noise;

fn spool() -> File {
    tempfile::tempfile().unwrap()
}

fn full_disk() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A stream of noise with zeroes in it that is no multiple of anything.
fn memory(chunks: usize) -> Vec<u8> {
    let mut bytes = noise(5, chunks * CHUNK_BYTES + 12_345);
    for block in bytes.chunks_mut(BLOCK_BYTES).skip(3).step_by(3) {
        block.fill(0);
    }
    bytes
}

/// Everything that comes, and how it ended. The buffer is no multiple of a chunk.
fn given_by(outlet: &mut Outlet) -> (Vec<u8>, io::Result<()>) {
    let mut given = Vec::new();
    // What is said to be zeroes is not in the buffer.
    let mut buffer = vec![0xee; CHUNK_BYTES / 2 + 1000];
    loop {
        let filled = match outlet.fill(&mut buffer) {
            Ok(Filled::Bytes(bytes)) => {
                given.extend_from_slice(&buffer[..bytes]);
                bytes
            }
            Ok(Filled::Zeroes(bytes)) => {
                given.resize(given.len() + bytes, 0);
                bytes
            }
            Err(error) => return (given, Err(error)),
        };
        if filled < buffer.len() {
            return (given, Ok(()));
        }
        buffer.fill(0xee);
    }
}

fn all_of(outlet: &mut Outlet) -> Vec<u8> {
    let (given, end) = given_by(outlet);
    end.unwrap();
    given
}

/// Takes `bytes` in while nothing is given out, then gives everything out.
fn through(spool: File, chunks: usize, bytes: &[u8]) -> (IntakeReport, Vec<u8>) {
    let (intake, mut outlet) = ends(spool, chunks);
    let report = intake.take_in(bytes);
    (report, all_of(&mut outlet))
}

#[test]
fn the_reader_is_done_before_anything_was_given_out() {
    // The outlet does nothing at all meanwhile: a reader that waited for it would wait for ever.
    let bytes = memory(40);
    let (report, given) = through(spool(), 4, &bytes);
    assert!(given == bytes, "other bytes, or in another order");
    assert_eq!(report.read.0, bytes.len() as u64);
    assert_eq!(
        (report.spooled.0, report.waits),
        (37 * CHUNK_BYTES as u64, 0),
        "all but what fits into memory"
    );
}

#[test]
fn what_fits_into_memory_is_not_spooled() {
    for bytes in [memory(3), memory(0), vec![], vec![7; CHUNK_BYTES]] {
        let (report, given) = through(spool(), 8, &bytes);
        assert!(given == bytes);
        assert_eq!(report.spooled.0, 0);
    }
}

/// A stream that tells when it is closed.
struct Closing<R>(R, Sender<()>);

impl<R: Read> Read for Closing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R> Drop for Closing<R> {
    fn drop(&mut self) {
        let _ = self.1.send(());
    }
}

#[test]
fn a_slow_consumer_does_not_slow_the_reader_down() {
    let bytes = memory(40);
    let (intake, mut outlet) = ends(spool(), 4);
    let (closed, when_closed) = channel();
    let given = std::thread::scope(|scope| {
        let stream = Closing(bytes.as_slice(), closed);
        scope.spawn(|| intake.take_in(stream));
        let mut given = vec![0; 3 * CHUNK_BYTES];
        assert_eq!(outlet.fill(&mut given).unwrap(), Filled::Bytes(3 * CHUNK_BYTES));
        // As slow as can be: it goes on when the stream was read to its end and closed.
        when_closed.recv().unwrap();
        given.extend(all_of(&mut outlet));
        given
    });
    assert!(given == bytes);
}

#[test]
fn a_consumer_that_has_caught_up_frees_the_file_for_what_comes() {
    let bytes = memory(30);
    let file = spool();
    // The reader holds the only chunk, so everything passes through the file.
    let (mut intake, mut outlet) = ends(file.try_clone().unwrap(), 1);
    let mut stream = bytes.as_slice();
    let mut chunk = intake.queue.free_chunk().unwrap();
    let mut given = Vec::new();
    while stream.len() >= CHUNK_BYTES {
        chunk.fill(&mut stream).unwrap();
        chunk = intake.pass_on(chunk, 0).unwrap();
        let mut piece = vec![0; CHUNK_BYTES];
        assert_eq!(outlet.fill(&mut piece).unwrap(), Filled::Bytes(CHUNK_BYTES));
        given.extend(piece);
    }
    assert!(given == bytes[..given.len()]);
    let length = file.metadata().unwrap().len();
    assert!(length <= CHUNK_BYTES as u64 + 16, "{length} bytes for pieces that were read one by one");
}

#[test]
fn a_file_that_cannot_be_written_makes_the_reader_wait_and_loses_nothing() {
    let bytes = memory(20);
    let (intake, mut outlet) = ends(full_disk(), 4);
    let (report, given) = std::thread::scope(|scope| {
        let report = scope.spawn(|| intake.take_in(bytes.as_slice()));
        let given = all_of(&mut outlet);
        (report.join().unwrap(), given)
    });
    assert!(given == bytes);
    assert_eq!(report.spooled.0, 0);
}

#[test]
fn the_error_of_a_stream_comes_after_its_bytes_and_as_it_was() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::TimedOut, "told to stop"))
        }
    }
    let bytes = memory(9);
    let (intake, mut outlet) = ends(spool(), 4);
    intake.take_in(bytes.as_slice().chain(Fails));
    let (given, end) = given_by(&mut outlet);
    let error = end.unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::TimedOut, "told to stop".to_owned()));
    // A buffer that was not filled is not looked at.
    assert!(bytes.starts_with(&given));
}

/// A stream without an end, until it is told that nobody reads it.
struct Endless(Abandonment);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_abandoned() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        buffer.fill(1);
        Ok(buffer.len())
    }
}

#[test]
fn an_outlet_that_is_dropped_ends_the_reader() {
    for disk in [spool(), full_disk()] {
        let (intake, outlet) = ends(disk, 4);
        std::thread::scope(|scope| {
            let stream = Endless(intake.abandonment());
            let reader = scope.spawn(|| intake.take_in(stream));
            drop(outlet);
            reader.join().unwrap();
        });
    }
}

#[test]
fn an_intake_that_ends_without_reading_is_an_error() {
    let (intake, mut outlet) = ends(spool(), 4);
    drop(intake);
    assert!(outlet.fill(&mut [0; 8]).is_err(), "not the end of a stream");
}

#[test]
fn zeroes_are_said_and_not_copied_wherever_they_were_kept() {
    let zeroes = vec![0; 6 * CHUNK_BYTES];
    for chunks in [8, 2] {
        let (intake, mut outlet) = ends(spool(), chunks);
        intake.take_in(zeroes.as_slice());
        let mut buffer = vec![0xee; 4 * CHUNK_BYTES];
        assert_eq!(outlet.fill(&mut buffer).unwrap(), Filled::Zeroes(4 * CHUNK_BYTES));
        assert_eq!(buffer, vec![0xee; 4 * CHUNK_BYTES], "untouched");
        assert_eq!(outlet.fill(&mut buffer).unwrap(), Filled::Zeroes(2 * CHUNK_BYTES), "and the end");
    }
}

#[test]
fn zeroes_beside_bytes_are_filled_in() {
    let mut bytes = vec![0; 4 * CHUNK_BYTES];
    bytes[2 * CHUNK_BYTES + 5] = 1;
    let (report, given) = through(spool(), 8, &bytes);
    assert_eq!(report.spooled.0, 0);
    assert!(given == bytes);
    let (intake, mut outlet) = ends(spool(), 8);
    intake.take_in(bytes.as_slice());
    let mut buffer = vec![0xee; 4 * CHUNK_BYTES];
    assert_eq!(outlet.fill(&mut buffer).unwrap(), Filled::Bytes(4 * CHUNK_BYTES));
    assert!(buffer == bytes);
}
