//! Memory images: read the ELF core as it passes, store it as seekable zstd, verify it, read it back.
//!
//! ```text
//! stream ──receive──► OrderedImage ─┐
//! ImageStore::create ──► PartialImage ──capture──► bytes and hashes ──seal──► Sealed
//!                             └── dropped before the seal: the file is removed
//! ```
//!
//! What a guest waits for comes first and does nothing else: [`FrozenCapture`] receives the ELF core of a guest that
//! stands still, [`LiveCapture`] QEMU's migration stream, its pages in any order, and makes an ELF core of it. Either is
//! an [`OrderedImage`] then, pages in a file without a name, and is captured while the guest runs.
//!
//! A stored image is five files: `<stem>.elf.zst` (the image), `<stem>.json` (its [`Manifest`]), `<stem>.sha256`,
//! `<stem>.pages` (its [`PageMap`]) and `<stem>.blake3` (a digest of every frame). `docs/image-format.md` describes them.
//!
//! This crate is synchronous. It does not know hypervisors, networks or the catalog, and it reads no clock but the
//! monotonic one. Its memory does not grow with the image, but for 8 bytes per frame of 1 MiB.
#![cfg_attr(
    not(any(test, feature = "fuzzing")),
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
mod evidence;
mod export;
mod frames;
mod frozen;
mod hash;
mod inspect;
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

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
mod synthetic;
#[cfg(test)]
mod testing;

pub use capture::{CaptureError, Captured};
pub use companions::dump_id_of;
pub use digests::FrameDigestFacts;
pub use elf::{ElfCore, ElfError, ElfScanner, Segment, SegmentKind};
pub use export::{
    Effort, ExportFormat, ExportReader, ExportSink, Exported, ImageExport, LayoutError, ParseFormatError,
    SparseFile, export,
};
pub use frames::FRAME_BYTES;
pub use frozen::FrozenCapture;
pub use hash::sha256_hex;
pub use inspect::{ExportFacts, Inspection, NoteFacts, inspect, inspect_recorded};
pub use live::{LiveCapture, LiveEvent, Received};
pub use manifest::{
    CaptureFacts, FrameFacts, GuestFacts, HypervisorFacts, MANIFEST_VERSION, Manifest, ManifestError,
    ManifestFile, OmittedBlock, Provenance,
};
pub use ordered::{OrderedImage, PageCounts, SpoolError};
pub use pages::{PageClass, PageEntries, PageEntry, PageMap, PageMapError, PageMapFacts, PageTotals};
pub use qevm::QevmError;
pub use reader::{ImageReader, ReadError, read_manifest, read_recorded_manifest};
pub use seek_table::{FrameSpan, SeekTable, SeekTableError};
pub use store::{
    ImageStore, PartialImage, SealError, Sealed, StoreError, StoredDump, StoredDumps, check_removable,
    remove_stored,
};
pub use unpack::FrameFault;
pub use verify::{Companion, Finding, RecordCheck, Sample, Verdict, VerifyReport, verify, verify_sample};
