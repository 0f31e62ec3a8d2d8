//! Reads stored images back: any byte of one without unpacking the rest, and only what is as it was recorded.

pub(crate) mod error;
pub(crate) mod evidence;
pub(crate) mod frames;
pub(crate) mod headers;
pub(crate) mod image;
pub(crate) mod manifest;
pub(crate) mod page_map;
pub(crate) mod recorded;
pub(crate) mod scan;
