//! Big-endian numbers and whole pages out of a stream that comes in pieces of any size.

use std::io::{self, Read};

use memdeck_model::ByteCount;

use super::QevmError;
use crate::format::hash::byte_len;

/// What one read asks for at most; libvirt writes 1 MiB at a time. A fuzzer's streams are small, and shall meet the
/// buffer's end too.
const BUFFER_BYTES: usize = if cfg!(feature = "fuzzing") { 5000 } else { 1 << 20 };

/// The stream, and how far it was read.
pub(super) struct Source<R> {
    stream: R,
    buffer: Box<[u8]>,
    /// The part of the buffer that is read and not yet taken; half-open.
    start: usize,
    end: usize,
    received: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: vec![0; BUFFER_BYTES].into_boxed_slice(), start: 0, end: 0, received: 0 }
    }

    /// Everything that came out of the stream.
    pub(super) fn received(&self) -> ByteCount {
        ByteCount(self.received)
    }

    /// How many bytes were taken: where in the stream the next one lies.
    pub(super) fn taken(&self) -> ByteCount {
        let waiting = u64::try_from(self.end.saturating_sub(self.start)).unwrap_or(u64::MAX);
        ByteCount(self.received.saturating_sub(waiting))
    }

    /// The next `count` bytes; at most as many as the buffer has.
    pub(super) fn take(&mut self, count: usize) -> Result<&[u8], QevmError> {
        let bytes = self.fill(count)?;
        self.start = bytes.end;
        self.buffer.get(bytes).ok_or(QevmError::Truncated { received: ByteCount(self.received) })
    }

    /// The next byte, which stays where it is.
    pub(super) fn peek_u8(&mut self) -> Result<u8, QevmError> {
        let bytes = self.fill(1)?;
        let truncated = QevmError::Truncated { received: ByteCount(self.received) };
        self.buffer.get(bytes.start).copied().ok_or(truncated)
    }

    pub(super) fn u8(&mut self) -> Result<u8, QevmError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn be_u16(&mut self) -> Result<u16, QevmError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn be_u32(&mut self) -> Result<u32, QevmError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn be_u64(&mut self) -> Result<u64, QevmError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A name with its length in one byte before it.
    pub(super) fn name(&mut self) -> Result<String, QevmError> {
        let length = self.u8()?.into();
        self.text(length)
    }

    /// A name of that many bytes.
    pub(super) fn text(&mut self, length: usize) -> Result<String, QevmError> {
        let at = self.taken();
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(name) if !name.is_empty() && !name.contains(char::is_control) => Ok(name.to_owned()),
            _ => Err(QevmError::Malformed { what: "a name".to_owned(), at }),
        }
    }

    /// Everything up to the end of the stream, or `None` if that is more than `limit` bytes.
    pub(super) fn rest(&mut self, limit: u64) -> Result<Option<Vec<u8>>, QevmError> {
        let mut rest = self.buffer.get(self.start..self.end).unwrap_or_default().to_vec();
        self.start = self.end;
        while byte_len(&rest) <= limit {
            let count = self.read_some(0)?;
            if count == 0 {
                return Ok(Some(rest));
            }
            rest.extend_from_slice(self.buffer.get(..count).unwrap_or_default());
        }
        Ok(None)
    }

    /// Reads to the end and forgets what comes; a failing stream has ended.
    pub(super) fn drain(&mut self) {
        while self.read_some(0).is_ok_and(|count| count > 0) {}
        self.start = self.end;
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], QevmError> {
        let truncated = QevmError::Truncated { received: ByteCount(self.received) };
        self.take(N)?.first_chunk().copied().ok_or(truncated)
    }

    /// Makes the next `count` bytes lie in the buffer, and says where.
    fn fill(&mut self, count: usize) -> Result<std::ops::Range<usize>, QevmError> {
        if self.end - self.start < count {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            while self.end < count {
                let read = self.read_some(self.end)?;
                if read == 0 {
                    return Err(QevmError::Truncated { received: ByteCount(self.received) });
                }
                self.end += read;
            }
        }
        Ok(self.start..self.start + count)
    }

    /// One read to the buffer from `at` on; 0 at the end of the stream.
    fn read_some(&mut self, at: usize) -> Result<usize, QevmError> {
        let space = self.buffer.get_mut(at..).unwrap_or_default();
        loop {
            match self.stream.read(space) {
                Ok(count) => {
                    self.received = self.received.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(QevmError::Stream { received: ByteCount(self.received), source });
                }
            }
        }
    }
}
