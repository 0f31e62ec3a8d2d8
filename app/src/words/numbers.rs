//! Numbers as people read them.

use memdeck_model::{bounded, decimal};

/// `100,000`: long numbers are read in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole in percent, `5.6 %`; what is more than nothing is never shown as nothing.
pub fn share(part: u64, whole: u64) -> String {
    match percent(part, whole) {
        percent if part > 0 && percent < 0.1 => "< 0.1 %".to_owned(),
        percent if part < whole && percent > 99.9 => "> 99.9 %".to_owned(),
        percent => format!("{} %", decimal(percent, 1)),
    }
}

/// The same as a number, 0 to 100; 0 of nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let percent = part as f64 / whole.max(1) as f64 * 100.0;
    bounded(percent, 0.0, 100.0)
}

/// A measured value of any size with about three digits: `0`, `1.25`, `12.5`, `1,250`. What is more than nothing is never
/// shown as nothing.
pub fn measured(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.01 => if value < 0.0 { "> −0.01" } else { "< 0.01" }.to_owned(),
        size => {
            let sign = if value < 0.0 { "−" } else { "" };
            let decimals = if size < 9.995 { 2 } else { usize::from(size < 99.95) };
            if decimals > 0 {
                return format!("{sign}{}", decimal(size, decimals));
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "rounded, and above 0"
            )]
            let whole = size.round() as u64;
            format!("{sign}{}", grouped(whole))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 100_000, 12_345_678].map(grouped),
            ["0", "999", "1,000", "100,000", "12,345,678"]
        );
    }

    #[test]
    fn measured_values_have_three_digits_and_are_never_nothing_where_they_are_something() {
        assert_eq!(
            [0.0, 0.001, 0.5, 9.999, 12.34, 99.96, 1234.4].map(measured),
            ["0", "< 0.01", "0.50", "10.0", "12.3", "100", "1,234"]
        );
        assert_eq!([-0.0, -0.001, -2.5].map(measured), ["0", "> −0.01", "−2.50"]);
    }

    #[test]
    fn shares_are_told_in_percent_and_never_claim_all_or_nothing() {
        let told = [(0, 10), (1, 8), (1, 100_000), (99_999, 100_000), (10, 10), (0, 0)];
        assert_eq!(
            told.map(|(part, whole)| share(part, whole)),
            ["0.0 %", "12.5 %", "< 0.1 %", "> 99.9 %", "100.0 %", "0.0 %"]
        );
    }
}
