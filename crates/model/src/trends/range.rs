//! A range of time, divided into steps of whole days.

use serde::{Deserialize, Serialize};

use crate::{Millis, Timestamp};

/// A step is a whole number of days, so many that there are at most this many steps.
const MOST_STEPS: u64 = 92;
/// The steps there are, in days.
const STEPS: [u32; 4] = [1, 7, 30, 365];
/// The longest range, in days.
const LONGEST_DAYS: u64 = 92 * 365;
pub(super) const DAY: Millis = Millis(24 * 60 * 60 * 1000);

/// A range of time and how it is divided. Half-open; the last step may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Ends")]
pub struct TrendRange {
    from: Timestamp,
    to: Timestamp,
}

#[derive(Deserialize)]
struct Ends {
    from: Timestamp,
    to: Timestamp,
}

impl TryFrom<Ends> for TrendRange {
    type Error = TrendRangeError;

    fn try_from(Ends { from, to }: Ends) -> Result<Self, TrendRangeError> {
        Self::new(from, to)
    }
}

/// Why a range has no trends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrendRangeError {
    /// It ends before it begins.
    #[error("`from` must be before `to`")]
    Empty,
    /// It is longer than about 92 years.
    #[error("the range is longer than {LONGEST_DAYS} days; ask for less")]
    TooLong,
}

impl TrendRange {
    /// From `from` until before `to`.
    ///
    /// # Errors
    /// It is empty or too long.
    pub fn new(from: Timestamp, to: Timestamp) -> Result<Self, TrendRangeError> {
        if from >= to {
            return Err(TrendRangeError::Empty);
        }
        if to.since(from).0 > LONGEST_DAYS * DAY.0 {
            return Err(TrendRangeError::TooLong);
        }
        Ok(Self { from, to })
    }

    /// The last `days` before `to`.
    #[must_use]
    pub fn days_before(to: Timestamp, days: u32) -> Self {
        let from = to.minus(Millis(u64::from(days.max(1)) * DAY.0));
        Self { from: from.min(to.minus(Millis(1))), to }
    }

    /// Its first instant.
    #[must_use]
    pub fn from(self) -> Timestamp {
        self.from
    }

    /// The first instant after it.
    #[must_use]
    pub fn to(self) -> Timestamp {
        self.to
    }

    /// How many days a step has.
    #[must_use]
    pub fn step_days(self) -> u32 {
        let days = self.to.since(self.from).0.div_ceil(DAY.0);
        let fits = |step: &u32| days.div_ceil(u64::from(*step)) <= MOST_STEPS;
        STEPS.into_iter().find(fits).unwrap_or(STEPS[STEPS.len() - 1])
    }

    fn step(self) -> Millis {
        Millis(u64::from(self.step_days()) * DAY.0)
    }

    /// The first instant of each step, in order; at least one.
    #[must_use]
    pub fn steps(self) -> Vec<Timestamp> {
        let count = self.to.since(self.from).0.div_ceil(self.step().0).max(1);
        (0..count).map(|step| self.from.plus(Millis(step * self.step().0))).collect()
    }

    /// Which step an instant lies in, counted from 0; `None` outside of the range.
    #[must_use]
    pub fn step_of(self, at: Timestamp) -> Option<usize> {
        if at < self.from || at >= self.to {
            return None;
        }
        usize::try_from(at.since(self.from).0 / self.step().0).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_unix_micros(day * 86_400_000_000).unwrap()
    }

    #[test]
    fn a_range_is_divided_into_days_weeks_months_or_years() {
        let steps = |days| {
            let range = TrendRange::new(day(0), day(days)).unwrap();
            (range.step_days(), range.steps().len())
        };
        assert_eq!(
            [1, 30, 92, 93, 644, 645, 2760, 2761].map(steps),
            [(1, 1), (1, 30), (1, 92), (7, 14), (7, 92), (30, 22), (30, 92), (365, 8)]
        );
        assert_eq!(TrendRange::new(day(1), day(1)), Err(TrendRangeError::Empty));
        assert_eq!(TrendRange::new(day(0), day(40_000)), Err(TrendRangeError::TooLong));
        let part = TrendRange::new(day(0), day(1).plus(Millis(1))).unwrap();
        assert_eq!(part.steps(), [day(0), day(1)]);
        assert_eq!(TrendRange::days_before(day(30), 30).steps().len(), 30);
    }

    proptest! {
        #[test]
        fn every_instant_of_a_range_lies_in_the_step_that_begins_before_it(length in 1..200_000_000_i64, at in 0.0..1.0) {
            let micros = |seconds: i64| Timestamp::from_unix_micros(seconds * 1_000_000).unwrap();
            let range = TrendRange::new(micros(7), micros(7 + length)).unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
            let instant = micros(7 + (length as f64 * at) as i64);
            let steps = range.steps();
            let step = range.step_of(instant).unwrap();
            prop_assert!(steps[step] <= instant);
            prop_assert!(steps.get(step + 1).is_none_or(|next| instant < *next));
            prop_assert_eq!(range.step_of(range.to()), None);
        }
    }
}
