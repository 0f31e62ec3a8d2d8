//! Differences between instants in words.

use memdeck_model::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How long before `now` (or after it) `instant` is: `just now`, `42 s ago`, `5 min ago`, `3 h ago`, `12 days ago`,
/// `in 2 min`.
pub fn relative(instant: Timestamp, now: Timestamp) -> String {
    let seconds = now.unix_seconds().saturating_sub(instant.unix_seconds());
    let amount = match seconds.abs() {
        0..5 => return "just now".to_owned(),
        away @ 5..MINUTE => format!("{away} s"),
        away @ MINUTE..HOUR => format!("{} min", away / MINUTE),
        away @ HOUR..DAY => format!("{} h", away / HOUR),
        away if away / DAY == 1 => "1 day".to_owned(),
        away => format!("{} days", away / DAY),
    };
    if seconds < 0 { format!("in {amount}") } else { format!("{amount} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(seconds_before: i64) -> String {
        let at = |seconds: i64| Timestamp::from_unix_micros(seconds * 1_000_000).unwrap();
        relative(at(1_700_000_000 - seconds_before), at(1_700_000_000))
    }

    #[test]
    fn the_largest_whole_unit_is_told() {
        let told = [0, 4, 5, 59, 60, 3_599, 3_600, 86_399, 86_400, 172_799, 172_800].map(told);
        assert_eq!(
            told,
            [
                "just now",
                "just now",
                "5 s ago",
                "59 s ago",
                "1 min ago",
                "59 min ago",
                "1 h ago",
                "23 h ago",
                "1 day ago",
                "1 day ago",
                "2 days ago",
            ]
        );
    }

    #[test]
    fn a_clock_that_is_ahead_is_told_as_it_is() {
        assert_eq!([told(-3), told(-90)], ["just now", "in 1 min"]);
    }

    #[test]
    fn no_difference_overflows() {
        let ends = [-377_705_023_201_000_000, 253_402_207_200_000_000]
            .map(|micros| Timestamp::from_unix_micros(micros).unwrap());
        assert!(relative(ends[0], ends[1]).ends_with("days ago"));
        assert!(relative(ends[1], ends[0]).starts_with("in "));
    }
}
