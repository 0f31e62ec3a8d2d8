//! Operators who are signed in.
//!
//! ```text
//! open ──► (used again within 12 h, until 7 days have passed) ──► gone
//!   └──► signed out ──► gone
//! ```
//!
//! Kept in memory only, as hashes: a restart signs everybody out, and what is read from memory or a core file opens
//! nothing. Whoever holds an [`OpenSession`] learns that it ended.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use memdeck_clock::Clock;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

/// A session that nobody uses ends after this.
pub const IDLE_LIMIT: Duration = Duration::from_hours(12);
/// A session ends after this, however much it is used.
pub const AGE_LIMIT: Duration = Duration::from_hours(7 * 24);
/// Beyond this the one that was not used for the longest time ends.
const MOST: usize = 1000;

type Key = [u8; 32];

struct Session {
    opened_at: Duration,
    used_at: Duration,
    /// Dropped with the session, which is how its streams learn of its end.
    _alive: watch::Sender<()>,
    end: watch::Receiver<()>,
}

impl Session {
    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.used_at) >= IDLE_LIMIT || now.saturating_sub(self.opened_at) >= AGE_LIMIT
    }
}

/// The open sessions.
pub struct Sessions {
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<Key, Session>>,
}

impl Sessions {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, open: Mutex::default() }
    }

    /// Opens a session; what its cookie holds.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn open(&self) -> Result<String, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let id = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let now = self.clock.monotonic();
        let (alive, end) = watch::channel(());
        let mut open = self.open.lock();
        open.retain(|_, session| !session.is_over(now));
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, session)| session.used_at).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(key(&id), Session { opened_at: now, used_at: now, _alive: alive, end });
        Ok(id)
    }

    /// The session of a cookie, which is used hereby.
    pub(super) fn resume(self: &Arc<Self>, id: &str) -> Option<OpenSession> {
        let key = key(id);
        let end = self.touch(key)?;
        Some(OpenSession { sessions: Arc::clone(self), key, end })
    }

    fn touch(&self, key: Key) -> Option<watch::Receiver<()>> {
        let now = self.clock.monotonic();
        let mut open = self.open.lock();
        if open.get(&key)?.is_over(now) {
            open.remove(&key);
            return None;
        }
        let session = open.get_mut(&key)?;
        session.used_at = now;
        Some(session.end.clone())
    }
}

/// Found by its hash: how long that takes says nothing about ids that exist.
fn key(id: &str) -> Key {
    Sha256::digest(id).into()
}

/// A session that was open a moment ago.
#[derive(Clone)]
pub struct OpenSession {
    sessions: Arc<Sessions>,
    key: Key,
    end: watch::Receiver<()>,
}

impl OpenSession {
    /// Uses the session; false if it is over.
    pub fn is_open(&self) -> bool {
        self.sessions.touch(self.key).is_some()
    }

    /// Waits until it is signed out, or found to be over.
    pub async fn ended(&mut self) {
        // Nothing is ever sent: only the end of the sender ends this.
        while self.end.changed().await.is_ok() {}
    }

    /// Ends it.
    pub fn close(&self) {
        self.sessions.open.lock().remove(&self.key);
    }
}

impl fmt::Debug for OpenSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenSession")
    }
}

#[cfg(test)]
mod tests {
    use memdeck_clock::ManualClock;

    use super::*;

    fn sessions() -> (Arc<Sessions>, ManualClock) {
        let clock = ManualClock::starting_at("2025-11-14T08:58:23Z".parse().unwrap());
        (Arc::new(Sessions::new(Arc::new(clock.clone()))), clock)
    }

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_session_ends_when_nobody_uses_it_for_twelve_hours() {
        let (sessions, clock) = sessions();
        let id = sessions.open().unwrap();
        for _ in 0..3 {
            clock.advance(11 * HOUR);
            assert!(sessions.resume(&id).is_some());
        }
        clock.advance(12 * HOUR);
        assert!(sessions.resume(&id).is_none());
    }

    #[test]
    fn a_session_ends_after_seven_days_however_much_it_is_used() {
        let (sessions, clock) = sessions();
        let id = sessions.open().unwrap();
        for _ in 1..7 * 24 {
            clock.advance(HOUR);
            assert!(sessions.resume(&id).is_some());
        }
        clock.advance(HOUR);
        assert!(sessions.resume(&id).is_none());
    }

    #[test]
    fn only_what_was_given_out_opens_a_session_and_nothing_of_it_is_kept() {
        let (sessions, _) = sessions();
        let id = sessions.open().unwrap();
        assert_eq!(id.len(), 43, "256 bits");
        assert!(sessions.resume("").is_none());
        assert!(sessions.resume(&id[..42]).is_none());
        assert_ne!(sessions.open().unwrap(), id);
        assert!(sessions.open.lock().keys().all(|key| BASE64_URL_SAFE_NO_PAD.encode(key) != id));
    }

    #[tokio::test]
    async fn whoever_holds_a_session_learns_of_its_end() {
        let (sessions, _) = sessions();
        let id = sessions.open().unwrap();
        let mut held = sessions.resume(&id).unwrap();
        sessions.resume(&id).unwrap().close();
        held.ended().await;
        assert!(!held.is_open());
        assert!(sessions.resume(&id).is_none());
    }

    #[test]
    fn the_least_used_session_gives_way_to_one_too_many() {
        let (sessions, clock) = sessions();
        let first = sessions.open().unwrap();
        clock.advance(Duration::from_secs(1));
        let second = sessions.open().unwrap();
        clock.advance(Duration::from_secs(1));
        sessions.resume(&first).unwrap();
        for _ in 2..=MOST {
            sessions.open().unwrap();
        }
        assert!(sessions.resume(&second).is_none());
        assert!(sessions.resume(&first).is_some());
    }
}
