//! How durations are distributed.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// How durations are distributed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Distribution {
    /// How many are known.
    pub count: u64,
    /// Half of them are at most this, within two per cent; `None` where there are none.
    pub median_ms: Option<Millis>,
    /// Of twenty, nineteen are at most this, within two per cent.
    pub p95_ms: Option<Millis>,
    /// The longest.
    pub max_ms: Option<Millis>,
    /// How many lie between which bounds, without gaps from the shortest to the longest.
    pub bins: Vec<Bin>,
}

/// Durations between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bin {
    /// The lower bound, which belongs to it.
    pub from_ms: Millis,
    /// The upper bound, which does not.
    pub to_ms: Millis,
    /// How many.
    pub count: u64,
}

/// Durations that are counted one after the other, in a fixed amount of memory.
#[derive(Clone, Debug)]
pub struct Durations {
    count: u64,
    max: u64,
    /// By the bounds 1, 2, 5, 10, ...
    bins: [u64; BINS],
    /// So fine that a quantile is right within two per cent.
    fine: Vec<u64>,
}

/// The last one begins at 5·10⁹ ms, two months.
const BINS: usize = 31;
/// Of each doubling.
const PARTS_BITS: u32 = 5;
const PARTS: u64 = 1 << PARTS_BITS;
const FINE: usize = (64 - PARTS_BITS as usize + 1) << PARTS_BITS;

impl Default for Durations {
    fn default() -> Self {
        Self { count: 0, max: 0, bins: [0; BINS], fine: vec![0; FINE] }
    }
}

impl Durations {
    /// Counts one.
    pub fn add(&mut self, duration: Millis) {
        self.count += 1;
        self.max = self.max.max(duration.0);
        let bin = (1..BINS).rev().find(|bin| duration.0 >= bound(*bin)).unwrap_or(0);
        self.bins[bin] += 1;
        self.fine[fine_of(duration.0)] += 1;
    }

    /// What was counted.
    #[must_use]
    pub fn distribution(&self) -> Distribution {
        let Some(first) = self.bins.iter().position(|count| *count > 0) else {
            return Distribution::default();
        };
        let last = self.bins.iter().rposition(|count| *count > 0).unwrap_or(first);
        let bin = |bin: usize| Bin {
            from_ms: Millis(if bin == 0 { 0 } else { bound(bin) }),
            to_ms: Millis(if bin + 1 == BINS { u64::MAX } else { bound(bin + 1) }),
            count: self.bins[bin],
        };
        Distribution {
            count: self.count,
            median_ms: Some(self.quantile(50)),
            p95_ms: Some(self.quantile(95)),
            max_ms: Some(Millis(self.max)),
            bins: (first..=last).map(bin).collect(),
        }
    }

    fn quantile(&self, percent: u64) -> Millis {
        let wanted = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.fine.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        Millis(found.map_or(self.max, middle_of).min(self.max))
    }
}

/// The lower bound of a bin behind the first: 1, 2, 5, 10, ...
fn bound(bin: usize) -> u64 {
    let power = 10_u64.pow(u32::try_from((bin - 1) / 3).unwrap_or(0));
    [1, 2, 5][(bin - 1) % 3] * power
}

/// Exact below the number of parts; above, each doubling is divided into parts.
fn fine_of(value: u64) -> usize {
    if value < PARTS {
        return usize::try_from(value).unwrap_or(0);
    }
    let doubling = value.ilog2() - PARTS_BITS;
    let part = (value >> doubling) - PARTS;
    usize::try_from(PARTS + u64::from(doubling) * PARTS + part).unwrap_or(FINE - 1)
}

fn middle_of(fine: usize) -> u64 {
    let fine = fine as u64;
    if fine < PARTS {
        return fine;
    }
    let (doubling, part) = ((fine - PARTS) / PARTS, (fine - PARTS) % PARTS);
    let low = (PARTS + part) << doubling;
    low + ((1_u64 << doubling) - 1) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantiles_are_right_within_two_per_cent_and_bins_count_everything(
            values in proptest::collection::vec(0..20_000_000_u64, 1..200)
        ) {
            let mut durations = Durations::default();
            for value in &values {
                durations.add(Millis(*value));
            }
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let told = durations.distribution();
            for (percent, told) in [(50, told.median_ms), (95, told.p95_ms)] {
                let exact = sorted[(values.len() * percent).div_ceil(100) - 1];
                let told = told.unwrap().0;
                prop_assert!(told.abs_diff(exact) * 50 <= exact, "{} for {}", told, exact);
            }
            prop_assert_eq!(told.max_ms, sorted.last().copied().map(Millis));
            prop_assert_eq!(told.bins.iter().map(|bin| bin.count).sum::<u64>(), told.count);
            for bin in &told.bins {
                let inside = values.iter().filter(|value| (bin.from_ms.0..bin.to_ms.0).contains(value)).count();
                prop_assert_eq!(bin.count, inside as u64);
            }
            prop_assert!(told.bins.windows(2).all(|pair| pair[0].to_ms == pair[1].from_ms));
        }
    }

    #[test]
    fn nothing_counted_has_no_quantiles_and_the_longest_duration_has_a_bin() {
        assert_eq!(Durations::default().distribution(), Distribution::default());
        let mut durations = Durations::default();
        durations.add(Millis(u64::MAX));
        let told = durations.distribution();
        assert_eq!((told.count, told.bins.len(), told.bins[0].to_ms), (1, 1, Millis(u64::MAX)));
    }
}
