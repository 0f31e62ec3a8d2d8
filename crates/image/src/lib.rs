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
//! A stored image is six files: `<stem>.elf.zst` (the image), `<stem>.json` (its [`Manifest`]), `<stem>.json.sig` (the signature
//! of that), `<stem>.sha256`, `<stem>.pages` (its [`PageMap`]) and `<stem>.blake3` (a digest of every frame). What comes later may stand beside
//! them: `<stem>.json.tsr`, the time stamp of the manifest, and `<stem>.inside.json`, what was read out of the image. `docs/image-format.md` describes them.
//!
//! The rooms, each below those that use it:
//!
//! ```text
//! format ◄── pipeline ◄── read ◄── store ◄── receive
//!                          ▲
//!                          └── verify, export ◄── inspect
//! ```
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

mod export;
mod format;
mod inspect;
mod pipeline;
mod read;
mod receive;
mod store;
mod verify;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
mod synthetic;
#[cfg(test)]
mod testing;

pub use memdeck_model::{
    CaptureFacts, Companion, DifferenceFacts, ExportFacts, ExportFormat, Finding, FrameDigestFacts,
    FrameFacts, FrameSpan, GuestFacts, HypervisorFacts, Inspection, MANIFEST_VERSION, Manifest, NoteFacts,
    OmittedBlock, PageMapFacts, PageTotals, ParseFormatError, RecordCheck, Sample, Segment, SegmentKind,
    SignatureCheck, Verdict, VerifyReport,
};

pub use export::{
    Effort, ExportMap, ExportPart, ExportReader, ExportSink, Exported, ImageExport, SparseFile, export,
};
pub use format::companions::dump_id_of;
pub use format::difference::BaseError;
pub use format::elf::{ElfCore, ElfError, ElfScanner};
pub use format::frame::{FRAME_BYTES, FrameFault};
pub use format::hash::sha256_hex;
pub use format::manifest::{ManifestError, ManifestFile, manifest_from_json, manifest_to_json};
pub use format::page_map::{PageClass, PageEntry, PageRun};
pub use format::seek_table::{SeekTable, SeekTableError};
pub use inspect::{inspect, inspect_recorded};
pub use pipeline::source::{Filled, ImageSource, ReceivedImage};
pub use read::error::{LayoutError, ReadError};
pub use read::frames::{FrameContent, FrameDecoder, StoredFrames};
pub use read::image::ImageReader;
pub use read::manifest::{manifest_digest, read_manifest, read_recorded_manifest};
pub use read::page_map::{PageEntries, PageMap, PageMapError};
pub use read::scan::ScannedFrame;
pub use receive::frozen::FrozenCapture;
pub use receive::live::{LiveCapture, LiveEvent, Received};
pub use receive::ordered::{OrderedImage, PageCounts};
pub use receive::qevm::QevmError;
pub use store::{
    BaseImage, CaptureError, Captured, ImageStore, NoBase, PartialImage, Provenance, SealError, Sealed,
    SpoolError, StoreError, StoredDump, StoredDumps, check_removable, keep_inside, keep_time_stamp,
    kept_inside, remove_stored,
};
pub use verify::{
    check_signature, check_time_stamp, compare_with_record, signature_beside, signature_of_stored,
    time_stamp_beside, verify, verify_sample, verify_while,
};
