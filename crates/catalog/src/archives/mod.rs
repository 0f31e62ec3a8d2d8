//! Records that leave the catalog for an archive.
//!
//! ```text
//! archive_candidates ──► (files are written and verified) ──► prune ──► archive is listed, records are gone, their dumps are
//!                                                               │        known as pruned
//!                                                               └── a record is not as it was archived: nothing happens
//! ```
//!
//! A record that is gone does not come back, whether a manifest, another memdeck or the time-series store tells of its dump:
//! whoever adds records asks [`crate::pruned`].

mod choose;
mod prune;

pub use choose::ArchiveCandidate;
