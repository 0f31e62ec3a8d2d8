//! SHA-256 of the whole image, frame after frame: the one thing that cannot be shared between cores.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use sha2::{Digest, Sha256};

use super::{Dispatch, FRAME_BYTES, Frame};
use crate::capture::{Filled, Source};
use crate::digests::Root;
use crate::hash::{hex_digest, update_with_zeroes};

/// Hashes frames that the reader brings, and passes them on.
pub(super) fn run(frames: &Receiver<Frame>, mut dispatch: Dispatch) -> String {
    let mut sha256 = Sha256::new();
    for frame in frames {
        match &frame {
            Frame::Zero(bytes) => update_with_zeroes(&mut sha256, *bytes),
            Frame::Content(slot) => sha256.update(slot.raw()),
        }
        if dispatch.send(frame).is_none() {
            break;
        }
    }
    hex_digest(sha256)
}

/// What an image hashes to that was read on its own.
pub(super) struct OwnReading {
    pub(super) sha256: String,
    /// Over the digests of its frames, to be compared with those that were stored.
    pub(super) root: blake3::Hash,
}

/// Hashes an image that can be read twice, at a pace of its own. `None` once it was told to stop.
pub(super) fn run_alone(mut source: impl Source, stop: &AtomicBool) -> io::Result<Option<OwnReading>> {
    let mut buffer = vec![0; FRAME_BYTES];
    let zero_digest = blake3::hash(&buffer);
    let (mut sha256, mut root) = (Sha256::new(), Root::default());
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let bytes = match source.fill(&mut buffer)? {
            Filled::Zeroes(FRAME_BYTES) => {
                update_with_zeroes(&mut sha256, FRAME_BYTES);
                root.push(&zero_digest);
                continue;
            }
            Filled::Zeroes(bytes) => {
                buffer.get_mut(..bytes).unwrap_or_default().fill(0);
                bytes
            }
            Filled::Bytes(bytes) => bytes,
        };
        let filled = buffer.get(..bytes).unwrap_or_default();
        if !filled.is_empty() {
            sha256.update(filled);
            root.push(&blake3::hash(filled));
        }
        if bytes < FRAME_BYTES {
            return Ok(Some(OwnReading { sha256: hex_digest(sha256), root: root.finish() }));
        }
    }
}
