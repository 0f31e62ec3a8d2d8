//! How many wrong tokens and passwords of one address are answered, and of one account. The right token is always let in,
//! whoever else guesses from its address: a token cannot be found by guessing, so that slowing down is only about noise and
//! work. A password can be, so that even the right one waits while too many wrong ones came.

use std::collections::HashMap;
use std::hash::Hash;
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
/// Wrong passwords of one account, from all addresses: twenty at once, then one in 30 s.
const PER_ACCOUNT: Limit = Limit { at_once: 20, every: Duration::from_secs(30) };
/// Addresses or accounts that are remembered; beyond this the one that is forgiven next is forgotten.
const MOST_REMEMBERED: usize = 10_000;

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
    /// Whether it is a failure that the log has room for.
    pub(super) fn is_logged(self) -> bool {
        matches!(self, Self::Wrong { logged: true, .. })
    }

    /// Logs a failure, if it is one that is to be logged.
    pub(super) fn log(self, what: &str, address: IpAddr) {
        if let Self::Wrong { last, logged: true } = self {
            tracing::warn!(%address, what, "a wrong token or password was sent");
            if last {
                tracing::warn!(%address, what, "too many wrong tokens or passwords: further ones are refused for a while");
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
    /// Whether somebody was told that further failures are refused, since the debt began.
    told: bool,
}

impl Debt {
    /// How long until another failure fits, where it does not fit now.
    fn wait(self, limit: Limit, now: Duration) -> Option<Duration> {
        let room = limit.every * (limit.at_once - 1);
        let wait = self.paid_off_at.saturating_sub(now).checked_sub(room)?;
        (!wait.is_zero()).then_some(wait)
    }

    fn add(&mut self, limit: Limit, now: Duration) {
        self.told &= self.paid_off_at > now;
        self.paid_off_at = self.paid_off_at.max(now) + limit.every;
    }
}

/// The debts of each address or account. What is paid off is forgotten when there are many.
struct Debts<K> {
    limit: Limit,
    of: HashMap<K, Debt>,
}

impl<K: Copy + Eq + Hash> Debts<K> {
    fn new(limit: Limit) -> Self {
        Self { limit, of: HashMap::new() }
    }

    /// How long until another failure fits, where it does not fit now.
    fn wait(&self, key: K, now: Duration) -> Option<Duration> {
        self.of.get(&key).copied().unwrap_or_default().wait(self.limit, now)
    }

    /// One more failure; whether it was the last one that fits.
    fn add(&mut self, key: K, now: Duration) -> bool {
        self.make_room(now);
        let debt = self.of.entry(key).or_default();
        debt.add(self.limit, now);
        debt.wait(self.limit, now).is_some()
    }

    /// Whether further failures are refused for now, and nobody was told so since the debt began.
    fn is_to_be_told(&mut self, key: K, now: Duration) -> bool {
        let limit = self.limit;
        let Some(debt) = self.of.get_mut(&key) else { return false };
        let is_news = !debt.told && debt.wait(limit, now).is_some();
        debt.told |= is_news;
        is_news
    }

    /// For one more.
    fn make_room(&mut self, now: Duration) {
        if self.of.len() < MOST_REMEMBERED {
            return;
        }
        self.of.retain(|_, debt| debt.paid_off_at > now);
        if self.of.len() >= MOST_REMEMBERED
            && let Some(next) = self.of.iter().min_by_key(|(_, debt)| debt.paid_off_at)
        {
            let next = *next.0;
            self.of.remove(&next);
        }
    }
}

struct Failures {
    logged: Debt,
    by_address: Debts<IpAddr>,
    /// By a digest of the name, whether there is such an account or not.
    by_account: Debts<AccountKey>,
}

/// A digest of the name of an account.
pub type AccountKey = [u8; 32];

impl Failures {
    /// Whether the log has room for one more.
    fn log(&mut self, now: Duration) -> bool {
        let logged = self.logged.wait(LOGGED, now).is_none();
        if logged {
            self.logged.add(LOGGED, now);
        }
        logged
    }
}

/// The failures of the last minutes.
pub struct Attempts {
    clock: Arc<dyn Clock>,
    failures: Mutex<Failures>,
}

impl Attempts {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let failures = Failures {
            logged: Debt::default(),
            by_address: Debts::new(PER_ADDRESS),
            by_account: Debts::new(PER_ACCOUNT),
        };
        Self { clock, failures: Mutex::new(failures) }
    }

    /// Looks at the token of a caller at `address`.
    pub fn attempt(&self, address: IpAddr, is_right: impl FnOnce() -> bool) -> Verdict {
        if is_right() {
            return Verdict::Right;
        }
        let address = network(address);
        let now = self.clock.monotonic();
        let mut failures = self.failures.lock();
        if let Some(wait) = failures.by_address.wait(address, now) {
            return blocked(wait);
        }
        let last = failures.by_address.add(address, now);
        Verdict::Wrong { last, logged: failures.log(now) }
    }

    /// Counts one attempt to sign in with a password before it is looked at, so that many at once are not more than many one
    /// after the other. A refusal if there were too many.
    pub fn begin_password(&self, address: IpAddr, account: AccountKey) -> Result<(), Verdict> {
        let address = network(address);
        let now = self.clock.monotonic();
        let mut failures = self.failures.lock();
        let waits = [failures.by_address.wait(address, now), failures.by_account.wait(account, now)];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(blocked(wait));
        }
        failures.by_address.add(address, now);
        failures.by_account.add(account, now);
        Ok(())
    }

    /// What became of an attempt that was counted. A right one is no failure, and makes up for those before it.
    pub fn end_password(&self, address: IpAddr, account: AccountKey, is_right: bool) -> Verdict {
        let address = network(address);
        let now = self.clock.monotonic();
        let mut failures = self.failures.lock();
        if is_right {
            failures.by_address.of.remove(&address);
            failures.by_account.of.remove(&account);
            return Verdict::Right;
        }
        let last = failures.by_address.wait(address, now).is_some();
        Verdict::Wrong { last, logged: failures.log(now) }
    }

    /// Whether a failure was the one since which attempts of its address, or at its account, are refused: said once, until all
    /// of them are forgiven.
    pub fn lock_out(&self, address: IpAddr, account: Option<AccountKey>) -> Option<LockOut> {
        let address = network(address);
        let now = self.clock.monotonic();
        let mut failures = self.failures.lock();
        let of_account = account.is_some_and(|account| failures.by_account.is_to_be_told(account, now));
        let of_address = failures.by_address.is_to_be_told(address, now);
        let limit = if of_account { PER_ACCOUNT } else { PER_ADDRESS };
        (of_account || of_address).then_some(LockOut { of_account, attempts: limit.at_once })
    }
}

/// Further attempts are refused, since so many failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockOut {
    /// Whether it is the account that is locked, and not the address.
    pub of_account: bool,
    /// How many failed.
    pub attempts: u32,
}

fn blocked(wait: Duration) -> Verdict {
    Verdict::Blocked { retry_after_s: wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX) }
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
    fn passwords_of_one_account_are_guessed_from_everywhere_only_so_often() {
        let (attempts, clock) = attempts();
        let guess = |n: u8, account: u8| {
            let account = [account; 32];
            attempts.begin_password(v4(n), account).map(|()| attempts.end_password(v4(n), account, false))
        };
        for n in 0..20 {
            assert!(matches!(guess(n, 1), Ok(Verdict::Wrong { .. })), "{n}");
        }
        assert_eq!(guess(99, 1), Err(Verdict::Blocked { retry_after_s: 30 }), "from another address");
        assert!(guess(99, 2).is_ok(), "another account");
        clock.advance(Duration::from_secs(30));
        assert!(guess(99, 1).is_ok());
        assert!(guess(98, 1).is_err());
    }

    #[test]
    fn a_lock_out_is_told_once_until_it_is_forgiven() {
        let (attempts, clock) = attempts();
        let told = |n: u8| {
            attempts.attempt(v4(n), WRONG);
            attempts.lock_out(v4(n), None)
        };
        let of_address = Some(LockOut { of_account: false, attempts: 10 });
        for n in 1..=10 {
            assert_eq!(told(1), of_address.filter(|_| n == 10), "{n}");
        }
        for _ in 0..20 {
            assert_eq!(told(1), None, "those that are refused are no news");
            clock.advance(Duration::from_secs(30));
            assert_eq!(told(1), None, "nor is one that is answered meanwhile");
        }
        clock.advance(Duration::from_hours(1));
        assert_eq!((1..=10).filter(|_| told(1).is_some()).count(), 1, "another time");
        for n in 100..120 {
            let account = [7; 32];
            attempts.begin_password(v4(n), account).unwrap();
            attempts.end_password(v4(n), account, false);
            let of_account = (n == 119).then_some(LockOut { of_account: true, attempts: 20 });
            assert_eq!(attempts.lock_out(v4(n), Some(account)), of_account, "{n}");
        }
    }

    #[test]
    fn even_the_right_password_waits_and_then_makes_up_for_the_wrong_ones() {
        let (attempts, clock) = attempts();
        let account = [1; 32];
        for _ in 0..10 {
            attempts.begin_password(v4(1), account).unwrap();
            attempts.end_password(v4(1), account, false);
        }
        assert!(attempts.begin_password(v4(1), account).is_err());
        clock.advance(Duration::from_secs(30));
        attempts.begin_password(v4(1), account).unwrap();
        assert_eq!(attempts.end_password(v4(1), account, true), Verdict::Right);
        for _ in 0..10 {
            attempts.begin_password(v4(1), account).unwrap();
        }
        assert!(attempts.begin_password(v4(1), account).is_err(), "many at once count, too");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (attempts, clock) = attempts();
        let guess = |n: u32| attempts.attempt(IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + n)), WRONG);
        for n in 0..20_000 {
            guess(n);
        }
        assert_eq!(attempts.failures.lock().by_address.of.len(), MOST_REMEMBERED);
        clock.advance(Duration::from_secs(31));
        guess(0);
        assert_eq!(attempts.failures.lock().by_address.of.len(), 1);
    }
}
