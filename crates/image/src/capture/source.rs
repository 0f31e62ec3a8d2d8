//! Where the bytes of an image come from.

use std::io::{self, Read};
use std::time::Instant;

use crate::pages::is_zero;

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

/// A stream that knows how much was read of it, and when.
pub(super) struct Metered<R> {
    pub(super) stream: R,
    pub(super) meter: Meter,
}

#[derive(Default)]
pub(super) struct Meter {
    /// Bytes so far.
    pub(super) read: u64,
    /// When the first bytes came, and the last.
    pub(super) first_and_last: Option<(Instant, Instant)>,
}

impl Meter {
    pub(super) fn count(&mut self, bytes: usize) {
        let now = Instant::now();
        self.first_and_last = Some((self.first_and_last.map_or(now, |(first, _)| first), now));
        self.read = self.read.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

/// A source that the reading thread asks, with what it gave so far.
pub(super) trait MeteredSource: Source {
    fn meter(&self) -> &Meter;
}

impl<R: Read> MeteredSource for Metered<R> {
    fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl<R: Read> Source for Metered<R> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.stream.read(rest) {
                Ok(0) => break,
                Ok(count) => {
                    self.meter.count(count);
                    filled += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let bytes = buffer.get(..filled).unwrap_or_default();
        Ok(if is_zero(bytes) { Filled::Zeroes(filled) } else { Filled::Bytes(filled) })
    }
}

/// Another source, until somebody wants it to stop.
pub(super) struct Stoppable<'a, S> {
    pub(super) source: S,
    pub(super) must_stop: &'a dyn Fn() -> bool,
    pub(super) meter: Meter,
}

impl<S: Source> Source for Stoppable<'_, S> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        if (self.must_stop)() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the dump was told to stop"));
        }
        let filled = self.source.fill(buffer)?;
        if filled.bytes() > 0 {
            self.meter.count(filled.bytes());
        }
        Ok(filled)
    }
}

impl<S: Source> MeteredSource for Stoppable<'_, S> {
    fn meter(&self) -> &Meter {
        &self.meter
    }
}
