//! A stored image in the formats that readers of memory images take: as ELF core, raw, `LiME` or AVML.
//!
//! ```text
//! stored image ──► layout: literals, holes, parts of the image ──► stream: frames in parallel, bytes in order ──► sink
//!                                                           └────► reader: any byte, one frame at a time
//! ```
//!
//! Nothing is made before it is asked for: an export is a way to read the stored image, it takes no room on disk, and its
//! memory does not grow with the guest. A frame of zeroes is recognised as it is stored and never unpacked.

mod format;
mod layout;
mod ram;
mod reader;
mod ring;
mod sink;
mod stream;

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memdeck_model::ByteCount;

use self::layout::Layout;
use self::stream::Expected;
use crate::elf::{ElfCore, Segment};
use crate::manifest::Manifest;
use crate::reader::{ImageReader, ReadError, open_image, read_manifest};
use crate::seek_table::SeekTable;

pub use self::format::{ExportFormat, ParseFormatError};
pub use self::layout::LayoutError;
pub use self::reader::ExportReader;
pub use self::sink::{ExportSink, SparseFile};
pub use self::stream::Effort;

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Bytes written.
    pub size: ByteCount,
    /// SHA-256 of the image, 64 hexadecimal digits, where all of it was exported as ELF.
    pub sha256: Option<String>,
    /// Whether a manifest was there that says the same.
    pub confirmed: bool,
}

/// A stored image seen in one format.
pub struct ImageExport {
    path: PathBuf,
    file: File,
    table: SeekTable,
    layout: Layout,
    format: ExportFormat,
    manifest: Option<Manifest>,
}

impl ImageExport {
    /// Opens a stored image to read it as `format`. Only the headers of the image are read.
    ///
    /// # Errors
    /// It cannot be opened or read, its manifest is unusable, or its segments cannot be told in that format.
    pub fn open(path: &Path, format: ExportFormat) -> Result<Self, ReadError> {
        let mut file = open_image(path)?;
        let manifest = read_manifest(path)?;
        let table = SeekTable::read_from(&mut file)
            .map_err(|source| ReadError::SeekTable { path: path.to_owned(), source })?;
        let layout = match format {
            ExportFormat::Elf => Layout::elf(table.raw_size().0),
            ExportFormat::Raw | ExportFormat::Lime | ExportFormat::Avml => {
                let core = read_core(path)?;
                Layout::of_memory(format, &core, table.raw_size().0)
                    .map_err(|source| ReadError::Layout { path: path.to_owned(), source })?
            }
        };
        Ok(Self { path: path.to_owned(), file, table, layout, format, manifest })
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> ExportFormat {
        self.format
    }

    /// How long the export is; `None` for AVML, whose length is not known before it is made.
    #[must_use]
    pub fn length(&self) -> Option<ByteCount> {
        self.layout.length().map(ByteCount)
    }

    /// Segments of guest memory that the image has and this format leaves out.
    #[must_use]
    pub fn omitted(&self) -> &[Segment] {
        self.layout.omitted()
    }

    /// The size of the image under the codec.
    #[must_use]
    pub fn raw_size(&self) -> ByteCount {
        self.table.raw_size()
    }

    /// The manifest beside the image, if there is one.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// Gives the export from `offset` to its end to `sink`, decompressing in parallel. All of an image as ELF is hashed
    /// on the way, and its last frame is held back until the hash is what the manifest says.
    ///
    /// # Errors
    /// The image is damaged or cannot be read, its hash is another one, `sink` fails, or the format has no such offset.
    /// What was written until then is of no use.
    pub fn write_from(
        &self,
        offset: u64,
        effort: Effort,
        sink: &mut impl ExportSink,
    ) -> Result<Exported, ReadError> {
        match self.layout.length() {
            Some(length) if offset > length => Err(ReadError::Offset { offset, length: ByteCount(length) }),
            Some(length) => self.write(offset..length, effort, sink),
            None if offset > 0 => Err(ReadError::Sequential(self.format)),
            None => self.write(0..u64::MAX, effort, sink),
        }
    }

    /// The same for a part of the export, half-open.
    ///
    /// # Errors
    /// As [`Self::write_from`]; also where the range reaches beyond the export.
    pub fn write_range(
        &self,
        range: Range<u64>,
        effort: Effort,
        sink: &mut impl ExportSink,
    ) -> Result<Exported, ReadError> {
        match self.layout.length() {
            Some(length) if range.end > length => {
                Err(ReadError::Offset { offset: range.end, length: ByteCount(length) })
            }
            Some(_) => self.write(range, effort, sink),
            None => Err(ReadError::Sequential(self.format)),
        }
    }

    fn write(
        &self,
        range: Range<u64>,
        effort: Effort,
        sink: &mut impl ExportSink,
    ) -> Result<Exported, ReadError> {
        let whole_image = self.format == ExportFormat::Elf && range == (0..self.table.raw_size().0);
        let recorded = self.manifest.as_ref().map(|manifest| manifest.sha256.as_str());
        let expected = if whole_image { Expected::Hash(recorded) } else { Expected::Nothing };
        let streamed = stream::stream(self, &range, effort, &expected, sink)?;
        let confirmed = whole_image && recorded.is_some();
        Ok(Exported { size: ByteCount(streamed.bytes), sha256: streamed.sha256, confirmed })
    }

    /// The export as something that is read and sought like a file. Keeps one frame in memory, and unpacks on the
    /// calling thread: for a few places, not for all of it.
    ///
    /// # Errors
    /// The format can only be made from its beginning (AVML).
    pub fn into_reader(self) -> Result<ExportReader, ReadError> {
        if self.layout.length().is_none() {
            return Err(ReadError::Sequential(self.format));
        }
        let image = ImageReader::new(self.file)
            .map_err(|source| ReadError::SeekTable { path: self.path.clone(), source })?;
        Ok(ExportReader::new(image, self.layout))
    }
}

/// Writes all of a stored image as the ELF core it is, and checks what it wrote against the manifest where there is one.
///
/// # Errors
/// The image is damaged or cannot be read, `out` fails, or the manifest is unusable or of other bytes. What was
/// written until then is of no use.
pub fn export(path: &Path, out: &mut impl Write) -> Result<Exported, ReadError> {
    let exported = ImageExport::open(path, ExportFormat::Elf)?.write_from(0, Effort::AllCores, out)?;
    out.flush().map_err(ReadError::Write)?;
    Ok(exported)
}

/// What the headers of a stored image say.
pub(crate) fn read_core(path: &Path) -> Result<ElfCore, ReadError> {
    let mut image = ImageReader::open(path)?;
    layout::scan(&mut image).map_err(|error| match error {
        Ok(source) => ReadError::Layout { path: path.to_owned(), source },
        Err(source) => match source.downcast::<ReadError>() {
            Ok(error) => error,
            Err(source) => ReadError::Read { path: path.to_owned(), offset: 0, source },
        },
    })
}

#[cfg(test)]
mod tests;
