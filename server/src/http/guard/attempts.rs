//! How many wrong tokens are answered: from one address, and from all together. Beyond that not even the right one is
//! looked at, or the limit would slow nobody who guesses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use memdeck_capture::Clock;
use parking_lot::Mutex;

/// From one address: ten at once, then one in 30 s.
const PER_ADDRESS: Limit = Limit { at_once: 10, every: Duration::from_secs(30) };
/// From all addresses: a hundred at once, then one a second.
const OVERALL: Limit = Limit { at_once: 100, every: Duration::from_secs(1) };

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The token is right.
    Right,
    /// It is not. `last` says that further attempts are refused for now.
    Wrong {
        /// Whether it was the last one that is answered for now.
        last: bool,
    },
    /// It was not looked at.
    Blocked {
        /// Seconds until the next one is.
        retry_after_s: u64,
    },
}

impl Verdict {
    /// Failures are logged, and only as many as are answered: guessing fills no disk.
    pub(super) fn log(self, what: &str, address: IpAddr) {
        if let Self::Wrong { last } = self {
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
    overall: Debt,
    /// Bounded by `OVERALL`: what is paid off is forgotten with the next failure.
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

    /// Looks at the token of a caller at `address`, unless too many of its tokens were wrong.
    pub fn attempt(&self, address: IpAddr, is_right: impl FnOnce() -> bool) -> Verdict {
        let address = network(address);
        let now = self.clock.monotonic();
        let mut debts = self.debts.lock();
        let own = debts.by_address.get(&address).copied().unwrap_or_default();
        let waits = [own.wait(PER_ADDRESS, now), debts.overall.wait(OVERALL, now)];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Verdict::Blocked {
                retry_after_s: wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX),
            };
        }
        if is_right() {
            return Verdict::Right;
        }
        debts.by_address.retain(|_, debt| debt.paid_off_at > now);
        debts.overall.add(OVERALL, now);
        let debt = debts.by_address.entry(address).or_default();
        debt.add(PER_ADDRESS, now);
        let last = debt.wait(PER_ADDRESS, now).is_some();
        Verdict::Wrong { last: last || debts.overall.wait(OVERALL, now).is_some() }
    }
}

/// Who has one IPv6 address has a whole /64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use memdeck_capture::ManualClock;

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

    #[test]
    fn ten_wrong_tokens_are_answered_and_then_one_every_half_minute() {
        let (attempts, clock) = attempts();
        for n in 1..=10 {
            assert_eq!(attempts.attempt(v4(1), WRONG), Verdict::Wrong { last: n == 10 }, "{n}");
        }
        assert_eq!(attempts.attempt(v4(1), RIGHT), Verdict::Blocked { retry_after_s: 30 });
        clock.advance(Duration::from_millis(29_500));
        assert_eq!(attempts.attempt(v4(1), RIGHT), Verdict::Blocked { retry_after_s: 1 });
        clock.advance(Duration::from_millis(500));
        assert_eq!(attempts.attempt(v4(1), WRONG), Verdict::Wrong { last: true });
        assert_eq!(attempts.attempt(v4(1), RIGHT), Verdict::Blocked { retry_after_s: 30 });
        clock.advance(Duration::from_mins(5));
        assert_eq!(attempts.attempt(v4(1), RIGHT), Verdict::Right);
    }

    #[test]
    fn one_address_does_not_block_another_but_many_together_do() {
        let (attempts, clock) = attempts();
        for n in 0..100 {
            assert!(matches!(attempts.attempt(v4(n / 10), WRONG), Verdict::Wrong { .. }), "{n}");
        }
        assert_eq!(attempts.attempt(v4(200), RIGHT), Verdict::Blocked { retry_after_s: 1 });
        clock.advance(Duration::from_secs(1));
        assert_eq!(attempts.attempt(v4(200), RIGHT), Verdict::Right);
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
        assert!(matches!(attempts.attempt(same, RIGHT), Verdict::Blocked { .. }));
        assert_eq!(attempts.attempt(other, RIGHT), Verdict::Right);
    }

    #[test]
    fn what_is_paid_off_is_forgotten() {
        let (attempts, clock) = attempts();
        attempts.attempt(v4(1), WRONG);
        clock.advance(Duration::from_secs(31));
        attempts.attempt(v4(2), WRONG);
        assert_eq!(attempts.debts.lock().by_address.len(), 1);
    }
}
