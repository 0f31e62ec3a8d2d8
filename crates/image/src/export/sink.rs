//! Where an export goes.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use crate::format::hash::byte_len;

/// A page of zeroes at a time costs too many calls; a frame of them is in the processor's cache.
const ZEROES: &[u8] = &[0; 256 << 10];

/// Takes the bytes of an export in order.
pub trait ExportSink {
    /// The next bytes.
    ///
    /// # Errors
    /// The sink's own; ends the export.
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The next `count` bytes, which are all zero.
    ///
    /// # Errors
    /// The sink's own; ends the export.
    fn zeroes(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let part = usize::try_from(count).unwrap_or(usize::MAX).min(ZEROES.len());
            self.bytes(ZEROES.get(..part).unwrap_or(ZEROES))?;
            count = count.saturating_sub(u64::try_from(part).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

impl<W: Write> ExportSink for W {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }
}

/// A new file in which zeroes take no room.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
    length: u64,
}

impl SparseFile {
    /// Writes to `file`, which must be empty.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self { file, length: 0 }
    }

    /// Gives the file its length, and makes it durable.
    ///
    /// # Errors
    /// The system's own.
    pub fn finish(self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.sync_all()
    }
}

impl ExportSink for SparseFile {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length = self.length.saturating_add(byte_len(bytes));
        Ok(())
    }

    fn zeroes(&mut self, count: u64) -> io::Result<()> {
        let too_long = || io::Error::from(io::ErrorKind::FileTooLarge);
        self.length = self.length.checked_add(count).ok_or_else(too_long)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        Ok(())
    }
}
