//! What stored images tell.
//!
//! ```text
//! compare  what changed between two dumps, from their page maps
//! inside   what the guest itself knew: processes, files, connections; read in a process of its own
//! hunt     where patterns are, each content searched once over many dumps
//! page     the bytes of one page
//! mount    every image as files, in the formats that other programs read; nothing is exported
//! ```
//!
//! Everything here reads images through `memdeck-image`, so a byte is handed out only as the one that was recorded. This
//! crate is synchronous: work is done on threads of its own or on the caller's. It does not know libvirt, HTTP or the
//! catalog; who has a list of images hands it over ([`mount::ImageSource`]).
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

pub mod compare;
pub mod hunt;
pub mod inside;
pub mod mount;
pub mod page;

#[cfg(test)]
#[path = "../../image/src/synthetic.rs"]
mod synthetic;
#[cfg(test)]
mod testing;
