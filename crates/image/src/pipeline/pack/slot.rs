//! The buffers of a capture, and how they come back.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::differ::Stored;
use crate::format::frame::FRAME_BYTES;

/// One frame on its way.
pub(crate) struct Slot {
    raw: Box<[u8]>,
    filled: usize,
    /// The compressed frame.
    pub(super) packed: Vec<u8>,
    /// What else is learned of it.
    pub(super) study: Study,
}

/// What is learned of a frame beside its compressed form.
pub(super) struct Study {
    pub(super) digest: blake3::Hash,
    pub(super) stored: Stored,
    /// The entries of the pages that lie whole in the frame.
    pub(super) entries: Vec<u8>,
    pub(super) banner: Option<String>,
}

impl Slot {
    fn new() -> Self {
        let raw = vec![0; FRAME_BYTES].into_boxed_slice();
        let packed = Vec::with_capacity(zstd::zstd_safe::compress_bound(FRAME_BYTES));
        let digest = blake3::Hash::from_bytes([0; 32]);
        let study = Study { digest, stored: Stored::Whole, entries: Vec::new(), banner: None };
        Self { raw, filled: 0, packed, study }
    }

    /// All of the buffer, to write to.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut self.raw
    }

    /// Says how many bytes were written to the buffer.
    pub(crate) fn set_filled(&mut self, bytes: usize) {
        self.filled = bytes.min(FRAME_BYTES);
    }

    pub(crate) fn raw(&self) -> &[u8] {
        self.raw.get(..self.filled).unwrap_or_default()
    }

    /// The frame, and where what is made of it goes.
    pub(super) fn parts(&mut self) -> (&[u8], &mut Vec<u8>, &mut Study) {
        (self.raw.get(..self.filled).unwrap_or_default(), &mut self.packed, &mut self.study)
    }
}

/// Slots that are free. The one that came back last goes out first: it may still be in a cache.
pub(super) struct Pool {
    free: Mutex<Free>,
    changed: Condvar,
}

#[expect(clippy::vec_box, reason = "slots move from queue to queue, and queues are long")]
struct Free {
    slots: Vec<Box<Slot>>,
    is_closed: bool,
}

impl Pool {
    /// So many of them.
    pub(super) fn new(slots: usize) -> Self {
        let slots = (0..slots).map(|_| Box::new(Slot::new())).collect();
        Self { free: Mutex::new(Free { slots, is_closed: false }), changed: Condvar::new() }
    }

    /// The next free slot; `None` once the pool is closed.
    pub(super) fn take(&self) -> Option<Box<Slot>> {
        let mut free = self.lock();
        loop {
            if free.is_closed {
                return None;
            }
            if let Some(slot) = free.slots.pop() {
                return Some(slot);
            }
            free = self.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn put_back(&self, slot: Box<Slot>) {
        self.lock().slots.push(slot);
        self.changed.notify_one();
    }

    /// Ends all who wait for a slot.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the pool when the thread that holds it ends, however it does.
pub(super) struct CloseAtEnd<'a>(pub(super) &'a Pool);

impl Drop for CloseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
