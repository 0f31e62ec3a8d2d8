//! Guests that were not yet seen to be as they were before their dump: handed to the keeper, waited for by dumps.

use std::time::Duration;

use memdeck_catalog::Intent;

use super::Shared;

/// How long a dump that waits for its guest waits between two looks at the clock.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A guest to look after.
pub(super) struct Unsettled {
    intent: Intent,
    /// A thread looks after it.
    is_taken: bool,
    /// Why it could not be put right when it was tried last.
    foreign_job: Option<ForeignJob>,
}

/// A job of another program has the guest. In libvirt's words, where it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForeignJob(pub(crate) Option<&'static str>);

/// How a guest stands that a dump waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settling {
    /// The keeper is done with it: it would resume one that a new dump has just stopped.
    Done,
    /// The keeper looks after it.
    Open(Option<ForeignJob>),
}

impl Shared {
    /// The keeper looks after this guest from now on.
    pub(crate) fn hand_to_keeper(&self, intent: Intent) {
        self.state.lock().unsettled.push(Unsettled { intent, is_taken: false, foreign_job: None });
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

    /// Notes which job keeps the keeper from putting a guest right, for dumps that wait for it.
    pub(crate) fn note_foreign_job(&self, intent: &Intent, job: Option<ForeignJob>) {
        for open in self.state.lock().unsettled.iter_mut().filter(|open| open.intent == *intent) {
            open.foreign_job = job;
        }
    }

    /// How a guest stands, after a moment in which the keeper may be done with it.
    pub(crate) fn wait_to_settle(&self, guest_uuid: &str) -> Settling {
        let mut state = self.state.lock();
        let is_open = |open: &&Unsettled| open.intent.guest_uuid == guest_uuid;
        let waits =
            |state: &mut super::State| state.unsettled.iter().any(|open| is_open(&open)) && !state.closing;
        self.changed.wait_while_for(&mut state, waits, LOOK_INTERVAL);
        let mut open = state.unsettled.iter().filter(is_open).peekable();
        if open.peek().is_none() {
            return Settling::Done;
        }
        Settling::Open(open.find_map(|open| open.foreign_job))
    }
}
