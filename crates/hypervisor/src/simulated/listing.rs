//! Lists of guests that are slow to come: as with libvirt, so many callers may wait for one, and the others are refused.

use std::sync::{Condvar, Mutex, PoisonError};

use super::URI;
use crate::HypervisorError;

/// As many as the adapter of libvirt lets wait.
const MOST_WAITING: usize = 16;

#[derive(Default)]
pub(super) struct Listing {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_held: bool,
    waiting: usize,
}

impl Listing {
    /// From now on lists have to wait, or those that wait come.
    pub(super) fn hold(&self, is_held: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_held = is_held;
        self.changed.notify_all();
    }

    /// Waits for a turn to list guests.
    pub(super) fn wait(&self) -> Result<(), HypervisorError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.waiting >= MOST_WAITING {
            return Err(HypervisorError::Unresponsive { uri: URI.to_owned(), waiting: state.waiting });
        }
        state.waiting += 1;
        let waited = self.changed.wait_while(state, |state| state.is_held);
        waited.unwrap_or_else(PoisonError::into_inner).waiting -= 1;
        Ok(())
    }
}
