//! Everything that a stored image holds.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;

use memdeck_model::{ByteCount, Progress};
use sha2::{Digest, Sha256};

use super::finding::{Finding, MAX_LISTED_FRAMES, sentence};
use super::headers::Headers;
use super::{Contents, digests, page_map};
use crate::hash::hex_digest;
use crate::pages::{FrameBytes, PageLayout};
use crate::reader::{ReadError, unpack_error};
use crate::seek_table::{SeekTable, SeekTableError};
use crate::unpack::{Hashes, Unpacked, unpack};

pub(super) fn read(
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
            file_sha256: Some(hash_file(file).map_err(io_error)?),
            ..without_table(path, stored_size, &error)
        }),
    }
}

/// An image whose frames cannot be found.
pub(super) fn without_table(path: &Path, stored_size: ByteCount, error: &SeekTableError) -> Contents {
    Contents {
        sample: None,
        stored_size,
        file_sha256: None,
        raw_size: None,
        sha256: None,
        frames: None,
        page_map: page_map::Check::open(path, None).finish(),
        digests: digests::Lookup::open(path, None).finish(),
        findings: vec![Finding::SeekTable { reason: sentence(error) }],
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
    let headers = Headers::read(file);
    let layout = headers.core().and_then(|core| PageLayout::new(&core.segments));
    let mut page_map = page_map::Check::open(path, layout.as_ref());
    let mut digests = digests::Check::open(path);
    let mut findings = Vec::new();
    let mut damaged_frames = 0_u64;
    let hashes = unpack(file, table, layout.as_ref(), |Unpacked { span, bytes, digest, entries }| {
        let bytes = bytes.unwrap_or_else(|fault| {
            damaged_frames += 1;
            if damaged_frames <= MAX_LISTED_FRAMES {
                findings.push(Finding::Frame { span: span.clone(), reason: sentence(&fault) });
            }
            FrameBytes::Unknown
        });
        page_map.push(span.image.clone(), bytes, entries);
        digests.push(span, digest.as_ref());
        observer(Progress { bytes_done: ByteCount(span.image.end), bytes_expected: table.raw_size() });
        Ok::<_, std::convert::Infallible>(())
    });
    let Hashes { file, image } = hashes.map_err(|error| unpack_error(error, path, |never| match never {}))?;
    if let Some(frames @ 1..) = damaged_frames.checked_sub(MAX_LISTED_FRAMES) {
        findings.push(Finding::FurtherFrames { frames });
    }
    findings.extend(headers.finding(table.raw_size()));
    Ok(Contents {
        sample: None,
        stored_size,
        file_sha256: Some(file),
        raw_size: Some(table.raw_size()),
        sha256: image,
        frames: Some(table.frames()),
        page_map: page_map.finish(),
        digests: digests.finish(),
        findings,
    })
}
