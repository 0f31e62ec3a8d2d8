//! A stored image in the formats that readers of memory images take: as ELF core, raw, `LiME` or AVML.
//!
//! ```text
//! stored image ──► layout: literals, holes, parts of the image ──► stream: frames in parallel, bytes in order ──► sink
//!                                                           └────► reader: any byte, one frame at a time
//! ```
//!
//! Nothing is made before it is asked for: an export is a way to read the stored image, it takes no room on disk, and its
//! memory does not grow with the guest. A frame of zeroes is recognised as it is stored and never unpacked.

mod frames;
mod layout;
mod map;
mod ram;
mod reader;
mod sink;
mod stream;

use std::io::Write;
use std::ops::Range;
use std::path::Path;

use memdeck_model::{ByteCount, ExportFormat, Manifest, Record, Segment};

use self::frames::Hashed;
use self::layout::Layout;
use self::stream::Expected;
use crate::format::elf::ElfCore;
use crate::read::error::{LayoutError, ReadError};
use crate::read::evidence::Evidence;
use crate::read::headers::checked_headers;

pub use self::map::{ExportMap, ExportPart};
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

/// A stored image seen in one format. Every frame is held against its digest before a byte of it is given out; an image
/// that was stored without digests can only be checked as a whole ([`Self::frames_are_checked`]).
pub struct ImageExport {
    evidence: Evidence,
    layout: Layout,
    format: ExportFormat,
    /// What the whole of it must hash to, if that is known.
    whole: Option<Whole>,
}

/// What is known of all bytes of an export.
struct Whole {
    /// SHA-256.
    recorded: Option<String>,
    hashed: Hashed,
}

impl ImageExport {
    /// Opens a stored image to read it as `format`. Only the headers of the image are read.
    ///
    /// # Errors
    /// It cannot be opened or read, its manifest or its digests are unusable, or its segments cannot be expressed in that
    /// format.
    pub fn open(path: &Path, format: ExportFormat) -> Result<Self, ReadError> {
        Self::new(Evidence::open(path, None)?, format)
    }

    /// The same for the image of a dump that the catalog has a record of.
    ///
    /// # Errors
    /// As [`Self::open`]; also if the image or its manifest is not what the record says.
    pub fn open_recorded(path: &Path, format: ExportFormat, record: &Record) -> Result<Self, ReadError> {
        Self::new(Evidence::open(path, Some(record))?, format)
    }

    /// The stored file itself, as it is, of a dump that the catalog has a record of. Frames are checked as in any export.
    ///
    /// # Errors
    /// As [`Self::open_recorded`].
    pub fn open_stored(path: &Path, record: &Record) -> Result<Self, ReadError> {
        let evidence = Evidence::open(path, Some(record))?;
        let mut table = Vec::new();
        let error = |source| ReadError::Read { path: path.to_owned(), offset: 0, source };
        evidence.table.write_to(&mut table).map_err(error)?;
        let layout = Layout::stored(evidence.table.frames_end(), &table);
        let recorded = evidence.manifest.as_ref().map(|manifest| manifest.file_sha256.clone());
        let whole = Some(Whole { recorded, hashed: Hashed::Stored { table } });
        Ok(Self { evidence, layout, format: ExportFormat::Elf, whole })
    }

    fn new(evidence: Evidence, format: ExportFormat) -> Result<Self, ReadError> {
        let layout = layout_of(&evidence, format)?;
        let whole = (format == ExportFormat::Elf)
            .then(|| Whole { recorded: evidence.sha256.clone(), hashed: Hashed::Image });
        Ok(Self { evidence, layout, format, whole })
    }

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
        self.evidence.table.raw_size()
    }

    /// The manifest beside the image, if there is one.
    #[must_use]
    pub fn manifest(&self) -> Option<&Manifest> {
        self.evidence.manifest.as_ref()
    }

    /// Whether each frame is checked before a byte of it is given out. If not, the image was stored without digests, or
    /// there is no manifest that says what they must be.
    #[must_use]
    pub fn frames_are_checked(&self) -> bool {
        self.evidence.digests.is_some()
    }

    /// Writes the export from `offset` to its end to `sink`, decompressing in parallel. Every frame is checked before a byte
    /// of it is given out. All of an image as ELF, or of the stored file, is hashed on the way too, and its last frame is
    /// held back until the hash is what the manifest says.
    ///
    /// # Errors
    /// The image is damaged or cannot be read, a frame or the hash is another one, `sink` fails, or the format has no such offset.
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
    /// As [`Self::write_from`]; also if the range reaches beyond the export.
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
        let whole = self.whole.as_ref().filter(|_| range == (0..self.layout.length().unwrap_or(u64::MAX)));
        let recorded = whole.and_then(|whole| whole.recorded.as_deref());
        let expected = whole.map(|whole| Expected { recorded, hashed: &whole.hashed });
        let streamed = stream::stream(self, &range, effort, expected.as_ref(), sink)?;
        let is_image = whole.is_some_and(|whole| matches!(whole.hashed, Hashed::Image));
        let sha256 = streamed.sha256.filter(|_| is_image);
        Ok(Exported { size: ByteCount(streamed.bytes), sha256, confirmed: recorded.is_some() })
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
        Ok(ExportReader::new(self.evidence.reader()?, self.layout))
    }
}

/// What an image consists of in a format. Only the headers of the image are read.
fn layout_of(evidence: &Evidence, format: ExportFormat) -> Result<Layout, ReadError> {
    let raw_size = evidence.table.raw_size().0;
    if format == ExportFormat::Elf {
        return Ok(Layout::elf(raw_size));
    }
    let core = checked_headers(evidence)?;
    Layout::of_memory(format, &core, raw_size)
        .map_err(|source| ReadError::Layout { path: evidence.path.clone(), source })
}

/// Writes all of a stored image as the ELF core it is, and checks what it wrote against the manifest if there is one.
///
/// # Errors
/// The image is damaged or cannot be read, `out` fails, or the manifest is unusable or of other bytes. What was
/// written until then is of no use.
pub fn export(path: &Path, out: &mut impl Write) -> Result<Exported, ReadError> {
    let exported = ImageExport::open(path, ExportFormat::Elf)?.write_from(0, Effort::AllCores, out)?;
    out.flush().map_err(ReadError::Write)?;
    Ok(exported)
}

/// How long an image with these headers is in a format, if that is known beforehand, and what the format leaves out.
pub(crate) fn layout_in(
    format: ExportFormat,
    core: &ElfCore,
    raw_size: ByteCount,
) -> Result<(Option<ByteCount>, Vec<Segment>), LayoutError> {
    let layout = match format {
        ExportFormat::Elf => Layout::elf(raw_size.0),
        _ => Layout::of_memory(format, core, raw_size.0)?,
    };
    Ok((layout.length().map(ByteCount), layout.omitted().to_vec()))
}

#[cfg(test)]
mod tests;
