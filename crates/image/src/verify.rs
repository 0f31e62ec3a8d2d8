//! Recomputes everything that was promised about a stored image, and says what is wrong and where.
//!
//! Every promise is checked, whatever the others turn out to be: the seek table, every frame, the ELF headers, the
//! manifest, the `.sha256` file. An error of [`verify`] means that the image could not be checked at all; an image
//! that is damaged is a [`VerifyReport`] with findings.

mod finding;
pub(crate) mod records;

use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use memdeck_model::{ByteCount, Progress};
use serde::Serialize;
use sha2::{Digest, Sha256};

use self::finding::MAX_LISTED_FRAMES;
pub(crate) use self::finding::sentence;
pub use self::finding::{Finding, Verdict};
use self::records::Records;
use crate::elf::ElfScanner;
use crate::hash::hex_digest;
use crate::manifest::Manifest;
use crate::reader::{ReadError, open_image, unpack_error};
use crate::seek_table::{SeekTable, SeekTableError};
use crate::unpack::unpack;

/// What checking a stored image found.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyReport {
    /// The image.
    pub path: PathBuf,
    /// The findings in a word.
    pub verdict: Verdict,
    /// Everything that is not as it should be.
    pub findings: Vec<Finding>,
    /// Size of the stored file.
    pub stored_size: ByteCount,
    /// SHA-256 of the stored file.
    pub file_sha256: String,
    /// Size of the uncompressed image, where there is a seek table.
    pub raw_size: Option<ByteCount>,
    /// SHA-256 of the uncompressed image, where every frame could be read.
    pub sha256: Option<String>,
    /// Frames, where there is a seek table.
    pub frames: Option<u64>,
    /// The manifest, where there is a readable one.
    pub manifest: Option<Box<Manifest>>,
}

/// What the stored file itself told.
struct Contents {
    stored_size: ByteCount,
    file_sha256: String,
    raw_size: Option<ByteCount>,
    /// `None` where a frame could not be read.
    sha256: Option<String>,
    frames: Option<u64>,
    findings: Vec<Finding>,
}

/// Checks a stored image against itself and against the manifest and checksum beside it. Reads it once. After every
/// frame, the calling thread tells `observer` how much of the image was checked.
///
/// # Errors
/// The file cannot be opened or read: nothing is known about the image.
pub fn verify(path: &Path, observer: &mut dyn FnMut(Progress)) -> Result<VerifyReport, ReadError> {
    let mut file = open_image(path)?;
    let records = Records::beside(path);
    let mut contents = read_contents(&mut file, path, observer)?;
    let mut findings = std::mem::take(&mut contents.findings);
    findings.extend(records.compare(&contents, findings.is_empty()));
    Ok(VerifyReport {
        path: path.to_owned(),
        verdict: Verdict::of(&findings),
        findings,
        stored_size: contents.stored_size,
        file_sha256: contents.file_sha256,
        raw_size: contents.raw_size,
        sha256: contents.sha256,
        frames: contents.frames,
        manifest: records.into_manifest().map(Box::new),
    })
}

fn read_contents(
    file: &mut File,
    path: &Path,
    observer: &mut dyn FnMut(Progress),
) -> Result<Contents, ReadError> {
    let io_error = |source| ReadError::Read { path: path.to_owned(), offset: 0, source };
    let stored_size = ByteCount(file.metadata().map_err(io_error)?.len());
    match SeekTable::read_from(file) {
        Ok(table) => read_frames(file, path, stored_size, &table, observer),
        Err(SeekTableError::Io(source)) => Err(io_error(source)),
        Err(error) => Ok(Contents {
            stored_size,
            file_sha256: hash_file(file).map_err(io_error)?,
            raw_size: None,
            sha256: None,
            frames: None,
            findings: vec![Finding::SeekTable { reason: sentence(&error) }],
        }),
    }
}

fn hash_file(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut sha256 = Sha256::new();
    io::copy(file, &mut HashSink(&mut sha256))?;
    Ok(hex_digest(sha256))
}

struct HashSink<'a>(&'a mut Sha256);

impl io::Write for HashSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read_frames(
    file: &mut File,
    path: &Path,
    stored_size: ByteCount,
    table: &SeekTable,
    observer: &mut dyn FnMut(Progress),
) -> Result<Contents, ReadError> {
    let mut findings = Vec::new();
    let mut damaged_frames = 0_u64;
    let mut sha256 = Sha256::new();
    let mut headers = Headers::default();
    let file_sha256 = unpack(file, table, |span, content| {
        match content {
            Ok(bytes) => {
                sha256.update(bytes);
                headers.push(bytes);
            }
            Err(fault) => {
                headers.interrupt();
                damaged_frames += 1;
                if damaged_frames <= MAX_LISTED_FRAMES {
                    findings.push(Finding::Frame { span: span.clone(), reason: sentence(&fault) });
                }
            }
        }
        observer(Progress { bytes_done: ByteCount(span.image.end), bytes_expected: table.raw_size() });
        Ok::<_, std::convert::Infallible>(())
    })
    .map_err(|error| unpack_error(error, path, |never| match never {}))?;
    if let Some(frames @ 1..) = damaged_frames.checked_sub(MAX_LISTED_FRAMES) {
        findings.push(Finding::FurtherFrames { frames });
    }
    findings.extend(headers.finding(table.raw_size()));
    Ok(Contents {
        stored_size,
        file_sha256,
        raw_size: Some(table.raw_size()),
        sha256: (damaged_frames == 0).then(|| hex_digest(sha256)),
        frames: Some(table.frames()),
        findings,
    })
}

/// The ELF headers of the image, as far as they could be read.
#[derive(Default)]
struct Headers {
    scanner: ElfScanner,
    error: Option<String>,
    interrupted: bool,
}

impl Headers {
    fn push(&mut self, bytes: &[u8]) {
        if self.error.is_none() && !self.interrupted {
            self.error = self.scanner.push(bytes).err().map(|error| sentence(&error));
        }
    }

    /// A frame is missing: headers that were not complete before it cannot be read.
    fn interrupt(&mut self) {
        self.interrupted = true;
    }

    fn finding(self, raw_size: ByteCount) -> Option<Finding> {
        if let Some(reason) = self.error {
            return Some(Finding::Headers { reason });
        }
        match self.scanner.into_core() {
            Some(core) if core.image_size != raw_size => {
                Some(Finding::ImageSize { promised_bytes: core.image_size.0, found_bytes: raw_size.0 })
            }
            Some(_) => None,
            // The damaged frame was told.
            None if self.interrupted => None,
            None => Some(Finding::Headers { reason: "the image ends within its headers".to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests;
