//! Instants in the operator's time zone.

use js_sys::{Date, Object, Reflect};
use memdeck_model::Timestamp;

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
