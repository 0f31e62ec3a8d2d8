//! SHA-256 of the whole image, which is read at a pace of its own: the one thing that cannot be shared between cores.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use sha2::{Digest, Sha256};

use crate::format::digests::Root;
use crate::format::frame::FRAME_BYTES;
use crate::format::hash::{hex_digest, update_with_zeroes};
use crate::pipeline::source::{Filled, ImageSource};

/// A disk is asked for so many frames before the first of them is hashed.
const FRAMES_READ_AHEAD: usize = 4;

/// What an image hashes to.
pub(super) struct Reading {
    pub(super) sha256: String,
    /// Over the digests of its frames, to be compared with those that were stored.
    pub(super) root: blake3::Hash,
}

/// Reads an image and hashes it. `None` if it was stopped before the end.
pub(super) fn run(source: impl ImageSource + Send, stop: &AtomicBool) -> io::Result<Option<Reading>> {
    std::thread::scope(|scope| {
        let (filled, frames) = sync_channel(FRAMES_READ_AHEAD);
        let (free, empty) = sync_channel(FRAMES_READ_AHEAD);
        for _ in 0..FRAMES_READ_AHEAD {
            // The channel holds them all.
            let _ = free.send(vec![0; FRAME_BYTES]);
        }
        let reader = Builder::new()
            .name("image-read".to_owned())
            .spawn_scoped(scope, move || read_ahead(source, &empty, &filled, stop))?;
        let reading = hash(&frames, &free);
        drop((frames, free));
        match reader.join() {
            Ok(Ok(true)) => Ok(Some(reading)),
            Ok(Ok(false)) | Err(_) => Ok(None),
            Ok(Err(error)) => Err(error),
        }
    })
}

/// One frame of the image on its way to its hash.
enum Read {
    Zero(usize),
    Content { buffer: Vec<u8>, bytes: usize },
}

/// Reads the image while frames before are hashed. False if it did not come to the end.
fn read_ahead(
    mut source: impl ImageSource,
    empty: &Receiver<Vec<u8>>,
    filled: &SyncSender<Read>,
    stop: &AtomicBool,
) -> io::Result<bool> {
    let mut spare = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(mut buffer) = spare.take().or_else(|| empty.recv().ok()) else { return Ok(false) };
        let found = source.fill(&mut buffer)?;
        let frame = match found {
            Filled::Zeroes(bytes) => {
                spare = Some(buffer);
                Read::Zero(bytes)
            }
            Filled::Bytes(bytes) => Read::Content { buffer, bytes },
        };
        if filled.send(frame).is_err() {
            return Ok(false);
        }
        if found.bytes() < FRAME_BYTES {
            return Ok(true);
        }
    }
    Ok(false)
}

fn hash(frames: &Receiver<Read>, free: &SyncSender<Vec<u8>>) -> Reading {
    let zeroes = vec![0; FRAME_BYTES];
    let zero_digest = blake3::hash(&zeroes);
    let (mut sha256, mut root) = (Sha256::new(), Root::default());
    for frame in frames {
        match frame {
            Read::Zero(0) => {}
            Read::Zero(FRAME_BYTES) => {
                update_with_zeroes(&mut sha256, FRAME_BYTES);
                root.push(&zero_digest);
            }
            Read::Zero(bytes) => {
                update_with_zeroes(&mut sha256, bytes);
                root.push(&blake3::hash(zeroes.get(..bytes).unwrap_or_default()));
            }
            Read::Content { buffer, bytes } => {
                let content = buffer.get(..bytes).unwrap_or_default();
                if !content.is_empty() {
                    sha256.update(content);
                    root.push(&blake3::hash(content));
                }
                // Nobody needs it any more after the last frame.
                let _ = free.send(buffer);
            }
        }
    }
    Reading { sha256: hex_digest(sha256), root: root.finish() }
}
