//! Which records a URL means: `search`, `from`, `to`, `state`, `host`, `mode`, `sort`, `order`. A parameter without a
//! value counts as not given, as forms send it; parameters of other names are left alone.

use std::fmt;
use std::str::FromStr;

use axum::http::StatusCode;
use memdeck_model::{
    CaptureMode, Day, FilterError, RecordColumn, RecordFilter, RecordSort, RecordState, SortOrder, Timestamp,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type};

use super::answer::RestError;

/// The filter's parameters as text.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct FilterParameters {
    /// Part of a guest's name, libvirt id, SHA-256, case number or note, in either case, without wildcards.
    #[param(min_length = 1, max_length = 200)]
    pub search: Option<String>,
    /// Dumps that began at this instant (RFC 3339) or later; a day (`2026-11-14`, UTC) means its beginning.
    #[param(schema_with = day_or_instant, example = "2026-11-14")]
    pub from: Option<String>,
    /// Dumps that began before this instant (RFC 3339); a day (`2026-11-14`, UTC) means its end.
    #[param(schema_with = day_or_instant, example = "2026-11-14T08:58:23Z")]
    pub to: Option<String>,
    /// How the dump ended.
    #[param(inline, value_type = Option<RecordState>)]
    pub state: Option<String>,
    /// The host of the hypervisor, as records have it.
    #[param(min_length = 1, max_length = 255)]
    pub host: Option<String>,
    /// How the dump was taken.
    #[param(inline, value_type = Option<CaptureMode>)]
    pub mode: Option<String>,
}

/// An instant, or a day.
pub fn day_or_instant() -> Schema {
    let text = |format| {
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(format)))
    };
    OneOfBuilder::new().item(text(KnownFormat::Date)).item(text(KnownFormat::DateTime)).build().into()
}

impl FilterParameters {
    /// What they mean.
    ///
    /// # Errors
    /// 400: one of them means nothing; the sentence names it.
    pub fn read(self) -> Result<RecordFilter, RestError> {
        let mode = |text: &str| text.parse::<CaptureMode>().map_err(|()| FilterError::Mode);
        Ok(RecordFilter {
            search: parse("search", self.search)?,
            from: read("from", self.from, |text| instant(text, Day::start_utc))?,
            to: read("to", self.to, |text| instant(text, |day| day.next().start_utc()))?,
            state: parse("state", self.state)?,
            host: parse("host", self.host)?,
            mode: read("mode", self.mode, mode)?,
        })
    }
}

/// The order's parameters as text.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct SortParameters {
    /// By what; `timestamp` if it is not given.
    #[param(inline, value_type = Option<RecordColumn>)]
    pub sort: Option<String>,
    /// Which end comes first; if it is not given, that which the column is mostly wanted in.
    #[param(inline, value_type = Option<SortOrder>)]
    pub order: Option<String>,
}

impl SortParameters {
    /// What they mean: newest first if nothing is given, the column's first order if no order is given.
    ///
    /// # Errors
    /// 400: one of them means nothing; the sentence names it.
    pub fn read(self) -> Result<RecordSort, RestError> {
        let by: RecordColumn = parse("sort", self.sort)?.unwrap_or_default();
        let order: Option<SortOrder> = parse("order", self.order)?;
        Ok(RecordSort { by, order: order.unwrap_or(by.first_order()) })
    }
}

/// Neither an instant nor a day.
pub struct NoInstant;

impl fmt::Display for NoInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is written 2025-11-14T08:58:23Z, or 2025-11-14 for a whole day in UTC")
    }
}

/// An instant, or the end of a day from `of_day`.
pub fn instant(text: &str, of_day: fn(Day) -> Timestamp) -> Result<Timestamp, NoInstant> {
    match text.parse::<Day>() {
        Ok(day) => Ok(of_day(day)),
        Err(_) => text.parse().map_err(|_| NoInstant),
    }
}

/// What a parameter means that its type can read.
///
/// # Errors
/// As of [`read`].
pub fn parse<T>(name: &str, text: Option<String>) -> Result<Option<T>, RestError>
where
    T: FromStr<Err: fmt::Display>,
{
    read(name, text, T::from_str)
}

/// What a parameter means, if it is given.
///
/// # Errors
/// 400: it means nothing; the sentence names it.
pub fn read<T, E: fmt::Display>(
    name: &str,
    text: Option<String>,
    meaning: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, RestError> {
    text.filter(|text| !text.is_empty())
        .map(|text| meaning(&text))
        .transpose()
        .map_err(|error| RestError::new(StatusCode::BAD_REQUEST, format!("{name}: {error}")))
}
