//! The table at the end of a stored image that says where each frame lies: the zstd seekable format, version 0.1.0
//! (`contrib/seekable_format/zstd_seekable_compression_format.md` of zstd), without its optional checksums, because
//! every frame carries its own.
//!
//! ```text
//! frame 0 │ frame 1 │ ... │ skippable frame: magic, size │ entries: stored bytes, image bytes │ footer
//! ```
//!
//! In memory a table takes 8 bytes per frame. All frames but the last hold the same number of image bytes, so the
//! frame of an image offset is a division away.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use memdeck_model::{ByteCount, FrameSpan};

const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
const FOOTER_MAGIC: u32 = 0x8F92_EAB1;
const SKIPPABLE_HEADER_BYTES: u64 = 8;
const ENTRY_BYTES: u64 = 8;
const FOOTER_BYTES: u64 = 9;
/// The format's own limit.
const MAX_FRAMES: u64 = 0x0800_0000;
/// Bounds the buffers of a reader of hostile files.
const MAX_FRAME_BYTES: u32 = 4 << 20;

/// Where the frames of a stored image lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeekTable {
    /// Where each frame ends in the stored file.
    stored_ends: Vec<u64>,
    /// Image bytes of every frame but the last.
    frame_bytes: u32,
    raw_size: u64,
}

/// Why a stored image's seek table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeekTableError {
    /// The file cannot be read.
    #[error("the seek table cannot be read")]
    Io(#[source] io::Error),
    /// The last bytes are something else.
    #[error("the file does not end with a seek table: it was cut short, or memdeck did not write it")]
    Missing,
    /// The table's outer frame and its footer contradict each other, or it uses what memdeck does not.
    #[error("the seek table at stored offset {offset} is damaged: {what}")]
    Damaged {
        /// Where the table begins, or would.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The number of frames is 0 or cannot be true.
    #[error("the seek table claims {frames} frames, which a file of {stored_bytes} bytes cannot hold")]
    FrameCount {
        /// As the footer says.
        frames: u64,
        /// Of the whole file.
        stored_bytes: u64,
    },
    /// An entry cannot be true.
    #[error(
        "the seek table's entry of frame {frame} is damaged ({stored_bytes} stored bytes, {image_bytes} image bytes)"
    )]
    Entry {
        /// Its number, from 0.
        frame: u64,
        /// As the entry says.
        stored_bytes: u32,
        /// As the entry says.
        image_bytes: u32,
    },
    /// Frames are missing or there are bytes too many.
    #[error("the seek table's frames take {table} bytes, but the file holds {file} bytes before the table")]
    StoredSize {
        /// The sum of the entries.
        table: u64,
        /// What lies before the table.
        file: u64,
    },
}

impl SeekTable {
    /// A table without frames, to which a writer adds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a frame that holds `image_bytes` of the image in `stored_bytes` of the file.
    ///
    /// # Errors
    /// A frame is empty, too large, or follows a short one: only the last frame may be shorter than the first.
    pub fn push(&mut self, stored_bytes: u32, image_bytes: u32) -> Result<(), SeekTableError> {
        let frame = self.frames();
        let entry = SeekTableError::Entry { frame, stored_bytes, image_bytes };
        let frame_bytes = if frame == 0 { image_bytes } else { self.frame_bytes };
        let follows_full_frames = self.raw_size == frame.saturating_mul(frame_bytes.into());
        let size_is_valid = (1..=frame_bytes.min(MAX_FRAME_BYTES)).contains(&image_bytes);
        let bound = usize::try_from(image_bytes).map_or(0, zstd::zstd_safe::compress_bound);
        let stored_is_valid =
            stored_bytes > 0 && usize::try_from(stored_bytes).is_ok_and(|stored| stored <= bound);
        if !(follows_full_frames && size_is_valid && stored_is_valid && frame < MAX_FRAMES) {
            return Err(entry);
        }
        self.frame_bytes = frame_bytes;
        self.raw_size = self.raw_size.saturating_add(image_bytes.into());
        self.stored_ends.push(self.frames_end().saturating_add(stored_bytes.into()));
        Ok(())
    }

    /// How many frames there are.
    #[must_use]
    pub fn frames(&self) -> u64 {
        u64::try_from(self.stored_ends.len()).unwrap_or(u64::MAX)
    }

    /// The size of the uncompressed image.
    #[must_use]
    pub fn raw_size(&self) -> ByteCount {
        ByteCount(self.raw_size)
    }

    /// Where the last frame ends in the stored file, and the table begins.
    #[must_use]
    pub fn frames_end(&self) -> u64 {
        self.stored_ends.last().copied().unwrap_or(0)
    }

    /// How many bytes the table takes at the end of the file.
    #[must_use]
    pub fn table_bytes(&self) -> u64 {
        table_bytes(self.frames())
    }

    /// Image bytes of every frame but the last.
    #[must_use]
    pub fn frame_bytes(&self) -> u32 {
        self.frame_bytes
    }

    /// The frame of that number.
    #[must_use]
    pub fn span(&self, frame: u64) -> Option<FrameSpan> {
        let index = usize::try_from(frame).ok()?;
        let stored_end = *self.stored_ends.get(index)?;
        let stored_start = match index.checked_sub(1) {
            Some(previous) => *self.stored_ends.get(previous)?,
            None => 0,
        };
        let image_start = frame.checked_mul(self.frame_bytes.into())?;
        let image_end = image_start.saturating_add(self.frame_bytes.into()).min(self.raw_size);
        Some(FrameSpan { frame, image: image_start..image_end, stored: stored_start..stored_end })
    }

    /// The frame that holds the byte of the image at `image_offset`.
    #[must_use]
    pub fn span_at(&self, image_offset: u64) -> Option<FrameSpan> {
        self.span(image_offset.checked_div(self.frame_bytes.into())?)
    }

    /// Every frame, in order.
    pub fn spans(&self) -> impl Iterator<Item = FrameSpan> + '_ {
        (0..self.frames()).map_while(|frame| self.span(frame))
    }

    /// Writes the table as it stands at the end of a stored image.
    ///
    /// # Errors
    /// The writer's own, or there are more frames than the format allows.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let too_long = |_| io::Error::new(io::ErrorKind::FileTooLarge, "too many frames for a seek table");
        let content_bytes = self.table_bytes().saturating_sub(SKIPPABLE_HEADER_BYTES);
        out.write_all(&SKIPPABLE_MAGIC.to_le_bytes())?;
        out.write_all(&u32::try_from(content_bytes).map_err(too_long)?.to_le_bytes())?;
        for span in self.spans() {
            for range in [span.stored, span.image] {
                out.write_all(&u32::try_from(range.end - range.start).map_err(too_long)?.to_le_bytes())?;
            }
        }
        out.write_all(&u32::try_from(self.frames()).map_err(too_long)?.to_le_bytes())?;
        out.write_all(&[0])?;
        out.write_all(&FOOTER_MAGIC.to_le_bytes())
    }

    /// Reads the table at the end of a stored image. Memory grows only with entries that are valid.
    ///
    /// # Errors
    /// There is no table, or it contradicts itself or the file's size.
    pub fn read_from(source: &mut (impl Read + Seek)) -> Result<Self, SeekTableError> {
        let file_bytes = source.seek(SeekFrom::End(0)).map_err(SeekTableError::Io)?;
        let frames = read_footer(source, file_bytes)?;
        let table_start = match file_bytes.checked_sub(table_bytes(frames)) {
            Some(start) if (1..=MAX_FRAMES).contains(&frames) => start,
            _ => return Err(SeekTableError::FrameCount { frames, stored_bytes: file_bytes }),
        };
        source.seek(SeekFrom::Start(table_start)).map_err(SeekTableError::Io)?;
        let mut source = BufReader::new(source);
        let damaged = |what| SeekTableError::Damaged { offset: table_start, what };
        if read_u32(&mut source)? != SKIPPABLE_MAGIC {
            return Err(damaged("it does not begin with a skippable frame"));
        }
        if u64::from(read_u32(&mut source)?) != table_bytes(frames) - SKIPPABLE_HEADER_BYTES {
            return Err(damaged("its length does not fit its number of frames"));
        }
        let mut table = Self::new();
        for _ in 0..frames {
            let stored_bytes = read_u32(&mut source)?;
            table.push(stored_bytes, read_u32(&mut source)?)?;
        }
        if table.frames_end() == table_start {
            Ok(table)
        } else {
            Err(SeekTableError::StoredSize { table: table.frames_end(), file: table_start })
        }
    }
}

fn table_bytes(frames: u64) -> u64 {
    frames.saturating_mul(ENTRY_BYTES).saturating_add(SKIPPABLE_HEADER_BYTES + FOOTER_BYTES)
}

/// The number of frames that the footer claims.
fn read_footer(source: &mut (impl Read + Seek), file_bytes: u64) -> Result<u64, SeekTableError> {
    let Some(footer_start) = file_bytes.checked_sub(FOOTER_BYTES) else {
        return Err(SeekTableError::Missing);
    };
    source.seek(SeekFrom::Start(footer_start)).map_err(SeekTableError::Io)?;
    let frames = read_u32(source)?;
    let mut descriptor = [0];
    source.read_exact(&mut descriptor).map_err(SeekTableError::Io)?;
    if read_u32(source)? != FOOTER_MAGIC {
        return Err(SeekTableError::Missing);
    }
    if descriptor != [0] {
        let what = "its footer asks for features that memdeck does not use";
        return Err(SeekTableError::Damaged { offset: footer_start, what });
    }
    Ok(frames.into())
}

fn read_u32(source: &mut impl Read) -> Result<u32, SeekTableError> {
    let mut bytes = [0; 4];
    source.read_exact(&mut bytes).map_err(SeekTableError::Io)?;
    Ok(u32::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests;
