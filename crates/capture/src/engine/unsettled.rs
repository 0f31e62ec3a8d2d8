//! Guests that were not yet seen to be as they were before their dump: handed to the keeper, waited for by dumps.

use std::time::Duration;

use memdeck_catalog::Intent;

use super::Shared;

/// How often a dump that waits for its guest looks whether it shall stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A guest to look after.
pub(super) struct Unsettled {
    intent: Intent,
    /// A thread looks after it.
    is_taken: bool,
}

impl Shared {
    /// The keeper looks after this guest from now on.
    pub(crate) fn hand_to_keeper(&self, intent: Intent) {
        self.state.lock().unsettled.push(Unsettled { intent, is_taken: false });
        self.changed.notify_all();
    }

    /// Waits for a guest that nobody looks after yet; `None` when the engine closes and no dump can hand over another
    /// one.
    pub(crate) fn next_unsettled(&self) -> Option<Intent> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| {
            state.unsettled.iter().all(|open| open.is_taken) && !(state.closing && state.running.is_empty())
        });
        let open = state.unsettled.iter_mut().find(|open| !open.is_taken)?;
        open.is_taken = true;
        Some(open.intent.clone())
    }

    /// This guest needs no looking after any more.
    pub(crate) fn take_from_keeper(&self, intent: &Intent) {
        self.state.lock().unsettled.retain(|open| open.intent != *intent);
        self.changed.notify_all();
    }

    /// Waits until the keeper is done with a guest: it would resume one that a new dump has just stopped. False if the
    /// dump is to stop, or the engine closes, before that.
    pub(crate) fn wait_until_settled(&self, guest_uuid: &str, must_stop: &dyn Fn() -> bool) -> bool {
        loop {
            let mut state = self.state.lock();
            let is_open = |state: &mut super::State| {
                state.unsettled.iter().any(|open| open.intent.guest_uuid == guest_uuid) && !state.closing
            };
            self.changed.wait_while_for(&mut state, is_open, LOOK_INTERVAL);
            let is_closing = state.closing;
            if !is_open(&mut state) {
                return !is_closing;
            }
            drop(state);
            if must_stop() {
                return false;
            }
        }
    }
}
