//! The headers of an ELF64 core, read as its bytes pass: which memory it holds, and how long it promises to be.
//!
//! Not by the crate `elf`: it reads a whole file or one that can be sought. Here the headers arrive in a stream, their number
//! is bounded before they are kept, and every refusal names its field.
//!
//! Layout: System V ABI, "Object Files"; constants from `elf.h`. Only what QEMU writes for a guest of a little-endian
//! 64-bit machine is accepted. Sections are read because an image with 65,535 segments or more keeps their number in
//! section header 0 (`PN_XNUM`), and because the contents of sections count towards the length.

use memdeck_model::{ByteCount, GuestPhysAddr, Segment, SegmentKind};

use super::hash::byte_len;

const FILE_HEADER_BYTES: u64 = 64;
const PROGRAM_HEADER_BYTES: u16 = 56;
const SECTION_HEADER_BYTES: u16 = 64;
const ELF_CORE: u16 = 4;
const PN_XNUM: u16 = 0xffff;
/// More memory segments than any machine has; bounds what is kept of a hostile stream.
const MAX_SEGMENTS: u64 = 1 << 18;
/// Where the last header must end; bounds what is buffered of a hostile stream.
const MAX_HEADERS_BYTES: u64 = 32 << 20;

/// What the headers of an image say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfCore {
    /// The length the headers promise: the end of the last header, segment or section.
    pub image_size: ByteCount,
    /// Every segment, in the order of the program headers.
    pub segments: Vec<Segment>,
}

/// Why bytes are not the beginning of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// The magic is another one.
    #[error("the image does not begin with an ELF header (its first bytes are {found:02x?})")]
    NotElf {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// `EI_CLASS`.
    #[error("the image is not a 64-bit ELF file (class {0}); 32-bit cores are not supported")]
    Not64Bit(u8),
    /// `EI_DATA`.
    #[error(
        "the image is not a little-endian ELF file (data encoding {0}); big-endian guests are not supported"
    )]
    NotLittleEndian(u8),
    /// `EI_VERSION` or `e_version`.
    #[error("the image has an unknown ELF version ({0})")]
    Version(u32),
    /// `e_type`.
    #[error("the image is an ELF file but not a core (type {0} instead of 4)")]
    NotCore(u16),
    /// `e_phentsize` or `e_shentsize`.
    #[error("the image's {table} headers have {found} bytes each; {expected} were expected")]
    EntrySize {
        /// `program` or `section`.
        table: &'static str,
        /// As the file header says.
        found: u16,
        /// As the ABI says.
        expected: u16,
    },
    /// A table overlaps the file header, or ends further into the image than any real one.
    #[error("the image's {table} headers are at an impossible place (offset {offset}, {count} entries)")]
    TablePlace {
        /// `program` or `section`.
        table: &'static str,
        /// Bytes from the image's beginning.
        offset: u64,
        /// Entries.
        count: u64,
    },
    /// `e_phnum` is `PN_XNUM` without a section header 0.
    #[error("the image has 65535 segments or more, but no section header that states their number")]
    SegmentCountMissing,
    /// There are more segments than this program accepts.
    #[error("the image claims {0} segments; at most {MAX_SEGMENTS} are accepted")]
    TooManySegments(u64),
    /// No segment holds memory.
    #[error("the image has no segment that holds memory")]
    NoMemory,
    /// Offset plus size is not a 64-bit number.
    #[error("{what} {index} of the image ends beyond 2^64 bytes")]
    Overflow {
        /// `segment` or `section`.
        what: &'static str,
        /// Its place in its table, from 0.
        index: u64,
    },
    /// More bytes in the image than in the guest.
    #[error("segment {index} of the image has more bytes in the file than in memory")]
    FileBeyondMemory {
        /// Its place in its table, from 0.
        index: u64,
    },
}

/// Collects the headers of an image that passes by in pieces of any size.
#[derive(Debug, Default)]
pub struct ElfScanner {
    seen: Vec<u8>,
    core: Option<ElfCore>,
}

impl ElfScanner {
    /// A scanner at the beginning of an image.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What the headers say, once they passed.
    #[must_use]
    pub fn core(&self) -> Option<&ElfCore> {
        self.core.as_ref()
    }

    /// What the headers say, if they passed.
    #[must_use]
    pub fn into_core(self) -> Option<ElfCore> {
        self.core
    }

    /// Looks at the next bytes of the image; what follows the headers is ignored.
    ///
    /// # Errors
    /// The headers are not those of an image this program accepts. The scanner is of no use afterwards.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Option<&ElfCore>, ElfError> {
        while self.core.is_none() {
            match parse(&self.seen)? {
                Step::Done(core) => {
                    self.core = Some(core);
                    self.seen = Vec::new();
                }
                Step::Need(end) => {
                    let missing =
                        usize::try_from(end.saturating_sub(byte_len(&self.seen))).unwrap_or(usize::MAX);
                    let (wanted, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
                    if wanted.is_empty() {
                        break;
                    }
                    self.seen.extend_from_slice(wanted);
                    bytes = rest;
                }
            }
        }
        Ok(self.core.as_ref())
    }
}

/// How far a parse came.
enum Step {
    /// The image's first so many bytes are needed, and more than were seen.
    Need(u64),
    Done(ElfCore),
}

fn parse(seen: &[u8]) -> Result<Step, ElfError> {
    let Some(file) = FileHeader::parse(seen)? else { return Ok(Step::Need(FILE_HEADER_BYTES)) };
    let Some(count) = file.segment_count(seen)? else { return Ok(Step::Need(file.sections(1)?.end)) };
    let programs = file.programs(count)?;
    let sections = file.sections(file.section_count)?;
    let (Some(program_bytes), Some(section_bytes)) = (programs.of(seen), sections.of(seen)) else {
        return Ok(Step::Need(programs.end.max(sections.end)));
    };

    let mut end = FILE_HEADER_BYTES.max(programs.end).max(sections.end);
    let mut segments = Vec::new();
    for (index, entry) in (0_u64..).zip(program_bytes.chunks_exact(usize::from(PROGRAM_HEADER_BYTES))) {
        if let Some(segment) = segment(entry, index)? {
            end = end.max(segment.offset_bytes.0.saturating_add(segment.file_bytes.0));
            segments.push(segment);
        }
    }
    for (index, entry) in (0_u64..).zip(section_bytes.chunks_exact(usize::from(SECTION_HEADER_BYTES))) {
        end = end.max(section_end(entry, index)?);
    }
    if segments.iter().any(|segment| segment.kind == SegmentKind::Load && segment.file_bytes.0 > 0) {
        Ok(Step::Done(ElfCore { image_size: ByteCount(end), segments }))
    } else {
        Err(ElfError::NoMemory)
    }
}

struct FileHeader {
    program_offset: u64,
    program_count: u16,
    section_offset: u64,
    section_count: u64,
}

impl FileHeader {
    fn parse(seen: &[u8]) -> Result<Option<Self>, ElfError> {
        if let Some(&found) = seen.first_chunk::<4>()
            && found != *b"\x7fELF"
        {
            return Err(ElfError::NotElf { found });
        }
        if byte_len(seen) < FILE_HEADER_BYTES {
            return Ok(None);
        }
        let [_, _, _, _, class, encoding, version, ..] = *seen else { return Ok(None) };
        match (class, encoding, version) {
            (2, 1, 1) => {}
            (2, 1, version) => return Err(ElfError::Version(version.into())),
            (2, encoding, _) => return Err(ElfError::NotLittleEndian(encoding)),
            (class, ..) => return Err(ElfError::Not64Bit(class)),
        }
        let (half, word, long) = (|at| u16_at(seen, at), |at| u32_at(seen, at), |at| u64_at(seen, at));
        if half(16) != ELF_CORE {
            return Err(ElfError::NotCore(half(16)));
        }
        if word(20) != 1 {
            return Err(ElfError::Version(word(20)));
        }
        let header = Self {
            program_offset: long(32),
            program_count: half(56),
            section_offset: long(40),
            section_count: half(60).into(),
        };
        let uses_sections = header.section_count > 0 || header.program_count == PN_XNUM;
        for (table, used, found, expected) in [
            ("program", header.program_count > 0, half(54), PROGRAM_HEADER_BYTES),
            ("section", uses_sections, half(58), SECTION_HEADER_BYTES),
        ] {
            if used && found != expected {
                return Err(ElfError::EntrySize { table, found, expected });
            }
        }
        Ok(Some(header))
    }

    /// The number of segments; `None` if section header 0 must be seen first.
    fn segment_count(&self, seen: &[u8]) -> Result<Option<u64>, ElfError> {
        let count = if self.program_count != PN_XNUM {
            self.program_count.into()
        } else if self.section_offset == 0 {
            return Err(ElfError::SegmentCountMissing);
        } else if let Some(first) = self.sections(1)?.of(seen) {
            u32_at(first, 44).into()
        } else {
            return Ok(None);
        };
        if count > MAX_SEGMENTS { Err(ElfError::TooManySegments(count)) } else { Ok(Some(count)) }
    }

    fn programs(&self, count: u64) -> Result<Table, ElfError> {
        Table::new("program", self.program_offset, count, PROGRAM_HEADER_BYTES)
    }

    fn sections(&self, count: u64) -> Result<Table, ElfError> {
        Table::new("section", self.section_offset, count, SECTION_HEADER_BYTES)
    }
}

/// Where a table of headers lies in the image; half-open.
struct Table {
    start: u64,
    end: u64,
}

impl Table {
    fn new(table: &'static str, offset: u64, count: u64, entry_bytes: u16) -> Result<Self, ElfError> {
        if count == 0 {
            return Ok(Self { start: 0, end: 0 });
        }
        let end = count.checked_mul(entry_bytes.into()).and_then(|bytes| bytes.checked_add(offset));
        match end {
            Some(end) if offset >= FILE_HEADER_BYTES && end <= MAX_HEADERS_BYTES => {
                Ok(Self { start: offset, end })
            }
            _ => Err(ElfError::TablePlace { table, offset, count }),
        }
    }

    fn of<'a>(&self, seen: &'a [u8]) -> Option<&'a [u8]> {
        seen.get(usize::try_from(self.start).ok()?..usize::try_from(self.end).ok()?)
    }
}

/// A program header; `None` for an unused entry (`PT_NULL`).
fn segment(entry: &[u8], index: u64) -> Result<Option<Segment>, ElfError> {
    let kind = match u32_at(entry, 0) {
        0 => return Ok(None),
        1 => SegmentKind::Load,
        4 => SegmentKind::Note,
        other => SegmentKind::Other(other),
    };
    let (offset, address) = (u64_at(entry, 8), u64_at(entry, 24));
    let (file_bytes, memory_bytes) = (u64_at(entry, 32), u64_at(entry, 40));
    let is_load = kind == SegmentKind::Load;
    // The last byte of an address space may be in use, so the end of memory may be exactly 2^64.
    let memory_overflows = is_load && memory_bytes > 0 && address.checked_add(memory_bytes - 1).is_none();
    if offset.checked_add(file_bytes).is_none() || memory_overflows {
        return Err(ElfError::Overflow { what: "segment", index });
    }
    if is_load && file_bytes > memory_bytes {
        return Err(ElfError::FileBeyondMemory { index });
    }
    Ok(Some(Segment {
        kind,
        address: GuestPhysAddr(address),
        offset_bytes: ByteCount(offset),
        file_bytes: ByteCount(file_bytes),
        memory_bytes: ByteCount(memory_bytes),
    }))
}

/// Where a section's contents end in the image; 0 for one without contents.
fn section_end(entry: &[u8], index: u64) -> Result<u64, ElfError> {
    const SHT_NULL: u32 = 0;
    const SHT_NOBITS: u32 = 8;
    if matches!(u32_at(entry, 4), SHT_NULL | SHT_NOBITS) {
        return Ok(0);
    }
    u64_at(entry, 24).checked_add(u64_at(entry, 32)).ok_or(ElfError::Overflow { what: "section", index })
}

// Callers pass whole headers, so every field is there and the 0 is never used.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
