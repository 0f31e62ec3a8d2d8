//! What is kept of one value in one step of time.

use std::time::Duration;

use memdeck_model::telemetry::Metric;

use crate::Change;

/// A value over one step. Of a counter the change per second, of a gauge the value itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Of a counter the milliseconds over which its change is known, 0 if it is not. Of a gauge the number of samples.
    pub(crate) weight: u64,
    /// Of a counter what it counted in that time. Of a gauge the sum of the samples.
    pub(crate) sum: u64,
    /// Of a counter in thousandths per second.
    pub(crate) min: u64,
    pub(crate) max: u64,
    /// The last value itself.
    pub(crate) last: u64,
}

impl Cell {
    pub(crate) fn gauge(value: u64) -> Self {
        Self { weight: 1, sum: value, min: value, max: value, last: value }
    }

    pub(crate) fn counter(value: u64, change: Option<Change>) -> Self {
        let unknown = Self { last: value, ..Self::default() };
        let Some(Change { increase, over }) = change else { return unknown };
        let weight = whole_millis(over).max(1);
        let cell = Self { weight, sum: increase, ..unknown };
        let rate = cell.mean_of_counter();
        Self { min: rate, max: rate, ..cell }
    }

    /// Adds what came later.
    pub(crate) fn merge(&mut self, later: &Self) {
        if later.weight > 0 {
            self.min = if self.weight > 0 { self.min.min(later.min) } else { later.min };
            self.max = self.max.max(later.max);
        }
        self.weight = self.weight.saturating_add(later.weight);
        self.sum = self.sum.saturating_add(later.sum);
        self.last = later.last;
    }

    /// In the scale of `min` and `max`.
    pub(crate) fn mean(&self, metric: Metric) -> u64 {
        if metric.is_counter() { self.mean_of_counter() } else { self.sum / self.weight.max(1) }
    }

    fn mean_of_counter(&self) -> u64 {
        if self.weight == 0 {
            return 0;
        }
        let per_second = u128::from(self.sum) * 1_000_000 / u128::from(self.weight);
        u64::try_from(per_second).unwrap_or(u64::MAX)
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from((duration + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX)
}
