//! The page map: what every 4 KiB page of guest memory contains, in a few bytes each, for comparing and studying dumps.
//!
//! ```text
//!  frame ──► pages that lie in it whole: PageEntry each ──┐
//!      └───► ends of pages that straddle frames ──────────┴─► PageAssembler ──► PageMapWriter ──► <stem>.pages
//! ```
//!
//! Pages are those of the `PT_LOAD` segments, in the order of the program headers. `docs/image-format.md` describes
//! the file.

mod assemble;
mod entropy;
mod entry;
mod layout;
mod tally;
mod writer;

/// Bytes of a page. The last page of a segment may have fewer in the image; the rest counts as zeroes.
pub(crate) const PAGE_BYTES: usize = 4096;
pub(crate) const PAGE_BYTES_U64: u64 = 4096;

pub(crate) use assemble::{Entries, FrameBytes, PageAssembler, examine_whole_pages};
pub(crate) use entry::{ENTRY_BYTES, ENTRY_BYTES_U64, PageExaminer, is_zero};
pub use entry::{PageClass, PageEntry};
pub(crate) use layout::PageLayout;
pub use layout::PageRun;
pub(crate) use tally::PageTally;
pub(crate) use writer::{FIXED_HEADER_BYTES, MAGIC, MAP_FRAME_BYTES, PageMapWriter, RUN_BYTES, VERSION};
