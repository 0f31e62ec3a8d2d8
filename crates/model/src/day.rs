//! A day of the calendar, as forms and addresses name it.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;
use crate::calendar::{Date, read_date};

/// A day, written `2025-11-14`, in the years 0001 to 9998. In which time zone is for the caller to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

/// Text that is no day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a day is written YYYY-MM-DD and lies in the years 0001 to 9998, not '{0}'")]
pub struct ParseDayError(String);

impl Day {
    /// Year, month (1 to 12) and day of the month (1 to 31).
    #[must_use]
    pub fn parts(self) -> (i16, i8, i8) {
        (self.0.year, self.0.month, self.0.day)
    }

    /// The day after it.
    #[must_use]
    pub fn next(self) -> Self {
        // Never the end of time: the year 9999 is not a day's.
        Self(Date::of_days(self.0.days() + 1))
    }

    /// Its first instant in UTC.
    #[must_use]
    pub fn start_utc(self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.start_micros()).unwrap_or_else(|_| std::time::UNIX_EPOCH.into())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = ParseDayError;

    fn from_str(text: &str) -> Result<Self, ParseDayError> {
        let refused = || ParseDayError(text.chars().take(40).collect());
        let date = read_date(text).filter(|_| text.len() == 10).ok_or_else(refused)?;
        if (1..=9998).contains(&date.year) { Ok(Self(date)) } else { Err(refused()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_it_is_written() {
        for text in ["0001-01-01", "1969-07-20", "1970-01-01", "2024-02-29", "2025-11-14", "9998-12-31"] {
            assert_eq!(text.parse::<Day>().unwrap().to_string(), text);
        }
        for bad in ["", "2025", "2025-02-29", "14.11.2025", "2025-11-14T10:00", "0000-11-14", "9999-01-01"] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_before_1970_has_its_place_before_it() {
        let day: Day = "1969-12-31".parse().unwrap();
        assert_eq!(day.start_utc().to_string(), "1969-12-31T00:00:00.000000Z");
        assert_eq!(day.next().start_utc().unix_micros(), 0);
    }

    #[test]
    fn a_day_lasts_from_midnight_to_midnight() {
        let day: Day = "2024-02-28".parse().unwrap();
        assert_eq!(day.start_utc().to_string(), "2024-02-28T00:00:00.000000Z");
        assert_eq!(day.next().parts(), (2024, 2, 29));
        assert_eq!(day.next().next().to_string(), "2024-03-01");
    }
}
