//! Segments of a memory image, as its ELF program headers describe them.

use serde::{Deserialize, Serialize};

use crate::{ByteCount, GuestPhysAddr};

/// What a segment contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentKind {
    /// Guest memory (`PT_LOAD`).
    Load,
    /// Notes: CPU registers and the like (`PT_NOTE`).
    Note,
    /// Another `p_type`.
    Other(u32),
}

/// A segment of the image, from its program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What it contains.
    pub kind: SegmentKind,
    /// Where its memory begins in the guest (`p_paddr`).
    pub address: GuestPhysAddr,
    /// Where its bytes begin in the image (`p_offset`).
    pub offset_bytes: ByteCount,
    /// How many bytes of it are in the image (`p_filesz`).
    pub file_bytes: ByteCount,
    /// How many bytes it takes in the guest (`p_memsz`).
    pub memory_bytes: ByteCount,
}
