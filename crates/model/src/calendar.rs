//! Instants as RFC 3339 writes them, and days of the calendar, in UTC.
//!
//! Written here, and compared with a library by tests, because the page carries this crate: the library's reader and its
//! messages alone were 13 kB of it.

use std::fmt;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
const HOUR: i64 = 3_600_000_000;
const MINUTE: i64 = 60_000_000;
const SECOND: i64 = 1_000_000;

/// -9999-01-02T01:59:59Z and 9999-12-30T22:00:00Z, in microseconds: each is within the years -9999 to 9999 in every time
/// zone.
const FIRST: i64 = -377_705_023_201_000_000;
const LAST: i64 = 253_402_207_200_999_999;

/// Text or a number that is no instant in the years -9999 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an instant is written as in 2025-11-14T08:58:23Z and lies in the years -9999 to 9999")]
pub struct InstantError;

/// A day of the Gregorian calendar, which goes on before its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    pub year: i16,
    pub month: i8,
    pub day: i8,
}

impl Date {
    /// `None` if there is no such day.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        let date = Self { year, month, day };
        let exists = (1..=12).contains(&month) && (1..=31).contains(&day);
        (exists && Self::of_days(date.days()) == date).then_some(date)
    }

    /// Days since 1970-01-01. Years begin in March, so that the odd day is their last (Hinnant, `days_from_civil`).
    pub fn days(self) -> i64 {
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    /// The day so many days after 1970-01-01 (Hinnant, `civil_from_days`).
    pub fn of_days(days: i64) -> Self {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let small = |number: i64| i8::try_from(number).unwrap_or_default();
        Self { year: i16::try_from(year).unwrap_or_default(), month: small(month), day: small(day) }
    }

    /// Its first instant, in microseconds since 1970.
    pub fn start_micros(self) -> i64 {
        self.days() * DAY
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, width) = if self.year < 0 { ("-", 6) } else { ("", 4) };
        write!(f, "{sign}{:0width$}-{:02}-{:02}", self.year.unsigned_abs(), self.month, self.day)
    }
}

/// The same number, if it is an instant.
pub fn checked(micros: i64) -> Result<i64, InstantError> {
    if (FIRST..=LAST).contains(&micros) { Ok(micros) } else { Err(InstantError) }
}

/// `2025-11-14T08:58:23.550273Z`.
pub fn write(micros: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let date = Date::of_days(micros.div_euclid(DAY));
    let time = micros.rem_euclid(DAY);
    let (hour, minute, second) = (time / HOUR, time / MINUTE % 60, time / SECOND % 60);
    write!(f, "{date}T{hour:02}:{minute:02}:{second:02}.{:06}Z", time % SECOND)
}

/// Reads what RFC 3339 allows, and what many write: a space in place of the `T`, no seconds, a comma before their
/// fractions, a time zone without minutes or without its colon, a sign and six digits for years that need them.
pub fn read(text: &str) -> Result<i64, InstantError> {
    let mut rest = Reader(text.as_bytes());
    rest.instant().ok_or(InstantError).and_then(checked)
}

/// Reads `YYYY-MM-DD` and nothing else.
pub fn read_date(text: &str) -> Option<Date> {
    let mut rest = Reader(text.as_bytes());
    let date = rest.date()?;
    rest.0.is_empty().then_some(date)
}

/// What is not read yet.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn instant(&mut self) -> Option<i64> {
        let date = self.date()?;
        self.one_of(b"Tt ")?;
        let (hour, minute) = (self.number(2)?, self.after(b":", 2)?);
        // A leap second has no place of its own.
        let second = if self.0.first() == Some(&b':') { self.after(b":", 2)? } else { 0 };
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let fraction = self.fraction()?;
        let east = self.zone()?;
        if !self.0.is_empty() {
            return None;
        }
        let time = hour * HOUR + minute * MINUTE + second.min(59) * SECOND + fraction;
        Some(date.start_micros() + time - east)
    }

    fn date(&mut self) -> Option<Date> {
        let year = match self.one_of(b"+-") {
            // There is no year -0.
            Some(b'-') => -self.number(6).filter(|year| *year > 0)?,
            Some(_) => self.number(6)?,
            None => self.number(4)?,
        };
        let (month, day) = (self.after(b"-", 2)?, self.after(b"-", 2)?);
        let year = i16::try_from(year).ok().filter(|year| (-9999..=9999).contains(year))?;
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?)
    }

    /// Microseconds; what is finer is cut off.
    fn fraction(&mut self) -> Option<i64> {
        if self.one_of(b".,").is_none() {
            return Some(0);
        }
        let digits = self.0.iter().take_while(|digit| digit.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return None;
        }
        let (kept, cut) = (digits.min(6), digits.saturating_sub(6));
        let mut micros = self.number(kept)?;
        for _ in kept..6 {
            micros *= 10;
        }
        self.number(cut)?;
        Some(micros)
    }

    /// How far the time zone is ahead of UTC.
    fn zone(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.number(2)?;
        let minutes = match self.0.first() {
            Some(b':') => self.after(b":", 2)?,
            Some(_) => self.number(2)?,
            None => 0,
        };
        (hours <= 25 && minutes <= 59).then_some(sign * (hours * HOUR + minutes * MINUTE))
    }

    fn after(&mut self, separator: &[u8], digits: usize) -> Option<i64> {
        self.one_of(separator)?;
        self.number(digits)
    }

    /// The number that the next digits are; 0 of none.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number
            .iter()
            .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        bytes.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_words(micros: i64) -> String {
        struct Words(i64);
        impl fmt::Display for Words {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(self.0, f)
            }
        }
        Words(micros).to_string()
    }

    #[test]
    fn the_first_and_the_last_instant_are_the_librarys() {
        for (ours, theirs) in [(FIRST, jiff::Timestamp::MIN), (LAST, jiff::Timestamp::MAX)] {
            assert_eq!(ours, theirs.as_microsecond());
        }
        assert_eq!([checked(FIRST - 1), checked(LAST + 1)], [Err(InstantError); 2]);
    }

    #[test]
    fn what_is_written_in_other_ways_is_read_as_the_library_reads_it() {
        for text in [
            "2025-11-14T08:58:23Z",
            "2025-11-14t08:58:23z",
            "2025-11-14 08:58:23.5Z",
            "2025-11-14T08:58:23,123456789Z",
            "2025-11-14T08:58Z",
            "2025-11-14T08:58:23+02:00",
            "2025-11-14T08:58:23-0230",
            "2025-11-14T23:59:60Z",
            "2024-02-29T00:00:00+14",
            "-000001-12-31T23:59:59Z",
            "+002025-11-14T08:58:23Z",
        ] {
            let theirs: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(read(text), Ok(theirs.as_microsecond()), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "2025-11-14",
            "2025-11-14T08:58:23",
            "2025-02-29T08:58:23Z",
            "2025-13-01T08:58:23Z",
            "2025-11-14T24:00:00Z",
            "2025-11-14T08:60:00Z",
            "2025-11-14T08:58:23.Z",
            "2025-11-14T08:58:23.1234567890Z",
            "2025-11-14T08:58:23Z ",
            "2025-11-14T08:58:23+2:00",
            "-000000-01-01T00:00:00Z",
            "+010000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "２025-11-14T08:58:23Z",
        ] {
            assert_eq!(read(text), Err(InstantError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_written_and_read_as_the_library_does(micros in FIRST..=LAST) {
            let theirs = jiff::Timestamp::from_microsecond(micros).unwrap();
            prop_assert_eq!(in_words(micros), format!("{theirs:.6}"));
            prop_assert_eq!(read(&in_words(micros)), Ok(micros));
        }

        #[test]
        fn a_day_exists_where_the_library_has_it(year in -9999_i16..=9999, month in -1_i8..=14, day in -1_i8..=33) {
            let theirs = jiff::civil::Date::new(year, month, day).ok();
            prop_assert_eq!(Date::new(year, month, day).is_some(), theirs.is_some());
            if let (Some(ours), Some(theirs)) = (Date::new(year, month, day), theirs) {
                prop_assert_eq!(ours.to_string(), theirs.to_string());
                prop_assert_eq!(Date::of_days(ours.days()), ours);
            }
        }

        #[test]
        fn whatever_is_read_is_what_the_library_reads(text in "([0-9]{4}|[-+]00[0-9]{4})-(0[0-9]|1[0-3])-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9](:[0-6][0-9]([.,][0-9]{0,9})?)?(Z|[-+][0-2][0-9](:?[0-5][0-9])?)") {
            if let Ok(micros) = read(&text) {
                let theirs: jiff::Timestamp = text.parse().unwrap();
                prop_assert_eq!(i128::from(micros), theirs.as_nanosecond().div_euclid(1000));
            }
        }
    }
}
