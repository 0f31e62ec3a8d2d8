//! Receives the memory of a guest that waits or runs, into files without a name: what the guest waits for, and nothing
//! else.
//!
//! [`frozen`] reads the ELF core of a guest that stands still; [`live`] reads QEMU's migration stream ([`qevm`]) and
//! makes an ELF core of it. Both keep pages in [`ordered`], from where an image is stored when the guest runs again.

pub(crate) mod frozen;
pub(crate) mod live;
pub(crate) mod ordered;
pub(crate) mod qevm;
