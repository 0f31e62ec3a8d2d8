//! Questions to a store, built from typed parts, and rows as it answers them.

use std::collections::BTreeMap;
use std::fmt::Write;

use async_trait::async_trait;
use memdeck_model::Timestamp;
use serde_json::Value;

use crate::FeedError;

/// Which rows of a measurement, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowQuery {
    pub measurement: &'static str,
    /// The columns, beside `time`; all if there are none.
    pub columns: Vec<&'static str>,
    /// The first nanosecond since 1970.
    pub from_nanos: Option<i64>,
    /// The nanosecond before which they end.
    pub until_nanos: Option<i64>,
    /// At most so many rows: the first of them.
    pub limit: u32,
}

/// One row by column: `time` as the store wrote it, what is null left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub BTreeMap<String, Value>);

/// A store whose rows can be read.
#[async_trait]
pub trait RowSource: Send + Sync {
    /// The rows, oldest first. None if the measurement or the database does not exist.
    ///
    /// # Errors
    /// The store cannot be reached, does not answer in time, refuses, or answers what cannot be read.
    async fn rows(&self, query: &RowQuery) -> Result<Vec<Row>, FeedError>;

    /// Names the store for people: URL and database, no secrets.
    fn describe(&self) -> String;
}

impl Row {
    /// When: RFC 3339, with or without a zone (then UTC), with `T` or a blank; or nanoseconds since 1970. Shortened to whole
    /// microseconds.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        let value = self.0.get("time")?;
        if let Some(nanos) = value.as_i64() {
            return Timestamp::from_unix_micros(nanos.div_euclid(1000)).ok();
        }
        let text = value.as_str()?.trim();
        let written = text.replacen(' ', "T", 1);
        written.parse().ok().or_else(|| format!("{written}Z").parse().ok())
    }

    /// The same in nanoseconds since 1970, as the store counts.
    #[must_use]
    pub fn unix_nanos(&self) -> Option<i64> {
        let value = self.0.get("time")?;
        if let Some(nanos) = value.as_i64() {
            return Some(nanos);
        }
        let micros = self.time()?.unix_micros();
        // The digits after the sixth behind the point.
        let digits = value.as_str()?.split_once('.').map_or("", |(_, behind)| behind);
        let rest = digits.bytes().take_while(u8::is_ascii_digit).skip(6).take(3);
        let rest =
            rest.zip([100, 10, 1]).map(|(digit, weight)| i64::from(digit - b'0') * weight).sum::<i64>();
        micros.checked_mul(1000)?.checked_add(rest)
    }
}

impl RowQuery {
    /// In the words of SQL, as version 3 understands them.
    pub(crate) fn sql(&self) -> String {
        let moment = |nanos| format!("TIMESTAMP '{}'", rfc3339(nanos));
        self.statement(moment, sql_name)
    }

    /// In the words of `InfluxQL`.
    pub(crate) fn influxql(&self) -> String {
        self.statement(|nanos| nanos.to_string(), quoted_name)
    }

    fn statement(&self, moment: impl Fn(i64) -> String, quoted: impl Fn(&str) -> String) -> String {
        let columns = match self.columns.as_slice() {
            [] => "*".to_owned(),
            columns => ["time"].iter().chain(columns).map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
        };
        let mut text = format!("SELECT {columns} FROM {}", quoted(self.measurement));
        let from = self.from_nanos.map(|nanos| format!("time >= {}", moment(nanos)));
        let until = self.until_nanos.map(|nanos| format!("time < {}", moment(nanos)));
        let range: Vec<_> = from.into_iter().chain(until).collect();
        if !range.is_empty() {
            // Writing to a string cannot fail.
            let _infallible = write!(text, " WHERE {}", range.join(" AND "));
        }
        let _infallible = write!(text, " ORDER BY time ASC LIMIT {}", self.limit);
        text
    }
}

/// An identifier of SQL.
pub(crate) fn sql_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An identifier of `InfluxQL`, in quotes where it needs them.
pub(crate) fn quoted_name(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && name.contains('_');
    if is_plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// With nine digits after the point: a store keeps nanoseconds, and the model microseconds.
pub(crate) fn rfc3339(nanos: i64) -> String {
    let seconds = nanos.div_euclid(1_000_000_000);
    let rest = nanos.rem_euclid(1_000_000_000);
    // An i64 of nanoseconds lies in the years 1677 to 2262.
    let whole = Timestamp::from_unix_micros(seconds.saturating_mul(1_000_000)).map(|at| at.to_string());
    let whole = whole.unwrap_or_default();
    let date = whole.trim_end_matches('Z').split('.').next().unwrap_or_default();
    format!("{date}.{rest:09}Z")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn query() -> RowQuery {
        RowQuery {
            measurement: "mem_dumps",
            columns: Vec::new(),
            from_nanos: Some(1_763_110_703_550_273_001),
            until_nanos: None,
            limit: 5,
        }
    }

    #[test]
    fn a_question_is_asked_in_both_languages() {
        assert_eq!(
            query().sql(),
            "SELECT * FROM \"mem_dumps\" WHERE time >= TIMESTAMP '2025-11-14T08:58:23.550273001Z' \
             ORDER BY time ASC LIMIT 5"
        );
        let named = RowQuery { columns: vec!["sha256", "odd \"name"], until_nanos: Some(-1), ..query() };
        assert_eq!(
            named.influxql(),
            "SELECT \"time\", \"sha256\", \"odd \\\"name\" FROM mem_dumps WHERE time >= 1763110703550273001 \
             AND time < -1 ORDER BY time ASC LIMIT 5"
        );
        let before = RowQuery { from_nanos: None, until_nanos: Some(-1), ..query() };
        assert!(
            before.sql().contains("time < TIMESTAMP '1969-12-31T23:59:59.999999999Z'"),
            "{}",
            before.sql()
        );
    }

    #[test]
    fn a_time_is_read_with_and_without_a_zone() {
        let time = |value| Row([("time".to_owned(), value)].into()).time().map(|at| at.to_string());
        for written in
            [json!("2025-10-09T08:53:20"), json!("2025-10-09 08:53:20Z"), json!("2025-10-09T10:53:20+02:00")]
        {
            assert_eq!(time(written.clone()), time(json!("2025-10-09T08:53:20Z")), "{written}");
        }
        assert_eq!(time(json!(1_760_000_000_000_000_000_i64)), time(json!("2025-10-09T08:53:20Z")));
        assert!(time(json!("2025-10-09T08:53:20.123456789")).is_some());
        let nanos = |text: &str| Row([("time".to_owned(), json!(text))].into()).unix_nanos();
        assert_eq!(nanos("2025-10-09T08:53:20.123456789Z"), Some(1_760_000_000_123_456_789));
        assert_eq!(nanos("2025-10-09T08:53:20.1234567+02:00"), Some(1_759_992_800_123_456_700));
        assert_eq!(nanos("2025-10-09T08:53:20"), Some(1_760_000_000_000_000_000));
        assert_eq!(time(json!("yesterday")), None);
        assert_eq!(time(json!(true)), None);
    }
}
