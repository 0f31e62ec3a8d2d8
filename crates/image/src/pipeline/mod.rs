//! Frames on their way through the cores, in order: from an image to its stored file ([`pack`]) and back ([`unpack`]).
//!
//! ```text
//!  pack     source ──► turns: BLAKE3, page entries, zstd ──► writer         hasher: SHA-256, by a second reading
//!  unpack   reader ──► turns: zstd, and what the caller makes of it ──► hasher, if any ──► calling thread
//! ```
//!
//! Both are the same thing: threads that each take a frame in turn ([`turns`]), between one that brings frames and one that
//! collects them in order. Buffers come from a fixed ring, so memory is bounded by it. A thread that fails drops its
//! channels, which ends its neighbours; its error is the one that is reported.

pub(crate) mod banner;
pub(crate) mod pack;
pub(crate) mod source;
mod turns;
pub(crate) mod unpack;
