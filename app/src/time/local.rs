//! Instants in the operator's time zone.

use js_sys::{Date, Object, Reflect};
use memdeck_model::{Day, Timestamp};

/// An instant as text.
pub struct LocalTime {
    /// `2026-02-03`: the same width for every day, and sortable by eye.
    pub date: String,
    /// `14:05:09`.
    pub clock: String,
    /// In the operator's language, with the name of the time zone.
    pub long: String,
}

/// `instant` in the browser's time zone.
pub fn local_time(instant: Timestamp) -> LocalTime {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds stay within 53 bits")]
    let date = Date::new(&((instant.unix_micros() / 1000) as f64).into());
    let day = format!("{:04}-{:02}-{:02}", date.get_full_year(), date.get_month() + 1, date.get_date());
    let clock = format!("{:02}:{:02}:{:02}", date.get_hours(), date.get_minutes(), date.get_seconds());
    let options = Object::new();
    for (name, value) in [("dateStyle", "full"), ("timeStyle", "long")] {
        let _ = Reflect::set(&options, &name.into(), &value.into());
    }
    let long = date.to_locale_string("default", &options).into();
    LocalTime { date: day, clock, long }
}

/// The first instant of `day` in the browser's time zone.
pub fn start_of_local_day(day: Day) -> Timestamp {
    let (year, month, day_of_month) = day.parts();
    let date = Date::new_with_year_month_day(
        u32::from(year.unsigned_abs()),
        i32::from(month) - 1,
        i32::from(day_of_month),
    );
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds, within 53 bits")]
    let millis = date.get_time() as i64;
    Timestamp::from_unix_micros(millis.saturating_mul(1000)).unwrap_or_else(|_| day.start_utc())
}
