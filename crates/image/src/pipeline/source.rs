//! Where the bytes of an image come from.

use std::io;

use crate::format::elf::ElfCore;

/// What a source put into a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// So many bytes are in the buffer.
    Bytes(usize),
    /// So many zeroes come next. The buffer is as it was.
    Zeroes(usize),
}

impl Filled {
    /// How many bytes of the image that is.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Bytes(bytes) | Self::Zeroes(bytes) => bytes,
        }
    }
}

/// An image that is read from its beginning to its end.
pub trait ImageSource {
    /// Fills the buffer with what comes next, or reports that it is zeroes. Less than the length of the buffer is the
    /// end.
    ///
    /// # Errors
    /// The source cannot be read.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled>;
}

/// An image that was received whole, so that it can be read twice at the same time.
pub trait ReceivedImage: ImageSource + Send + Sized {
    /// ELF headers, and the segments that they describe.
    fn core(&self) -> &ElfCore;

    /// The same image from its beginning, to be read beside this one.
    ///
    /// # Errors
    /// The files that contain it cannot be opened once more.
    fn again(&mut self) -> io::Result<Self>;
}

/// Another source, until somebody wants it to stop.
pub(crate) struct Stoppable<'a, S> {
    pub(crate) source: S,
    pub(crate) must_stop: &'a dyn Fn() -> bool,
    /// Bytes so far.
    pub(crate) read: u64,
}

impl<S: ImageSource> ImageSource for Stoppable<'_, S> {
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        if (self.must_stop)() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the dump was told to stop"));
        }
        let filled = self.source.fill(buffer)?;
        self.read = self.read.saturating_add(u64::try_from(filled.bytes()).unwrap_or(u64::MAX));
        Ok(filled)
    }
}
