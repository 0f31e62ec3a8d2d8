//! Why a stream did not become an image.

use std::io;

use memdeck_model::ByteCount;

use crate::store::SpoolError;

/// Why a live dump's stream did not become an image.
#[derive(Debug, thiserror::Error)]
pub enum QevmError {
    /// The stream failed, or its reader was stopped.
    #[error("reading the live dump failed after {received}")]
    Stream {
        /// Bytes that were read before.
        received: ByteCount,
        /// The reader's error, as it was.
        source: io::Error,
    },
    /// libvirt compresses, or this is something else altogether.
    #[error(
        "the live dump begins with {} instead of QEMU's migration stream; \
         if dump_image_format is set in /etc/libvirt/qemu.conf, set it to \"raw\" and restart libvirt",
        describe(found)
    )]
    NotQevm {
        /// The first bytes, at most eight.
        found: Vec<u8>,
    },
    /// A version of the format that did not exist when this was written.
    #[error("the live dump has version {0} of QEMU's migration stream; only version 3 is known")]
    Version(u32),
    /// The stream ended before its end.
    #[error("the live dump ended after {} bytes, before it was complete", received.0)]
    Truncated {
        /// Bytes that were read.
        received: ByteCount,
    },
    /// The stream went on after its end.
    #[error("the live dump goes on for {} bytes after its end", bytes.0)]
    Trailing {
        /// Bytes after the end.
        bytes: ByteCount,
    },
    /// Something is not as QEMU writes it.
    #[error("the live dump is damaged: {what} at byte {}", at.0)]
    Malformed {
        /// What is wrong there.
        what: String,
        /// Bytes from the beginning of the stream.
        at: ByteCount,
    },
    /// The stream is well-formed and uses what memdeck does not convert.
    #[error("the live dump cannot be converted: {what} is not supported")]
    Unsupported {
        /// What it uses.
        what: String,
    },
    /// The stream does not contain where the guest sees this memory.
    #[error(
        "the live dump cannot be converted: where {block} lies in the memory of a {machine} is not known"
    )]
    UnknownPlace {
        /// The RAM block.
        block: String,
        /// The machine type.
        machine: String,
    },
    /// Its pages could not be kept.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl QevmError {
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

/// The formats that `dump_image_format` can name, by their first bytes.
fn describe(found: &[u8]) -> String {
    const KNOWN: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "gzip"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ", "xz"),
        (b"\x89LZO", "lzop"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ];
    match KNOWN.iter().find(|(magic, _)| found.starts_with(magic)) {
        Some((_, name)) => format!("{name} data"),
        None => format!("the bytes {found:02x?}"),
    }
}
