//! How many values lie below each of some bounds: what Prometheus calls a histogram.

/// Counts of values by size.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    /// Of the values up to each bound and above the one before it; the last place is for all larger ones.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// Without values. `bounds` ascend.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Counts a value. One that is no number is not counted.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum += value;
    }

    /// Each bound and how many values do not exceed it, without the last one, which is [`Self::count`].
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let running = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds.iter().copied().zip(running)
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_for_every_bound_that_it_does_not_exceed() {
        let mut histogram = Histogram::new(&[0.5, 1.0, 5.0]);
        for value in [0.1, 0.5, 0.6, 5.0, 7.0, f64::NAN] {
            histogram.add(value);
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(0.5, 2), (1.0, 3), (5.0, 4)]);
        assert_eq!(histogram.count(), 5);
        assert!((histogram.sum() - 13.2).abs() < 1e-9);
    }
}
