//! The headers of the ELF core: one segment for the notes, one for each part of guest memory, in ascending order.
//!
//! Layout: System V ABI, "Object Files"; field values as QEMU's `dump-guest-memory` writes them.

use memdeck_model::{ByteCount, GuestPhysAddr, Segment, SegmentKind};

use crate::format::elf::ElfCore;
use crate::format::hash::byte_len;

const FILE_HEADER_BYTES: u16 = 64;
const PROGRAM_HEADER_BYTES: u16 = 56;
const SECTION_HEADER_BYTES: u16 = 64;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// What comes before the memory, and how long everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// File header, program headers, notes.
    pub(crate) head: Vec<u8>,
    /// Bytes of guest memory after it.
    pub(crate) memory_bytes: u64,
    /// What the headers say.
    pub(crate) core: ElfCore,
}

impl Layout {
    /// The image of these parts of guest memory, each its address and bytes. There are at most a handful of them.
    pub(crate) fn new(parts: &[(GuestPhysAddr, u64)], notes: &[u8]) -> Self {
        let count = u16::try_from(parts.len()).unwrap_or(u16::MAX).saturating_add(1);
        let notes_offset = u64::from(FILE_HEADER_BYTES) + u64::from(PROGRAM_HEADER_BYTES) * u64::from(count);
        let memory_offset = notes_offset.saturating_add(byte_len(notes));
        let mut segments = vec![segment(SegmentKind::Note, notes_offset, GuestPhysAddr(0), byte_len(notes))];
        let memory_bytes = parts.iter().fold(0_u64, |before, &(address, bytes)| {
            let offset = memory_offset.saturating_add(before);
            segments.push(segment(SegmentKind::Load, offset, address, bytes));
            before.saturating_add(bytes)
        });
        let mut head = file_header(count);
        head.extend(segments.iter().flat_map(program_header));
        head.extend_from_slice(notes);
        let image_size = ByteCount(memory_offset.saturating_add(memory_bytes));
        Self { head, memory_bytes, core: ElfCore { image_size, segments } }
    }

    /// The length of the image.
    pub(crate) fn image_bytes(&self) -> u64 {
        byte_len(&self.head).saturating_add(self.memory_bytes)
    }
}

fn file_header(program_headers: u16) -> Vec<u8> {
    const CORE: u16 = 4;
    const X86_64: u16 = 62;
    // ELF, 64 bits, little-endian, version 1; the rest of the identification is zero.
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    header.extend(CORE.to_le_bytes());
    header.extend(X86_64.to_le_bytes());
    header.extend(1_u32.to_le_bytes()); // e_version
    header.extend(0_u64.to_le_bytes()); // e_entry
    header.extend(u64::from(FILE_HEADER_BYTES).to_le_bytes()); // e_phoff
    header.extend(0_u64.to_le_bytes()); // e_shoff
    header.extend(0_u32.to_le_bytes()); // e_flags
    // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
    for half in [FILE_HEADER_BYTES, PROGRAM_HEADER_BYTES, program_headers, SECTION_HEADER_BYTES, 0, 0] {
        header.extend(half.to_le_bytes());
    }
    header
}

/// A segment of which the image has all bytes.
fn segment(kind: SegmentKind, offset: u64, address: GuestPhysAddr, bytes: u64) -> Segment {
    let bytes = ByteCount(bytes);
    Segment { kind, address, offset_bytes: ByteCount(offset), file_bytes: bytes, memory_bytes: bytes }
}

fn program_header(segment: &Segment) -> Vec<u8> {
    let kind = match segment.kind {
        SegmentKind::Load => PT_LOAD,
        SegmentKind::Note => PT_NOTE,
        SegmentKind::Other(kind) => kind,
    };
    let mut header = kind.to_le_bytes().to_vec();
    header.extend(0_u32.to_le_bytes()); // p_flags
    let (offset, address) = (segment.offset_bytes.0, segment.address.0);
    // p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
    for long in [offset, address, address, segment.file_bytes.0, segment.memory_bytes.0, 0] {
        header.extend(long.to_le_bytes());
    }
    header
}
