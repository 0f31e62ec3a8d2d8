//! How long to wait before the next attempt to connect.

use memdeck_model::bounded;

/// Milliseconds to wait before attempt `attempt` (the first repetition is 0): half a second, doubling up to 15 s.
///
/// `spread` from 0 to 1 adds up to a quarter, so that many open pages do not return in the same instant.
pub fn delay_ms(attempt: u32, spread: f64) -> u32 {
    const FIRST_MS: u32 = 500;
    const LONGEST_MS: u32 = 15_000;
    let base = FIRST_MS.saturating_mul(2_u32.saturating_pow(attempt)).min(LONGEST_MS);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 3750")]
    let extra = (f64::from(base) / 4.0 * bounded(spread, 0.0, 1.0)) as u32;
    base + extra
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_stops_growing() {
        let waits = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|attempt| delay_ms(attempt, 0.0));
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    }

    #[test]
    fn the_spread_adds_at_most_a_quarter() {
        assert_eq!([delay_ms(1, 0.5), delay_ms(1, 1.0), delay_ms(1, 7.0)], [1_125, 1_250, 1_250]);
    }
}
