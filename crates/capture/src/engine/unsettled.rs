//! Guests that were not yet seen to be as they were before their dump: handed to the keeper, waited for by dumps.

use memdeck_catalog::Intent;

use super::{Shared, State};

impl Shared {
    /// The keeper looks after this guest from now on.
    pub(crate) fn hand_to_keeper(&self, intent: Intent) {
        self.state.lock().unsettled.push(intent);
        self.changed.notify_all();
    }

    /// Waits for guests to look after; `None` when the engine closes and no dump can hand over another one.
    pub(crate) fn unsettled(&self) -> Option<Vec<Intent>> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| {
            state.unsettled.is_empty() && !(state.closing && state.running.is_empty())
        });
        (!state.unsettled.is_empty()).then(|| state.unsettled.clone())
    }

    /// This guest needs no looking after any more.
    pub(crate) fn take_from_keeper(&self, intent: &Intent) {
        self.state.lock().unsettled.retain(|open| open != intent);
        self.changed.notify_all();
    }

    /// Waits until the keeper is done with a guest: it would resume one that a new dump has just stopped. False if the
    /// engine closes before that.
    pub(crate) fn wait_until_settled(&self, guest_uuid: &str) -> bool {
        let mut state = self.state.lock();
        let open = |state: &mut State| state.unsettled.iter().any(|intent| intent.guest_uuid == guest_uuid);
        self.changed.wait_while(&mut state, |state| open(state) && !state.closing);
        !open(&mut state)
    }
}
