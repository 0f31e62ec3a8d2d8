//! The newest verification of each image since memdeck was started; changes are published. How one ended is in the catalog,
//! too, without the whole report.

use std::collections::HashMap;
use std::sync::Arc;

use memdeck_model::{Actor, DumpId, Event, Verdict, Verification, VerificationState};
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// Results that are kept.
const MAX_KEPT: usize = 500;

/// Cheap to clone.
#[derive(Clone)]
pub struct Verifications {
    known: Arc<Mutex<HashMap<DumpId, Verification>>>,
    changed: broadcast::Sender<Event>,
}

impl Verifications {
    /// Knows none yet; sends every change to `changed`.
    #[must_use]
    pub fn new(changed: broadcast::Sender<Event>) -> Self {
        Self { known: Arc::default(), changed }
    }

    /// The newest of an image.
    #[must_use]
    pub fn of(&self, dump_id: &DumpId) -> Verification {
        newest(&self.known.lock(), dump_id)
    }

    /// Of every image of which one is known, without the whole reports.
    #[must_use]
    pub fn all(&self) -> Vec<Verification> {
        self.known.lock().values().map(Verification::in_short).collect()
    }

    /// Decides about a new verification while nobody else does: `decide` is given the newest of the image and how many run
    /// that somebody asked for. What it begins is kept and published.
    ///
    /// # Errors
    /// Those of `decide`.
    pub fn begin<E>(
        &self,
        dump_id: &DumpId,
        decide: impl FnOnce(&Verification, usize) -> Result<Option<Verification>, E>,
    ) -> Result<Verification, E> {
        let begun = {
            let mut known = self.known.lock();
            let before = newest(&known, dump_id);
            let is_running = |known: &&Verification| {
                known.state == VerificationState::Running && known.requested_by != Some(Actor::Service)
            };
            let running = known.values().filter(is_running).count();
            let Some(begun) = decide(&before, running)? else { return Ok(before) };
            put(&mut known, begun.clone());
            begun
        };
        self.tell(&begun);
        Ok(begun)
    }

    /// Takes over how a verification is now, without telling it.
    pub fn note(&self, verification: Verification) {
        put(&mut self.known.lock(), verification);
    }

    /// Takes over the present state of a verification, publishes it, and returns the one before if they differ.
    pub fn replace(&self, present: &Verification) -> Option<VerificationState> {
        let before = {
            let mut known = self.known.lock();
            let before = newest(&known, &present.dump_id);
            if before == *present {
                return None;
            }
            put(&mut known, present.clone());
            before.state
        };
        self.tell(present);
        Some(before)
    }

    /// Takes over an end, and does `last` before anybody can see it.
    pub fn end(&self, ended: &Verification, last: impl FnOnce()) {
        {
            let mut known = self.known.lock();
            put(&mut known, ended.clone());
            last();
        }
        self.tell(ended);
    }

    /// Takes back the begin of one that was stopped before it found anything: what was known `before` holds.
    pub fn take_back(&self, before: &Verification, last: impl FnOnce()) {
        {
            let mut known = self.known.lock();
            if before.state == VerificationState::None {
                known.remove(&before.dump_id);
            } else {
                put(&mut known, before.clone());
            }
            last();
        }
        // Whoever follows it learns that it does not go on, and then what it had found.
        self.tell(&Verification::none(before.dump_id.clone()));
        if before.state != VerificationState::None {
            self.tell(before);
        }
    }

    /// Publishes the state of a verification.
    pub fn tell(&self, verification: &Verification) {
        // Nobody may listen.
        let _ = self.changed.send(Event::Verification(Box::new(verification.in_short())));
    }

    /// Nothing is published about an image that is gone.
    pub fn forget(&self, dump_id: &DumpId) {
        self.known.lock().remove(dump_id);
    }
}

fn newest(known: &HashMap<DumpId, Verification>, dump_id: &DumpId) -> Verification {
    known.get(dump_id).cloned().unwrap_or_else(|| Verification::none(dump_id.clone()))
}

fn put(known: &mut HashMap<DumpId, Verification>, verification: Verification) {
    known.insert(verification.dump_id.clone(), verification);
    while known.len() > MAX_KEPT {
        let ended = known.values().filter(|known| known.state != VerificationState::Running);
        // What is damaged is to be seen for longest.
        let order = |known: &&Verification| (known.verdict == Some(Verdict::Damaged), known.finished_at);
        let oldest = ended.min_by_key(order).map(|known| known.dump_id.clone());
        let Some(oldest) = oldest else { break };
        known.remove(&oldest);
    }
}
