//! Memory images: read the ELF core as it passes, store it as seekable zstd, verify it, read it back.
//!
//! ```text
//! ImageStore::create ──► PartialImage ──capture──► bytes and hashes ──seal──► Sealed
//!                             └── dropped before the seal: the file is removed
//! ```
//!
//! A live dump comes as QEMU's migration stream, its pages in any order; [`LiveCapture`] makes the ELF core of it that
//! is then captured like any other.
//!
//! A stored image is five files: `<stem>.elf.zst` (the image), `<stem>.json` (its [`Manifest`]), `<stem>.sha256`,
//! `<stem>.pages` (its [`PageMap`]) and `<stem>.blake3` (a digest of every frame). `docs/image-format.md` describes them.
//!
//! This crate is synchronous. It does not know hypervisors, networks or the catalog, and it reads no clock but the
//! monotonic one. Its memory does not grow with the image, but for 8 bytes per frame of 1 MiB.
#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod banner;
mod capture;
mod companions;
mod digests;
mod directory;
mod elf;
mod frames;
mod hash;
mod live;
mod manifest;
mod ordered;
mod pages;
mod qevm;
mod reader;
mod seek_table;
mod store;
mod unpack;
mod verify;

#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod testing;

pub use capture::{CaptureError, Captured};
pub use digests::FrameDigestFacts;
pub use elf::{ElfCore, ElfError, ElfScanner, Segment, SegmentKind};
pub use frames::FRAME_BYTES;
pub use hash::sha256_hex;
pub use live::{LiveCapture, LiveEvent, Received};
pub use manifest::{
    CaptureFacts, FrameFacts, GuestFacts, HypervisorFacts, MANIFEST_VERSION, Manifest, ManifestError,
    OmittedBlock, Provenance,
};
pub use ordered::{OrderedImage, PageCounts};
pub use pages::{PageClass, PageEntries, PageEntry, PageMap, PageMapError, PageMapFacts, PageTotals};
pub use qevm::QevmError;
pub use reader::{Exported, ImageReader, ReadError, export};
pub use seek_table::{FrameSpan, SeekTable, SeekTableError};
pub use store::{ImageStore, PartialImage, SealError, Sealed, StoreError};
pub use unpack::FrameFault;
pub use verify::{Companion, Finding, Sample, Verdict, VerifyReport, verify, verify_sample};
