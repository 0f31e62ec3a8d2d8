//! How long to wait before something is tried again.

use std::time::Duration;

/// Waits that double up to a longest one, each shortened by chance by up to a quarter, so that those who failed together
/// do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// From `first`, doubling, to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first.min(longest) }
    }

    /// How long to wait now.
    pub fn wait(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        // Without random numbers everyone waits the full time, which is a wait all the same.
        let chance = getrandom::u32().unwrap_or(0);
        wait.saturating_sub(wait.mul_f64(f64::from(chance) / f64::from(u32::MAX) / 4.0))
    }

    /// It worked: the next wait is the first again.
    pub fn reset(&mut self) {
        self.next = self.first.min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for full in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            let wait = backoff.wait().as_secs_f64();
            assert!(wait <= full && wait >= full * 0.749, "{wait} of {full}");
        }
        backoff.reset();
        assert!(backoff.wait() <= Duration::from_secs(1));
    }
}
