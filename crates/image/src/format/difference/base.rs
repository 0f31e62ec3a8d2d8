//! The image that another one is a difference to.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memdeck_model::{DifferenceFacts, DumpId, FrameSpan};

use super::{Form, form_of};
use crate::format::companions::{IMAGE_SUFFIX, dump_id_in};
use crate::format::digests::Digests;
use crate::format::frame::unpack_frame;
use crate::format::regular::open_regular;
use crate::format::seek_table::{SeekTable, SeekTableError};

/// Why the image that another one is a difference to cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The manifest names a file that is none of that dump's.
    #[error("the manifest names it wrongly")]
    Name,
    /// It is not there, or may not be read.
    #[error("it cannot be opened")]
    Open(#[source] io::Error),
    /// It has no usable seek table.
    #[error("it is damaged")]
    SeekTable(#[source] SeekTableError),
    /// The digests of its frames are not those that were recorded.
    #[error("the digests of its frames are of no use")]
    Digests(#[source] io::Error),
    /// It has not the size of the difference.
    #[error("it is an image of another size")]
    Size,
}

/// Its frames; each is handed out only as the one that was recorded. Shared between threads.
#[derive(Debug)]
pub(crate) struct Base {
    dump_id: DumpId,
    file: File,
    table: SeekTable,
    digests: Digests,
}

impl Base {
    /// Where the base of an image must be: beside it.
    pub(crate) fn path_beside(image: &Path, facts: &DifferenceFacts) -> PathBuf {
        image.with_file_name(&facts.base_file)
    }

    /// Opens the base of an image of that size.
    pub(crate) fn open_beside(
        image: &Path,
        facts: &DifferenceFacts,
        raw_size: u64,
    ) -> Result<Self, BaseError> {
        // The name comes from a file that others may have written: it must lead nowhere else.
        let is_name = Path::new(&facts.base_file).file_name().is_some_and(|name| *name == *facts.base_file);
        if !is_name || dump_id_in(&facts.base_file, IMAGE_SUFFIX).as_ref() != Some(&facts.base) {
            return Err(BaseError::Name);
        }
        let path = Self::path_beside(image, facts);
        let mut file = open_regular(&path).map_err(BaseError::Open)?;
        let table = SeekTable::read_from(&mut file).map_err(BaseError::SeekTable)?;
        if table.raw_size().0 != raw_size {
            return Err(BaseError::Size);
        }
        let digests = Digests::read_beside(&path, table.frames(), &[&facts.base_digests_root])
            .map_err(BaseError::Digests)?;
        Ok(Self { dump_id: facts.base.clone(), file, table, digests })
    }

    pub(crate) fn dump_id(&self) -> &DumpId {
        &self.dump_id
    }

    /// Whether its frame of that number has this digest: then all of its bytes are the same.
    pub(crate) fn has(&self, frame: u64, digest: &blake3::Hash) -> bool {
        self.digests.has(frame, digest)
    }

    /// Unpacks the frame at that place of the image. What is wrong with it is the error.
    pub(super) fn read(
        &self,
        wanted: &FrameSpan,
        decompressor: &mut zstd::bulk::Decompressor<'_>,
        stored: &mut Vec<u8>,
        raw: &mut Vec<u8>,
    ) -> Result<(), String> {
        let span = self.table.span(wanted.frame).filter(|span| span.image == wanted.image);
        let span = span.ok_or("it has no such frame")?;
        let length = span.stored.end.saturating_sub(span.stored.start);
        // The seek table bounds this to little more than 4 MiB.
        stored.resize(usize::try_from(length).unwrap_or(0), 0);
        self.file.read_exact_at(stored, span.stored.start).map_err(|error| error.to_string())?;
        if form_of(stored) != Ok(Form::Whole) {
            return Err("its frame is a difference itself".to_owned());
        }
        unpack_frame(decompressor, &span, stored, raw).map_err(|fault| fault.to_string())?;
        if self.digests.has(span.frame, &blake3::hash(raw)) {
            Ok(())
        } else {
            Err("its frame is not the one that was recorded".to_owned())
        }
    }
}
