//! Unpacked frames, bounded in bytes: those that were used last, and who waits for one that is being unpacked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Which frame of which image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) image: u64,
    pub(super) frame: u64,
}

/// What a frame holds.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    Zero,
    Bytes(Arc<Vec<u8>>),
}

/// `W` is who waits for a frame.
pub(super) struct FrameCache<W> {
    limit_bytes: usize,
    used_bytes: usize,
    kept: HashMap<Key, Kept>,
    /// What was used least recently comes first.
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    pending: HashMap<Key, Vec<W>>,
}

struct Kept {
    frame: Frame,
    used_at: u64,
}

/// What is known of a frame.
pub(super) enum Claimed<W> {
    Here(Frame, W),
    /// Nobody unpacks it: the caller does, and calls [`FrameCache::put`] or [`FrameCache::fail`].
    Yours(W),
    /// Somebody unpacks it, and gets who waits.
    Waiting,
}

/// What a frame without bytes is taken to cost.
const ENTRY_BYTES: usize = 128;

impl Frame {
    fn cost(&self) -> usize {
        match self {
            Self::Zero => ENTRY_BYTES,
            Self::Bytes(bytes) => bytes.capacity().saturating_add(ENTRY_BYTES),
        }
    }
}

impl<W> FrameCache<W> {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            used_bytes: 0,
            kept: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            pending: HashMap::new(),
        }
    }

    /// A frame that is here.
    pub(super) fn get(&mut self, key: Key) -> Option<Frame> {
        let kept = self.kept.get_mut(&key)?;
        self.by_use.remove(&kept.used_at);
        self.uses = self.uses.saturating_add(1);
        kept.used_at = self.uses;
        self.by_use.insert(self.uses, key);
        Some(kept.frame.clone())
    }

    /// Whether it is here, or somebody unpacks it.
    pub(super) fn is_known(&self, key: Key) -> bool {
        self.kept.contains_key(&key) || self.pending.contains_key(&key)
    }

    /// Asks for a frame; whoever waits for it is kept until it is here.
    pub(super) fn claim(&mut self, key: Key, waiting: W) -> Claimed<W> {
        if let Some(frame) = self.get(key) {
            return Claimed::Here(frame, waiting);
        }
        if let Some(others) = self.pending.get_mut(&key) {
            others.push(waiting);
            return Claimed::Waiting;
        }
        self.pending.insert(key, Vec::new());
        Claimed::Yours(waiting)
    }

    /// Says that the caller unpacks a frame, unless it is known.
    pub(super) fn reserve(&mut self, key: Key) -> bool {
        let is_new = !self.is_known(key);
        if is_new {
            self.pending.insert(key, Vec::new());
        }
        is_new
    }

    /// Keeps a frame that was claimed; who waited for it, and what had to go.
    pub(super) fn put(&mut self, key: Key, frame: Frame) -> (Vec<W>, Vec<Frame>) {
        let waiting = self.pending.remove(&key).unwrap_or_default();
        self.forget(key);
        self.used_bytes = self.used_bytes.saturating_add(frame.cost());
        self.uses = self.uses.saturating_add(1);
        self.by_use.insert(self.uses, key);
        self.kept.insert(key, Kept { frame, used_at: self.uses });
        let mut gone = Vec::new();
        while self.used_bytes > self.limit_bytes
            && let Some((_, oldest)) = self.by_use.first_key_value()
        {
            let oldest = *oldest;
            gone.extend(self.forget(oldest));
        }
        (waiting, gone)
    }

    /// A frame that was claimed cannot be had; who waited for it.
    pub(super) fn fail(&mut self, key: Key) -> Vec<W> {
        self.pending.remove(&key).unwrap_or_default()
    }

    /// Drops every frame of an image.
    pub(super) fn forget_image(&mut self, image: u64) {
        let keys: Vec<Key> = self.kept.keys().filter(|key| key.image == image).copied().collect();
        for key in keys {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: Key) -> Option<Frame> {
        let kept = self.kept.remove(&key)?;
        self.by_use.remove(&kept.used_at);
        self.used_bytes = self.used_bytes.saturating_sub(kept.frame.cost());
        Some(kept.frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(frame: u64) -> Key {
        Key { image: 1, frame }
    }

    fn frame(bytes: usize) -> Frame {
        Frame::Bytes(Arc::new(vec![1; bytes]))
    }

    #[test]
    fn what_was_used_last_stays_within_the_limit() {
        let mut cache = FrameCache::<()>::new(3500);
        for number in 0..3 {
            cache.put(key(number), frame(1000));
        }
        assert!(cache.get(key(0)).is_some());
        let (_, gone) = cache.put(key(3), frame(1000));
        assert_eq!(gone.len(), 1);
        let kept: Vec<bool> = (0..4).map(|number| cache.get(key(number)).is_some()).collect();
        assert_eq!(kept, [true, false, true, true]);
        assert!(cache.used_bytes <= 3500);
        cache.put(key(9), frame(10_000));
        assert_eq!((cache.used_bytes, cache.kept.len()), (0, 0), "what is larger than the limit is not kept");
    }

    #[test]
    fn a_frame_is_unpacked_once_for_all_who_wait() {
        let mut cache = FrameCache::new(10_000);
        assert!(matches!(cache.claim(key(1), "first"), Claimed::Yours("first")));
        assert!(matches!(cache.claim(key(1), "second"), Claimed::Waiting));
        assert!(!cache.reserve(key(1)));
        assert_eq!(cache.put(key(1), Frame::Zero).0, ["second"]);
        assert!(matches!(cache.claim(key(1), "third"), Claimed::Here(Frame::Zero, "third")));
        assert!(cache.reserve(key(2)));
        assert!(matches!(cache.claim(key(2), "fourth"), Claimed::Waiting));
        assert_eq!(cache.fail(key(2)), ["fourth"]);
        assert!(matches!(cache.claim(key(2), "fifth"), Claimed::Yours("fifth")));
    }

    #[test]
    fn an_image_that_is_gone_leaves_nothing() {
        let mut cache = FrameCache::<()>::new(10_000);
        cache.put(key(1), frame(1000));
        cache.put(Key { image: 2, frame: 1 }, frame(1000));
        cache.forget_image(1);
        assert!(cache.get(key(1)).is_none() && cache.get(Key { image: 2, frame: 1 }).is_some());
    }
}
