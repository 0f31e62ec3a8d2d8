//! The two angles that existing clients know.

/// The needle of a gauge: `atan(log10(max(1, |rate|)) / 5)` in degrees, 0 to 90. `rate` is the change per second in the
/// counter's own unit.
#[must_use]
pub fn needle_degrees(rate: f64) -> f64 {
    // `max` also turns a rate that is not a number into 1.
    (rate.abs().max(1.0).log10() / 5.0).atan().to_degrees()
}

/// The steepness of a change: `atan(rate)` in degrees, -90 to 90. `rate` is the change per second.
#[must_use]
pub fn change_degrees(rate: f64) -> f64 {
    if rate.is_nan() { 0.0 } else { rate.atan().to_degrees() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_rates_have_known_angles() {
        assert!(needle_degrees(0.0).abs() < 1e-9);
        assert!(needle_degrees(1.0).abs() < 1e-9);
        assert!((needle_degrees(100_000.0) - 45.0).abs() < 1e-9);
        assert!((needle_degrees(-100_000.0) - 45.0).abs() < 1e-9);
        assert!((change_degrees(1.0) - 45.0).abs() < 1e-9);
        assert!((change_degrees(-1.0) + 45.0).abs() < 1e-9);
        assert!(change_degrees(f64::NAN).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn angles_stay_on_their_scales(rate in proptest::num::f64::ANY) {
            prop_assert!((0.0..=90.0).contains(&needle_degrees(rate)));
            prop_assert!((-90.0..=90.0).contains(&change_degrees(rate)));
        }
    }
}
