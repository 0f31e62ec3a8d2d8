//! Links by which a browser signs in once, without anybody typing the token.
//!
//! ```text
//! made ──► used within five minutes ──► gone
//!   └────► five minutes over ──► gone
//! ```
//!
//! The code stands in the fragment of a URL, which no browser sends: the sign-in page takes it from there and posts
//! it. Kept in memory only, as hashes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use memdeck_clock::Clock;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// How long a link can be used.
pub const LIFETIME: Duration = Duration::from_mins(5);
/// Beyond this the oldest gives way.
const MOST: usize = 100;

/// The links that can be used now.
pub struct SignInLinks {
    clock: Arc<dyn Clock>,
    /// When each was made, by the hash of its code.
    open: Mutex<HashMap<[u8; 32], Duration>>,
}

impl SignInLinks {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, open: Mutex::default() }
    }

    /// A new code.
    ///
    /// # Errors
    /// The system returned no random numbers.
    pub fn make(&self) -> Result<String, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let code = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let now = self.clock.monotonic();
        let mut open = self.open.lock();
        open.retain(|_, made_at| now.saturating_sub(*made_at) < LIFETIME);
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, made_at)| **made_at).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(Sha256::digest(&code).into(), now);
        Ok(code)
    }

    /// Whether this code may sign in; it is used up hereby.
    pub(super) fn take(&self, code: &str) -> bool {
        let key: [u8; 32] = Sha256::digest(code).into();
        let made_at = self.open.lock().remove(&key);
        made_at.is_some_and(|made_at| self.clock.monotonic().saturating_sub(made_at) < LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use memdeck_clock::ManualClock;

    use super::*;

    fn links() -> (SignInLinks, ManualClock) {
        let clock = ManualClock::starting_at("2025-11-14T08:58:23Z".parse().unwrap());
        (SignInLinks::new(Arc::new(clock.clone())), clock)
    }

    #[test]
    fn a_link_can_be_used_once_within_five_minutes() {
        let (links, clock) = links();
        let (one, other) = (links.make().unwrap(), links.make().unwrap());
        assert_eq!(one.len(), 43, "256 bits");
        clock.advance(LIFETIME.saturating_sub(Duration::from_millis(1)));
        assert!(!links.take("") && !links.take(&one[..42]));
        assert!(links.take(&one));
        assert!(!links.take(&one), "twice");
        clock.advance(Duration::from_millis(1));
        assert!(!links.take(&other), "too late");
    }

    #[test]
    fn the_oldest_link_gives_way_to_one_too_many() {
        let (links, clock) = links();
        let first = links.make().unwrap();
        clock.advance(Duration::from_secs(1));
        let second = links.make().unwrap();
        for _ in 2..=MOST {
            links.make().unwrap();
        }
        assert!(!links.take(&first));
        assert!(links.take(&second));
    }
}
