//! Reads a guest's memory stream once, checks it against its own headers, and stores it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use memdeck_model::{ByteCount, Millis, Progress};

use crate::elf::{ElfCore, ElfError, ElfScanner, Segment};
use crate::frames::{FRAME_BYTES, Feed, PackError, Packed, Ring, pack};

/// What a capture found out. The bytes are written, not yet durable.
#[derive(Clone, Debug)]
pub struct Captured {
    /// Size of the uncompressed image.
    pub raw_size: ByteCount,
    /// Size of the stored file.
    pub stored_size: ByteCount,
    /// SHA-256 of the uncompressed image, 64 hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of the stored file, 64 hexadecimal digits.
    pub file_sha256: String,
    /// Frames in the stored file.
    pub frames: u64,
    /// Frames that hold nothing but zeroes.
    pub zero_frames: u64,
    /// The segments of the image.
    pub segments: Vec<Segment>,
    /// From the first byte of the stream to its last.
    pub read_ms: Millis,
    /// When the last byte came. Hashing and writing may have gone on after it.
    pub last_byte_at: Instant,
}

/// Why a stream did not become an image.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The stream failed, or its reader was told to stop.
    #[error("reading the guest's memory failed after {read}")]
    Stream {
        /// Bytes that were read before.
        read: ByteCount,
        /// The reader's error, as it was.
        source: io::Error,
    },
    /// The stream is not an ELF core that memdeck accepts.
    #[error("the hypervisor's stream is not a memory image that memdeck can store")]
    Header(#[source] ElfError),
    /// The stream ended before its headers did.
    #[error("the guest's memory stream ended after {} bytes, before its headers were complete", read.0)]
    HeadersIncomplete {
        /// Bytes that were read.
        read: ByteCount,
    },
    /// The stream ended early.
    #[error("the guest's memory stream ended after {} bytes; its headers promise {}", read.0, expected.0)]
    TooShort {
        /// Bytes that were read.
        read: ByteCount,
        /// Bytes its headers promise.
        expected: ByteCount,
    },
    /// The stream went on.
    #[error("the guest's memory stream goes on after the {} bytes that its headers promise", expected.0)]
    TooLong {
        /// Bytes its headers promise.
        expected: ByteCount,
    },
    /// The image cannot be written.
    #[error("writing the image {path} failed")]
    Write {
        /// The partial file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// zstd failed.
    #[error("compressing the image failed")]
    Compress(#[source] io::Error),
    /// The system gives no threads.
    #[error("the threads that store an image cannot be started")]
    Threads(#[source] io::Error),
    /// A thread of the pipeline ended without a reason; a defect of memdeck.
    #[error("a thread that stores the image ended unexpectedly; please report this")]
    Panicked,
    /// `capture` was called before on the same file.
    #[error("the image {path} was captured before; a new capture needs a new file")]
    AlreadyCaptured {
        /// The partial file.
        path: PathBuf,
    },
}

/// Why reading stopped before the end.
enum Stop {
    Failed(CaptureError),
    /// The pipeline behind the reader failed, and knows why.
    Pipeline,
}

impl From<CaptureError> for Stop {
    fn from(error: CaptureError) -> Self {
        Self::Failed(error)
    }
}

struct Streamed {
    read: ByteCount,
    core: ElfCore,
    read_ms: Millis,
    last_byte_at: Instant,
}

pub(crate) fn capture(
    ring: Ring,
    file: &File,
    path: &Path,
    stream: impl Read,
    observer: &mut dyn FnMut(Progress),
) -> Result<Captured, CaptureError> {
    let (streamed, packed) = pack(ring, file, |feed| read_stream(stream, &feed, observer));
    let streamed = match streamed {
        Some(Ok(streamed)) => Some(streamed),
        Some(Err(Stop::Failed(error))) => return Err(error),
        Some(Err(Stop::Pipeline)) | None => None,
    };
    let Packed { sha256, stored } = packed.map_err(|error| pack_error(error, path))?;
    let Streamed { read, core, read_ms, last_byte_at } = streamed.ok_or(CaptureError::Panicked)?;
    Ok(Captured {
        raw_size: read,
        stored_size: ByteCount(stored.size_bytes),
        sha256,
        file_sha256: stored.sha256,
        frames: stored.frames,
        zero_frames: stored.zero_frames,
        segments: core.segments,
        read_ms,
        last_byte_at,
    })
}

/// Reads to the end, and closes the stream by dropping it however reading ends: a frozen guest waits for that.
fn read_stream(stream: impl Read, feed: &Feed, observer: &mut dyn FnMut(Progress)) -> Result<Streamed, Stop> {
    let mut scanner = ElfScanner::new();
    let mut stream = Metered { stream, read: 0, first_and_last: None };
    loop {
        let mut slot = feed.empty_slot().ok_or(Stop::Pipeline)?;
        let filled = slot.fill(|buffer| stream.fill(buffer));
        let read = ByteCount(stream.read);
        let bytes = filled.map_err(|source| CaptureError::Stream { read, source })?;
        let at_end = bytes.len() < FRAME_BYTES;
        let expected = scanner.push(bytes).map_err(CaptureError::Header)?.map(|core| core.image_size);
        if let Some(expected) = expected
            && read > expected
        {
            return Err(CaptureError::TooLong { expected }.into());
        }
        if !bytes.is_empty() {
            feed.push(slot).ok_or(Stop::Pipeline)?;
            observer(Progress { bytes_done: read, bytes_expected: expected.unwrap_or_default() });
        }
        if at_end {
            break;
        }
    }
    let read = ByteCount(stream.read);
    let (Some(core), Some((first, last))) = (scanner.into_core(), stream.first_and_last) else {
        return Err(CaptureError::HeadersIncomplete { read }.into());
    };
    if read < core.image_size {
        return Err(CaptureError::TooShort { read, expected: core.image_size }.into());
    }
    Ok(Streamed { read, core, read_ms: last.duration_since(first).into(), last_byte_at: last })
}

/// A stream that knows how much was read of it, and when.
struct Metered<R> {
    stream: R,
    read: u64,
    first_and_last: Option<(Instant, Instant)>,
}

impl<R: Read> Metered<R> {
    /// Reads until the buffer is full or the stream ends, and says how many bytes that were.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.stream.read(rest) {
                Ok(0) => break,
                Ok(count) => {
                    let now = Instant::now();
                    self.first_and_last = Some((self.first_and_last.map_or(now, |(first, _)| first), now));
                    self.read = self.read.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                    filled += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

fn pack_error(error: PackError, path: &Path) -> CaptureError {
    match error {
        PackError::Spawn(source) => CaptureError::Threads(source),
        PackError::Compress(source) => CaptureError::Compress(source),
        PackError::Write(source) => CaptureError::Write { path: path.to_owned(), source },
        PackError::Panicked => CaptureError::Panicked,
    }
}

#[cfg(test)]
mod tests;
