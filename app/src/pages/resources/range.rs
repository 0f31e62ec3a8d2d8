//! Which stretch of time charts show.

use memdeck_model::{Millis, Timestamp};

/// Ranges that end at the present and follow it: the word in the address, the words on the page, the length.
pub const SPANS: [(&str, &str, Millis); 6] = [
    ("5m", "5 min", Millis(5 * 60_000)),
    ("15m", "15 min", Millis(15 * 60_000)),
    ("1h", "1 h", Millis(3_600_000)),
    ("6h", "6 h", Millis(6 * 3_600_000)),
    ("24h", "24 h", Millis(24 * 3_600_000)),
    ("7d", "7 days", Millis(7 * 24 * 3_600_000)),
];
/// The one that is shown first.
const FIRST: usize = 1;

/// Values are not kept finer than a second, and a chart of fewer seconds says nothing.
const SHORTEST: Millis = Millis(10_000);
/// Beyond every range that is kept.
const LONGEST: Millis = Millis(400 * 24 * 3_600_000);

/// Lengths of a step, in milliseconds. The store keeps 1 s, 10 s and 1 min: those up to a minute are made of whole ones.
const STEPS: [u64; 15] = [
    1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000,
    7_200_000, 21_600_000, 86_400_000,
];
/// A chart has about as many pixels.
const MOST_STEPS: u64 = 600;

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Ends at the present: one of [`SPANS`].
    Live(usize),
    /// Between two instants, of which the second is not part of it.
    Fixed(Timestamp, Timestamp),
}

impl Default for Range {
    fn default() -> Self {
        Self::Live(FIRST)
    }
}

impl Range {
    /// Between two instants, at least [`SHORTEST`] long; `None` if the second is not after the first or they are too far
    /// apart.
    pub fn between(from: Timestamp, to: Timestamp) -> Option<Self> {
        if to <= from || to.since(from) > LONGEST {
            return None;
        }
        Some(Self::Fixed(from, to.max(from.plus(SHORTEST))))
    }

    /// Whether new values belong to it.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Live(_))
    }

    pub fn length(self) -> Millis {
        match self {
            Self::Live(span) => SPANS.get(span).map_or(SHORTEST, |(_, _, length)| *length),
            Self::Fixed(from, to) => to.since(from),
        }
    }

    /// Its start and end, at the instant `now`.
    pub fn at(self, now: Timestamp) -> (Timestamp, Timestamp) {
        match self {
            Self::Live(_) => (now.minus(self.length()), now),
            Self::Fixed(from, to) => (from, to),
        }
    }

    /// The length of a step in it: fine enough for a chart, and no finer.
    pub fn step(self) -> Millis {
        let fits = |step: &&u64| self.length().0.div_ceil(**step) <= MOST_STEPS;
        Millis(STEPS.iter().find(fits).or(STEPS.last()).copied().unwrap_or(1_000))
    }

    /// As long, half of its length earlier.
    pub fn earlier(self, now: Timestamp) -> Self {
        let (from, to) = self.at(now);
        let half = Millis(self.length().0 / 2);
        Self::Fixed(from.minus(half), to.minus(half))
    }

    /// As long, half of its length later, but not beyond the present.
    pub fn later(self, now: Timestamp) -> Self {
        let (from, to) = self.at(now);
        let step = Millis(self.length().0 / 2).min(now.since(to));
        Self::Fixed(from.plus(step), to.plus(step))
    }

    /// Twice as long around the same middle, but not beyond the present.
    pub fn wider(self, now: Timestamp) -> Self {
        let (from, to) = self.at(now);
        let half = Millis(self.length().0 / 2);
        let end = to.plus(half).min(now.max(to));
        let length = Millis(self.length().0.saturating_mul(2)).min(LONGEST);
        Self::Fixed(end.minus(length).min(from), end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    fn fixed(from: i64, to: i64) -> Range {
        Range::Fixed(at(from), at(to))
    }

    #[test]
    fn every_range_has_steps_for_a_chart_and_not_many_more() {
        let steps: Vec<u64> = (0..SPANS.len()).map(|span| Range::Live(span).step().0 / 1000).collect();
        assert_eq!(steps, [1, 2, 10, 60, 300, 1800]);
        for range in [fixed(0, 10), fixed(0, 601), fixed(0, 86_400 * 400)] {
            let count = range.length().0.div_ceil(range.step().0);
            assert!((2..=600).contains(&count), "{range:?}: {count}");
        }
    }

    #[test]
    fn a_range_without_a_length_is_none_and_a_very_short_one_is_made_longer() {
        assert_eq!(Range::between(at(5), at(5)), None);
        assert_eq!(Range::between(at(5), at(4)), None);
        assert_eq!(Range::between(at(0), at(86_400 * 401)), None);
        assert_eq!(Range::between(at(5), at(6)), Some(fixed(5, 15)));
        assert_eq!(Range::between(at(5), at(65)), Some(fixed(5, 65)));
    }

    #[test]
    fn a_live_range_ends_at_the_present() {
        assert_eq!(Range::Live(0).at(at(1000)), (at(700), at(1000)));
        assert_eq!(fixed(3, 13).at(at(1000)), (at(3), at(13)));
    }

    #[test]
    fn moving_on_never_goes_beyond_the_present() {
        let now = at(1000);
        assert_eq!(Range::Live(0).earlier(now), fixed(550, 850));
        assert_eq!(fixed(550, 850).later(now), fixed(700, 1000));
        assert_eq!(fixed(700, 1000).later(now), fixed(700, 1000));
        assert_eq!(fixed(600, 700).later(now), fixed(650, 750));
        assert_eq!(fixed(600, 700).wider(now), fixed(550, 750));
        assert_eq!(fixed(700, 1000).wider(now), fixed(400, 1000));
    }
}
