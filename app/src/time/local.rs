//! Instants in the operator's time zone.

use js_sys::{Array, Date, Function, Intl, Object, Reflect};
use memdeck_model::{Day, Timestamp};
use wasm_bindgen::JsValue;

/// An instant as text.
pub struct LocalTime {
    /// `2026-02-03`: the same width for every day, and sortable by eye.
    pub date: String,
    /// `14:05:09`.
    pub clock: String,
    /// In the operator's language, with the name of the time zone.
    pub long: String,
}

thread_local! {
    /// Writes an instant in the operator's language. Making one takes a browser as long as a row of the table, so one is
    /// made for all.
    static LONG_FORMAT: Function = {
        let options = Object::new();
        for (name, value) in [("dateStyle", "full"), ("timeStyle", "long")] {
            let _ = Reflect::set(&options, &name.into(), &value.into());
        }
        Intl::DateTimeFormat::new(&Array::new(), &options).format()
    };
}

/// `instant` in the browser's time zone.
pub fn local_time(instant: Timestamp) -> LocalTime {
    let date = in_javascript(instant);
    let clock = format!("{:02}:{:02}:{:02}", date.get_hours(), date.get_minutes(), date.get_seconds());
    let long = LONG_FORMAT.with(|format| format.call1(&JsValue::UNDEFINED, &date));
    let long = long.ok().and_then(|long| long.as_string()).unwrap_or_default();
    LocalTime { date: day_of(&date), clock, long }
}

/// The day of `instant` in the browser's time zone, as [`LocalTime::date`] has it.
pub fn local_date(instant: Timestamp) -> String {
    day_of(&in_javascript(instant))
}

/// The instant that a field for a time means, `2026-02-03T14:05:09` in the browser's time zone.
pub fn from_local(text: &str) -> Option<Timestamp> {
    let millis = Date::parse(text);
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds, within 53 bits")]
    let micros = millis.is_finite().then_some((millis as i64).saturating_mul(1000))?;
    Timestamp::from_unix_micros(micros).ok()
}

fn in_javascript(instant: Timestamp) -> Date {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds stay within 53 bits")]
    Date::new(&((instant.unix_micros() / 1000) as f64).into())
}

fn day_of(date: &Date) -> String {
    format!("{:04}-{:02}-{:02}", date.get_full_year(), date.get_month() + 1, date.get_date())
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
