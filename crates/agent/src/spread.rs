//! Chance, so that many do not ask at the same time.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// A time up to `longest`, another one each time.
pub(crate) fn spread(longest: Duration) -> Duration {
    // A new hasher has random keys.
    let random = RandomState::new().build_hasher().finish() >> 32;
    longest.mul_f64(f64::from(u32::try_from(random).unwrap_or(u32::MAX)) / f64::from(u32::MAX))
}

/// `interval`, shorter or longer by `variation` at most.
pub(crate) fn varied(interval: Duration, variation: Duration) -> Duration {
    interval.saturating_sub(variation) + spread(variation * 2)
}
