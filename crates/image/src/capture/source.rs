//! Where the bytes of an image come from.

use std::io;

/// What a source gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// So many bytes are in the buffer.
    Bytes(usize),
    /// So many zeroes come next. The buffer is as it was.
    Zeroes(usize),
}

impl Filled {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) | Self::Zeroes(bytes) => bytes,
        }
    }
}

/// An image that is read from its beginning to its end.
pub(crate) trait Source {
    /// Fills the buffer with what comes next, or says that it is zeroes. Less than the buffer holds is the end.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled>;
}

/// Another source, until somebody wants it to stop.
pub(super) struct Stoppable<'a, S> {
    pub(super) source: S,
    pub(super) must_stop: &'a dyn Fn() -> bool,
    /// Bytes so far.
    pub(super) read: u64,
}

impl<S: Source> Source for Stoppable<'_, S> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        if (self.must_stop)() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the dump was told to stop"));
        }
        let filled = self.source.fill(buffer)?;
        self.read = self.read.saturating_add(u64::try_from(filled.bytes()).unwrap_or(u64::MAX));
        Ok(filled)
    }
}
