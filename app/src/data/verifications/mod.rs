//! What the page knows of verifications: how far they are, what they found, and what became of the operator's wish for
//! one.
//!
//! States come as answers and as events, and may overtake each other; a verification never goes backwards.

mod store;
mod words;

use memdeck_model::{DumpId, Verification, VerificationState};

pub use store::VerificationStore;
pub use words::{percent as percent_of, told as verification_in_words};

/// The newest verification of each image that the page knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verifications {
    // A handful: a page has as many rows as an operator looks at.
    entries: Vec<(DumpId, Entry)>,
}

/// Of one image.
#[derive(Clone, Debug, Default, PartialEq)]
struct Entry {
    newest: Option<Verification>,
    /// The guest, if this page's operator wants its image to be verified, until the end is announced.
    wanted: Option<String>,
    /// Whether the server has not answered the request yet.
    asking: bool,
    /// Why the last one that was asked for did not begin.
    refused: Option<String>,
}

impl Entry {
    fn is_running(&self) -> bool {
        self.newest.as_ref().is_some_and(is_running)
    }
}

/// A verification that this page's operator asked for has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose image it is.
    pub guest: String,
}

impl Verifications {
    /// The newest verification of an image, if there was one.
    pub fn of(&self, id: &DumpId) -> Option<&Verification> {
        self.entry(id)?.newest.as_ref()
    }

    /// Whether it goes on, or was asked for a moment ago.
    pub fn is_busy(&self, id: &DumpId) -> bool {
        self.entry(id).is_some_and(|entry| entry.asking || entry.is_running())
    }

    /// Why the last one that was asked for did not begin.
    pub fn refusal(&self, id: &DumpId) -> Option<&str> {
        self.entry(id)?.refused.as_deref()
    }

    /// Takes note of the wish for one. False if it goes on already.
    pub fn ask(&mut self, id: &DumpId, guest: &str) -> bool {
        let is_busy = self.is_busy(id);
        let entry = self.entry_mut(id);
        entry.refused = None;
        if !is_busy {
            entry.wanted = Some(guest.to_owned());
            entry.asking = true;
        }
        !is_busy
    }

    /// Takes note that it did not begin, and why.
    pub fn refuse(&mut self, id: &DumpId, why: String) {
        let entry = self.entry_mut(id);
        *entry = Entry { newest: entry.newest.take(), refused: Some(why), ..Entry::default() };
    }

    /// Takes in the state of one.
    pub fn tell(&mut self, told: Verification) -> Option<Ended> {
        let entry = self.entry_mut(&told.dump_id);
        match told.state {
            // The server was started anew: what was found before still was, what went on does not any more.
            VerificationState::None => {
                if entry.is_running() {
                    entry.newest = None;
                    entry.wanted = None;
                }
                return None;
            }
            _ if entry.newest.as_ref().is_some_and(|known| is_behind(&told, known)) => return None,
            VerificationState::Running => {
                entry.asking = false;
                entry.refused = None;
                entry.newest = Some(told);
                return None;
            }
            VerificationState::Finished | VerificationState::Failed => {}
        }
        let is_news = entry.newest.as_ref() != Some(&told);
        entry.newest = Some(told);
        // The end may arrive before the answer to the request.
        entry.asking = false;
        let guest = entry.wanted.take()?;
        is_news.then_some(Ended { guest })
    }

    /// Forgets those that went on when the feed broke off: those that still do are sent when it begins anew.
    pub fn forget_running(&mut self) {
        for (_, entry) in &mut self.entries {
            if entry.is_running() {
                entry.newest = None;
            }
        }
    }

    fn entry(&self, id: &DumpId) -> Option<&Entry> {
        self.entries.iter().find(|(known, _)| known == id).map(|(_, entry)| entry)
    }

    fn entry_mut(&mut self, id: &DumpId) -> &mut Entry {
        let known = self.entries.iter().position(|(known, _)| known == id);
        let place = known.unwrap_or_else(|| {
            self.entries.push((id.clone(), Entry::default()));
            self.entries.len() - 1
        });
        &mut self.entries[place].1
    }
}

fn is_running(verification: &Verification) -> bool {
    verification.state == VerificationState::Running
}

/// Whether `new` was overtaken by `known`.
fn is_behind(new: &Verification, known: &Verification) -> bool {
    let order = |told: &Verification| (told.started_at, !is_running(told), told.bytes_done);
    order(new) < order(known)
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ByteCount, Timestamp};

    use super::*;

    fn id() -> DumpId {
        "a1".parse().unwrap()
    }

    fn begun(second: i64, state: VerificationState, done: u64) -> Verification {
        let started_at = Timestamp::from_unix_micros(second * 1_000_000).ok();
        Verification { state, started_at, bytes_done: ByteCount(done), ..Verification::none(id()) }
    }

    use VerificationState::{Finished, None as NotAsked, Running};

    #[test]
    fn a_verification_never_goes_backwards_and_a_later_one_takes_its_place() {
        let mut known = Verifications::default();
        for (told, expected) in [
            (begun(1, Running, 10), (1, Running, 10)),
            (begun(1, Running, 5), (1, Running, 10)),
            (begun(1, Finished, 20), (1, Finished, 20)),
            (begun(1, Running, 15), (1, Finished, 20)),
            (begun(2, Running, 0), (2, Running, 0)),
            (begun(1, Finished, 20), (2, Running, 0)),
        ] {
            known.tell(told);
            let (second, state, done) = expected;
            assert_eq!(known.of(&id()), Some(&begun(second, state, done)));
        }
    }

    #[test]
    fn the_end_is_news_once_and_only_for_whoever_asked() {
        let mut known = Verifications::default();
        assert_eq!(known.tell(begun(1, Finished, 20)), None, "somebody else asked");
        assert!(known.ask(&id(), "web-01"));
        assert!(!known.ask(&id(), "web-01"), "it is asked for once");
        assert!(known.is_busy(&id()));
        known.tell(begun(2, Running, 0));
        assert_eq!(known.tell(begun(2, Finished, 20)), Some(Ended { guest: "web-01".to_owned() }));
        assert_eq!(known.tell(begun(2, Finished, 20)), None);
        assert!(!known.is_busy(&id()));
    }

    #[test]
    fn a_verification_that_did_not_begin_can_be_asked_for_again() {
        let mut known = Verifications::default();
        known.ask(&id(), "web-01");
        known.refuse(&id(), "others are being verified".to_owned());
        assert_eq!((known.is_busy(&id()), known.refusal(&id())), (false, Some("others are being verified")));
        assert!(known.ask(&id(), "web-01"));
        assert_eq!(known.refusal(&id()), None);
    }

    #[test]
    fn what_went_on_in_a_server_that_was_started_anew_does_not_go_on() {
        let mut known = Verifications::default();
        known.tell(begun(1, Running, 10));
        known.tell(begun(0, NotAsked, 0));
        assert_eq!(known.of(&id()), None);
        known.tell(begun(1, Running, 10));
        known.forget_running();
        assert_eq!(known.of(&id()), None);
        known.tell(begun(1, Finished, 20));
        known.forget_running();
        known.tell(begun(0, NotAsked, 0));
        assert_eq!(known.of(&id()), Some(&begun(1, Finished, 20)), "what was found still was");
    }
}
