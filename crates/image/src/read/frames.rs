//! Any frame of a stored image, unpacked and checked, on whichever thread asks for it.

use std::os::unix::fs::FileExt;
use std::path::Path;

use memdeck_model::{FrameSpan, Manifest, Record};

use super::error::ReadError;
use super::evidence::Evidence;
use crate::format::difference::Unpacker;
use crate::format::frame::ZeroFrame;
use crate::format::seek_table::SeekTable;

/// The frames of a stored image. Shared between threads, each with a [`FrameDecoder`] of its own; keeps no frame in memory.
/// A frame is handed out only as the one that was recorded, as far as that is known ([`Self::are_checked`]).
pub struct StoredFrames {
    pub(crate) evidence: Evidence,
    pub(crate) zero: ZeroFrame,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameContent {
    /// Zeroes, which were not unpacked.
    Zero,
    /// What was unpacked.
    Bytes,
}

/// What one thread needs to unpack frames.
pub struct FrameDecoder {
    unpacker: Unpacker,
    stored: Vec<u8>,
}

impl FrameDecoder {
    /// Takes the memory that zstd needs.
    ///
    /// # Errors
    /// There is not enough of it.
    pub fn new() -> Result<Self, ReadError> {
        let unpacker = Unpacker::new().map_err(ReadError::Threads)?;
        Ok(Self { unpacker, stored: Vec::new() })
    }
}

impl StoredFrames {
    /// Opens a stored image.
    ///
    /// # Errors
    /// It cannot be opened or read, or its manifest or its digests are unusable.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::new(Evidence::open(path, None)?)
    }

    /// The same for the image of a dump that the catalog has a record of.
    ///
    /// # Errors
    /// As [`Self::open`]; also where the image or its manifest is not what the record says.
    pub fn open_recorded(path: &Path, record: &Record) -> Result<Self, ReadError> {
        Self::new(Evidence::open(path, Some(record))?)
    }

    fn new(evidence: Evidence) -> Result<Self, ReadError> {
        let frame_bytes = usize::try_from(evidence.table.frame_bytes()).unwrap_or(0);
        let zero = ZeroFrame::new(frame_bytes).map_err(|source| ReadError::Read {
            path: evidence.path.clone(),
            offset: 0,
            source,
        })?;
        Ok(Self { evidence, zero })
    }

    /// The stored image.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.evidence.path
    }

    /// Where the frames lie.
    #[must_use]
    pub fn seek_table(&self) -> &SeekTable {
        &self.evidence.table
    }

    /// The manifest beside the image, if there is one.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.evidence.manifest.as_ref()
    }

    /// Whether each frame is held against its digest. If not, the image was stored without digests, or there is no manifest
    /// that says what they must be: then only zstd's checksum speaks for a frame.
    #[must_use]
    pub fn are_checked(&self) -> bool {
        self.evidence.digests.is_some()
    }

    /// Unpacks a frame into `bytes`, which holds nothing after an error, nor for a frame of zeroes.
    ///
    /// # Errors
    /// There is no such frame, it is damaged or cannot be read, or it is not the one that was recorded.
    pub fn read(
        &self,
        frame: u64,
        decoder: &mut FrameDecoder,
        bytes: &mut Vec<u8>,
    ) -> Result<FrameContent, ReadError> {
        bytes.clear();
        let table = &self.evidence.table;
        let span = table.span(frame).ok_or_else(|| ReadError::Offset {
            offset: frame.saturating_mul(table.frame_bytes().into()),
            length: table.raw_size(),
        })?;
        let FrameDecoder { unpacker, stored } = decoder;
        let length = |range: &std::ops::Range<u64>| {
            usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX)
        };
        // The seek table bounds this to little more than 4 MiB.
        stored.resize(length(&span.stored), 0);
        self.evidence.file.read_exact_at(stored, span.stored.start).map_err(|source| ReadError::Read {
            path: self.evidence.path.clone(),
            offset: span.stored.start,
            source,
        })?;
        if self.zero.is_stored_as(length(&span.image), stored) {
            self.check(&span, &self.zero.digest())?;
            return Ok(FrameContent::Zero);
        }
        let unpacked = unpacker
            .unpack(&span, stored, self.evidence.base.as_deref(), bytes)
            .map_err(|source| ReadError::Frame { span: span.clone(), source })
            .and_then(|()| match self.evidence.digests {
                Some(_) => self.check(&span, &blake3::hash(bytes)),
                None => Ok(()),
            });
        match unpacked {
            Ok(()) => Ok(FrameContent::Bytes),
            Err(error) => {
                bytes.clear();
                Err(error)
            }
        }
    }

    fn check(&self, span: &FrameSpan, digest: &blake3::Hash) -> Result<(), ReadError> {
        let is_recorded =
            self.evidence.digests.as_ref().is_none_or(|digests| digests.has(span.frame, digest));
        if is_recorded { Ok(()) } else { Err(ReadError::FrameDigest { span: span.clone() }) }
    }
}
