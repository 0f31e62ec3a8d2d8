//! Numbers with some digits behind the point, written by whole numbers alone.
//!
//! The standard library writes every float exactly, whatever its size. In the page that is more code than any of the figures there is
//! worth, and it has to be loaded before the first one is seen.

use std::fmt;

/// See [`decimal`].
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    value: f64,
    digits: usize,
}

/// `value` with so many digits behind the point, at most 6, rounded to the nearest: `12.5`, `-0.04`, `3`. What rounds to nothing
/// has no sign. Beyond 18 digits in all it is the largest number that has so many.
#[must_use]
pub const fn decimal(value: f64, digits: usize) -> Decimal {
    Decimal { value, digits }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const POWERS: [u32; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
        const MOST: u64 = 999_999_999_999_999_999;
        if self.value.is_nan() {
            return f.write_str("NaN");
        }
        let digits = self.digits.min(POWERS.len() - 1);
        let power = POWERS[digits];
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and bounded"
        )]
        let all = ((self.value.abs() * f64::from(power)).round() as u64).min(MOST);
        let sign = if self.value < 0.0 && all > 0 { "-" } else { "" };
        let (whole, part) = (all / u64::from(power), all % u64::from(power));
        if digits == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{part:0digits$}") }
    }
}

/// `value`, but not below `least` nor above `most`. [`f64::clamp`] brings along the words of its panic, and with them what
/// [`Decimal`] leaves out.
#[must_use]
pub const fn bounded(value: f64, least: f64, most: f64) -> f64 {
    value.max(least).min(most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_rounded_and_keep_their_zeroes() {
        for (value, digits, expected) in [
            (12.5, 1, "12.5"),
            (12.5, 0, "13"),
            (0.0, 2, "0.00"),
            (-0.04, 1, "0.0"),
            (-0.06, 1, "-0.1"),
            (3.05, 2, "3.05"),
            (99.999, 2, "100.00"),
            (f64::NAN, 1, "NaN"),
            (f64::INFINITY, 1, "99999999999999999.9"),
            (f64::NEG_INFINITY, 0, "-999999999999999999"),
        ] {
            assert_eq!(decimal(value, digits).to_string(), expected);
        }
    }

    #[test]
    fn bounds_hold() {
        let told = [-1.0, 0.5, 2.0, f64::NAN].map(|value| decimal(bounded(value, 0.0, 1.0), 1).to_string());
        assert_eq!(told, ["0.0", "0.5", "1.0", "0.0"]);
    }

    proptest! {
        /// The standard library rounds what lies just between two by the exact value, and this by what a float makes of it.
        #[test]
        fn it_is_what_the_standard_library_writes(value in -1e9..1e9, digits in 0_usize..4) {
            let (ours, theirs) = (decimal(value, digits).to_string(), format!("{value:.digits$}"));
            let between = ours.parse::<f64>().unwrap() - theirs.parse::<f64>().unwrap();
            prop_assert!(ours == theirs || theirs.trim_matches(['-', '0', '.']).is_empty() || between.abs() < 1.01 / 10_f64.powi(digits.try_into().unwrap()));
            prop_assert_eq!(ours.len() + usize::from(theirs.starts_with("-0") && !ours.starts_with('-')), theirs.len());
        }
    }
}
