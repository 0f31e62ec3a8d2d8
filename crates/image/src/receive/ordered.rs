//! From pages in any order to an ELF core in order, through files on disk.
//!
//! ```text
//!  page ──► Spool: slot of the page ──► batches ──(thread)──► spool file      zero page ──► index only
//!                    └── index: page ──► slot, a file                              │
//!  OrderedImage: headers, notes, then page after page ◄────────────────────────────┘
//! ```
//!
//! The spool passes by the page cache while the disk keeps up (`page_file`). Neither file has a name, so nothing is left of them
//! however memdeck ends. Memory does not grow with the guest.

mod index;
mod layout;
mod page_file;
mod reader;
mod spool;
mod writer;

pub(crate) use layout::Layout;
pub(crate) use page_file::PageFile;
pub use reader::OrderedImage;
pub use spool::PageCounts;
pub(crate) use spool::Spool;
pub(crate) use writer::{Writer, write_pages};
