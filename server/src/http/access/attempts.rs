//! How many wrong tokens of one address are answered. The right one is always let in, whoever else guesses from its
//! address: a token cannot be found by guessing, so that slowing down is only about noise and work.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use memdeck_clock::Clock;
use parking_lot::Mutex;

use crate::http::network;

/// From one address: ten at once, then one in 30 s.
const PER_ADDRESS: Limit = Limit { at_once: 10, every: Duration::from_secs(30) };
/// Failures that are logged, of all addresses: a hundred at once, then one a second. Guessing fills no disk.
const LOGGED: Limit = Limit { at_once: 100, every: Duration::from_secs(1) };
/// Addresses that are remembered; beyond this the one that is forgiven next is forgotten.
const MOST_ADDRESSES: usize = 10_000;

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The token is right.
    Right,
    /// It is not. `last` says that further wrong ones of this address are refused for now.
    Wrong {
        /// Whether it was the last one that is answered for now.
        last: bool,
        /// Whether the log has room for it.
        logged: bool,
    },
    /// It is not, and too many of this address were not.
    Blocked {
        /// Seconds until the next wrong one is answered.
        retry_after_s: u64,
    },
}

impl Verdict {
    /// Logs a failure, if it is one that is to be logged.
    pub(super) fn log(self, what: &str, address: IpAddr) {
        if let Self::Wrong { last, logged: true } = self {
            tracing::warn!(%address, what, "a wrong token was sent");
            if last {
                tracing::warn!(%address, what, "too many wrong tokens: further ones are refused for a while");
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Limit {
    at_once: u32,
    every: Duration,
}

/// Counts failures as a debt that is paid off by time.
#[derive(Clone, Copy, Default)]
struct Debt {
    paid_off_at: Duration,
}

impl Debt {
    /// How long until another failure fits, where it does not fit now.
    fn wait(self, limit: Limit, now: Duration) -> Option<Duration> {
        let room = limit.every * (limit.at_once - 1);
        let wait = self.paid_off_at.saturating_sub(now).checked_sub(room)?;
        (!wait.is_zero()).then_some(wait)
    }

    fn add(&mut self, limit: Limit, now: Duration) {
        self.paid_off_at = self.paid_off_at.max(now) + limit.every;
    }
}

#[derive(Default)]
struct Debts {
    logged: Debt,
    /// What is paid off is forgotten when there are many.
    by_address: HashMap<IpAddr, Debt>,
}

/// The failures of the last minutes.
pub struct Attempts {
    clock: Arc<dyn Clock>,
    debts: Mutex<Debts>,
}

impl Attempts {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, debts: Mutex::default() }
    }

    /// Looks at the token of a caller at `address`.
    pub fn attempt(&self, address: IpAddr, is_right: impl FnOnce() -> bool) -> Verdict {
        if is_right() {
            return Verdict::Right;
        }
        let address = network(address);
        let now = self.clock.monotonic();
        let mut debts = self.debts.lock();
        let own = debts.by_address.get(&address).copied().unwrap_or_default();
        if let Some(wait) = own.wait(PER_ADDRESS, now) {
            return Verdict::Blocked {
                retry_after_s: wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX),
            };
        }
        debts.make_room(now);
        let debt = debts.by_address.entry(address).or_default();
        debt.add(PER_ADDRESS, now);
        let last = debt.wait(PER_ADDRESS, now).is_some();
        let logged = debts.logged.wait(LOGGED, now).is_none();
        if logged {
            debts.logged.add(LOGGED, now);
        }
        Verdict::Wrong { last, logged }
    }
}

impl Debts {
    /// For one more address.
    fn make_room(&mut self, now: Duration) {
        if self.by_address.len() < MOST_ADDRESSES {
            return;
        }
        self.by_address.retain(|_, debt| debt.paid_off_at > now);
        if self.by_address.len() >= MOST_ADDRESSES
            && let Some(next) = self.by_address.iter().min_by_key(|(_, debt)| debt.paid_off_at)
        {
            let next = *next.0;
            self.by_address.remove(&next);
        }
    }
}

#[cfg(test)]
mod tests {
    use memdeck_clock::ManualClock;

    use super::*;

    fn attempts() -> (Attempts, ManualClock) {
        let clock = ManualClock::starting_at("2025-11-14T08:58:23Z".parse().unwrap());
        (Attempts::new(Arc::new(clock.clone())), clock)
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    const RIGHT: fn() -> bool = || true;
    const WRONG: fn() -> bool = || false;

    fn wrong(last: bool) -> Verdict {
        Verdict::Wrong { last, logged: true }
    }

    #[test]
    fn ten_wrong_tokens_are_answered_and_then_one_every_half_minute() {
        let (attempts, clock) = attempts();
        for n in 1..=10 {
            assert_eq!(attempts.attempt(v4(1), WRONG), wrong(n == 10), "{n}");
        }
        assert_eq!(attempts.attempt(v4(1), WRONG), Verdict::Blocked { retry_after_s: 30 });
        clock.advance(Duration::from_millis(29_500));
        assert_eq!(attempts.attempt(v4(1), WRONG), Verdict::Blocked { retry_after_s: 1 });
        clock.advance(Duration::from_millis(500));
        assert_eq!(attempts.attempt(v4(1), WRONG), wrong(true));
        assert_eq!(attempts.attempt(v4(1), WRONG), Verdict::Blocked { retry_after_s: 30 });
        clock.advance(Duration::from_mins(5));
        assert_eq!(attempts.attempt(v4(1), WRONG), wrong(false));
    }

    #[test]
    fn wrong_tokens_keep_no_right_one_out_neither_at_their_address_nor_elsewhere() {
        let (attempts, _) = attempts();
        for n in 0..1000_u16 {
            let _ = attempts.attempt(v4(u8::try_from(n % 40).unwrap()), WRONG);
            assert_eq!(attempts.attempt(v4(1), RIGHT), Verdict::Right);
            assert_eq!(attempts.attempt(v4(200), RIGHT), Verdict::Right);
        }
        assert!(matches!(attempts.attempt(v4(200), WRONG), Verdict::Wrong { last: false, .. }));
    }

    #[test]
    fn guessing_from_many_addresses_fills_no_log() {
        let (attempts, clock) = attempts();
        let mut logged = 0;
        let guess = |n: u32| {
            let address = IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + n));
            matches!(attempts.attempt(address, WRONG), Verdict::Wrong { logged: true, .. })
        };
        for n in 0..1000 {
            logged += u32::from(guess(n));
        }
        assert_eq!(logged, 100);
        clock.advance(Duration::from_secs(1));
        assert!(guess(2000));
        assert!(!guess(2001));
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one() {
        let (attempts, _) = attempts();
        for n in 0..10_u16 {
            let address = IpAddr::from([0x2001, 0xdb8, 0, 7, n, n, n, n]);
            attempts.attempt(address, WRONG);
        }
        let same = IpAddr::from([0x2001, 0xdb8, 0, 7, 9, 9, 9, 9]);
        let other = IpAddr::from([0x2001, 0xdb8, 0, 8, 9, 9, 9, 9]);
        assert!(matches!(attempts.attempt(same, WRONG), Verdict::Blocked { .. }));
        assert!(matches!(attempts.attempt(other, WRONG), Verdict::Wrong { last: false, .. }));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (attempts, clock) = attempts();
        let guess = |n: u32| attempts.attempt(IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + n)), WRONG);
        for n in 0..20_000 {
            guess(n);
        }
        assert_eq!(attempts.debts.lock().by_address.len(), MOST_ADDRESSES);
        clock.advance(Duration::from_secs(31));
        guess(0);
        assert_eq!(attempts.debts.lock().by_address.len(), 1);
    }
}
