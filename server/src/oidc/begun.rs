//! Sign-ins that were begun and not ended.
//!
//! ```text
//! begun ──► the browser returns within ten minutes ──► gone
//!   └─────► ten minutes over, or too many after it ──► gone
//! ```
//!
//! In memory only, found by the hash of the state. The cookie that a browser got at the beginning must come back with it: nobody
//! ends what another browser began. An address cannot push out what others begin.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use memdeck_clock::Clock;
use openidconnect::{Nonce, PkceCodeVerifier};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// How long somebody may take at the provider.
pub const LIFETIME: Duration = Duration::from_mins(10);
/// Of one address. Beyond this its oldest gives way.
const MOST_OF_ONE: usize = 50;
/// Of all together. Beyond this the oldest gives way.
const MOST: usize = 5000;

type Digest = [u8; 32];

/// What is needed to end a sign-in.
pub struct Begun {
    /// Must stand in the token of identity.
    pub nonce: Nonce,
    /// Proves to the provider that it was we who began.
    pub verifier: PkceCodeVerifier,
    /// Where the provider sends the browser back to.
    pub redirect_uri: String,
    /// The page that somebody wanted.
    pub next: String,
}

struct Kept {
    begun: Begun,
    cookie: Digest,
    address: IpAddr,
    at: Duration,
}

/// Those that can be ended now.
pub struct BegunSignIns {
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<Digest, Kept>>,
}

impl BegunSignIns {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, open: Mutex::default() }
    }

    /// Remembers one that a browser at `address` begins with this state and cookie.
    pub fn keep(&self, state: &str, cookie: &str, address: IpAddr, begun: Begun) {
        let now = self.clock.monotonic();
        let mut open = self.open.lock();
        open.retain(|_, kept| now.saturating_sub(kept.at) < LIFETIME);
        let oldest = |of: &dyn Fn(&Kept) -> bool, most: usize| {
            let (mut count, mut oldest) = (0, None::<(Duration, Digest)>);
            for (key, kept) in open.iter().filter(|(_, kept)| of(kept)) {
                count += 1;
                oldest = Some(oldest.map_or((kept.at, *key), |oldest| oldest.min((kept.at, *key))));
            }
            oldest.filter(|_| count >= most).map(|(_, key)| key)
        };
        let leaving =
            oldest(&|kept| kept.address == address, MOST_OF_ONE).or_else(|| oldest(&|_| true, MOST));
        if let Some(key) = leaving {
            open.remove(&key);
        }
        let kept = Kept { begun, cookie: digest(cookie), address, at: now };
        open.insert(digest(state), kept);
    }

    /// The one of this state, if it was begun with this cookie; it can be ended once.
    pub fn take(&self, state: &str, cookie: &str) -> Option<Begun> {
        let mut open = self.open.lock();
        let key = digest(state);
        let kept = open.get(&key)?;
        let is_over = self.clock.monotonic().saturating_sub(kept.at) >= LIFETIME;
        let is_its: bool = kept.cookie.ct_eq(&digest(cookie)).into();
        // Another browser does not end it, and does not keep the right one from it either.
        if is_over || !is_its {
            return None;
        }
        open.remove(&key).map(|kept| kept.begun)
    }
}

fn digest(text: &str) -> Digest {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use memdeck_clock::ManualClock;

    use super::*;

    fn sign_ins() -> (BegunSignIns, ManualClock) {
        let clock = ManualClock::starting_at("2025-11-14T08:58:23Z".parse().unwrap());
        (BegunSignIns::new(Arc::new(clock.clone())), clock)
    }

    fn begin(sign_ins: &BegunSignIns, state: &str, last: u16) {
        let [high, low] = last.to_be_bytes();
        let begun = Begun {
            nonce: Nonce::new("n".to_owned()),
            verifier: PkceCodeVerifier::new("v".repeat(43)),
            redirect_uri: String::new(),
            next: format!("/{state}"),
        };
        sign_ins.keep(state, &format!("cookie of {state}"), IpAddr::from([198, 51, high, low]), begun);
    }

    fn ends(sign_ins: &BegunSignIns, state: &str) -> bool {
        sign_ins
            .take(state, &format!("cookie of {state}"))
            .is_some_and(|begun| begun.next == format!("/{state}"))
    }

    #[test]
    fn one_is_ended_once_within_ten_minutes_by_the_browser_that_began_it() {
        let (sign_ins, clock) = sign_ins();
        begin(&sign_ins, "one", 1);
        begin(&sign_ins, "two", 1);
        clock.advance(LIFETIME.saturating_sub(Duration::from_millis(1)));
        assert!(sign_ins.take("one", "cookie of two").is_none(), "another browser");
        assert!(sign_ins.take("", "").is_none());
        assert!(ends(&sign_ins, "one"));
        assert!(!ends(&sign_ins, "one"), "twice");
        clock.advance(Duration::from_millis(1));
        assert!(!ends(&sign_ins, "two"), "too late");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_one_address_pushes_out_only_its_own() {
        let (sign_ins, clock) = sign_ins();
        begin(&sign_ins, "mine", 1);
        for n in 0..1000 {
            clock.advance(Duration::from_millis(1));
            begin(&sign_ins, &format!("flood {n}"), 2);
        }
        assert_eq!(sign_ins.open.lock().len(), MOST_OF_ONE + 1);
        assert!(!ends(&sign_ins, "flood 0") && ends(&sign_ins, "flood 999"));
        for n in 0..6000 {
            clock.advance(Duration::from_millis(1));
            begin(&sign_ins, &format!("spread {n}"), 10 + n);
        }
        assert_eq!(sign_ins.open.lock().len(), MOST);
        clock.advance(LIFETIME);
        begin(&sign_ins, "last", 1);
        assert_eq!(sign_ins.open.lock().len(), 1);
    }
}
