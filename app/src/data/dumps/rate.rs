//! How fast a dump is being read.

use std::collections::VecDeque;

use memdeck_model::{ByteCount, Timestamp};

/// Long enough to be calm, short enough to follow.
const WINDOW_MS: u64 = 4_000;

/// Less than this between two samples says nothing about a rate.
const SHORTEST_MS: u64 = 200;

/// The byte counts of the last seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rate {
    samples: VecDeque<(Timestamp, ByteCount)>,
}

impl Rate {
    /// Takes note of `bytes` in all at `now`.
    pub fn note(&mut self, now: Timestamp, bytes: ByteCount) {
        // A count that fell belongs to a new attempt.
        if self.samples.back().is_some_and(|&(_, last)| bytes < last) {
            self.samples.clear();
        }
        self.samples.push_back((now, bytes));
        // One sample older than the window stays, so that the window is always covered.
        while self.samples.get(1).is_some_and(|&(at, _)| now.since(at).0 >= WINDOW_MS) {
            self.samples.pop_front();
        }
    }

    /// Bytes per second over the window; `None` until two samples are far enough apart.
    pub fn bytes_per_second(&self) -> Option<ByteCount> {
        let &(first_at, first) = self.samples.front()?;
        let &(last_at, last) = self.samples.back()?;
        let elapsed = last_at.since(first_at).0;
        if elapsed < SHORTEST_MS {
            return None;
        }
        let bytes = u128::from(last.0.saturating_sub(first.0));
        Some(ByteCount(u64::try_from(bytes * 1000 / u128::from(elapsed)).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate_of(samples: &[(i64, u64)]) -> Option<u64> {
        let mut rate = Rate::default();
        for &(ms, bytes) in samples {
            rate.note(Timestamp::from_unix_micros(ms * 1000).unwrap(), ByteCount(bytes));
        }
        rate.bytes_per_second().map(|bytes| bytes.0)
    }

    #[test]
    fn a_rate_needs_two_samples_apart() {
        assert_eq!(rate_of(&[]), None);
        assert_eq!(rate_of(&[(0, 100)]), None);
        assert_eq!(rate_of(&[(0, 100), (199, 900)]), None);
        assert_eq!(rate_of(&[(0, 100), (500, 600)]), Some(1_000));
    }

    #[test]
    fn only_the_last_seconds_count() {
        let fast_then_slow = [(0, 0), (1_000, 1_000_000), (2_000, 1_000_100), (6_000, 1_000_500)];
        assert_eq!(rate_of(&fast_then_slow), Some(100));
    }

    #[test]
    fn a_stalled_dump_has_the_rate_zero() {
        assert_eq!(rate_of(&[(0, 5), (5_000, 5), (10_000, 5)]), Some(0));
    }

    #[test]
    fn a_count_that_falls_starts_anew() {
        assert_eq!(rate_of(&[(0, 1_000), (1_000, 10), (2_000, 30)]), Some(20));
    }

    #[test]
    fn the_largest_counts_do_not_overflow() {
        assert_eq!(rate_of(&[(0, 0), (200, u64::MAX)]), Some(u64::MAX));
    }
}
