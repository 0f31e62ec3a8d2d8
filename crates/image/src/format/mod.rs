//! The files of a stored image as bytes: headers, frames, seek table, page map, digests, manifest, checksum, and their
//! names.

pub(crate) mod checksum;
pub(crate) mod companions;
pub(crate) mod difference;
pub(crate) mod digests;
pub(crate) mod elf;
pub(crate) mod frame;
pub(crate) mod hash;
pub(crate) mod manifest;
pub(crate) mod page_map;
pub(crate) mod regular;
pub(crate) mod seek_table;
