//! What was read and not yet given out, in order; and the chunks that are free.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::piece::Chunk;

/// The next bytes of the stream.
pub(super) enum Item {
    Memory(Chunk),
    /// So many pieces that follow each other in the file.
    Spooled {
        offset: u64,
        pieces: u64,
    },
}

pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The one that was used last comes first: it is in the processor's cache.
    free: Vec<Chunk>,
    items: VecDeque<Item>,
    /// Pieces in the file that were not read yet.
    spooled: u64,
    end: Option<io::Result<()>>,
    is_abandoned: bool,
}

impl Queue {
    pub(super) fn new(free: Vec<Chunk>) -> Self {
        let state = State { free, items: VecDeque::new(), spooled: 0, end: None, is_abandoned: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn try_free_chunk(&self) -> Option<Chunk> {
        self.lock().free.pop()
    }

    /// Waits for a free chunk; `None` where the outlet is gone.
    pub(super) fn free_chunk(&self) -> Option<Chunk> {
        let state = self.lock();
        let waited = self.changed.wait_while(state, |state| state.free.is_empty() && !state.is_abandoned);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_abandoned { None } else { state.free.pop() }
    }

    pub(super) fn give_back(&self, chunk: Chunk) {
        self.lock().free.push(chunk);
        self.changed.notify_all();
    }

    pub(super) fn push(&self, chunk: Chunk) {
        self.lock().items.push_back(Item::Memory(chunk));
        self.changed.notify_all();
    }

    /// A piece at that place of the file is next. It follows the piece before where that is the last item.
    pub(super) fn push_spooled(&self, at: u64) {
        let mut state = self.lock();
        state.spooled = state.spooled.saturating_add(1);
        match state.items.back_mut() {
            Some(Item::Spooled { pieces, .. }) => *pieces = pieces.saturating_add(1),
            _ => state.items.push_back(Item::Spooled { offset: at, pieces: 1 }),
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn nothing_is_spooled(&self) -> bool {
        self.lock().spooled == 0
    }

    pub(super) fn piece_is_read(&self) {
        let mut state = self.lock();
        state.spooled = state.spooled.saturating_sub(1);
    }

    /// Waits for the next item; `None` at the end of the stream.
    pub(super) fn pop(&self) -> io::Result<Option<Item>> {
        let state = self.lock();
        let waited = self.changed.wait_while(state, |state| state.items.is_empty() && state.end.is_none());
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        match state.items.pop_front() {
            Some(item) => Ok(Some(item)),
            None => state.end.replace(Ok(())).unwrap_or(Ok(())).map(|()| None),
        }
    }

    /// The stream has ended, or failed. The first end stays.
    pub(super) fn end(&self, end: io::Result<()>) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(end);
        }
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn abandon(&self) {
        self.lock().is_abandoned = true;
        self.changed.notify_all();
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().is_abandoned
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
