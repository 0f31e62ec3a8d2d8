//! Questions about one field of one series of points, step by step, which the store computes itself: a month of samples is
//! too much to be read row by row.
//!
//! Of a counter, the store computes its change per second from sample to sample. One that goes back, one of another series
//! (a guest that was started anew has another `VMID`) and one that comes after a long gap tell no change.

use std::fmt::Write as _;

use async_trait::async_trait;
use serde_json::Value;

use crate::query::{quoted_name, rfc3339, sql_name};
use crate::{FeedError, Row};

/// How the values of a field follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Any value at any time.
    Gauge,
    /// Grows until it starts anew.
    Counter {
        /// Two samples that are further apart tell no change.
        max_gap_ms: u64,
    },
}

/// Which field of which points, and how long a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepQuery {
    pub measurement: &'static str,
    pub field: &'static str,
    /// How its values follow each other.
    pub kind: FieldKind,
    /// What the points are tagged with.
    pub tags: Vec<(&'static str, String)>,
    /// Tags by which a counter is told from another that counts the same thing anew.
    pub series: &'static [&'static str],
    /// The first nanosecond since 1970.
    pub from_nanos: i64,
    /// The nanosecond before which they end.
    pub until_nanos: i64,
    /// Steps begin at multiples of so many milliseconds since 1970. Not 0.
    pub step_ms: u64,
    /// At most so many steps: the first of them.
    pub limit: u32,
}

/// What is known of one step. Of a counter `min`, `mean` and `max` are changes per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its first nanosecond since 1970.
    pub from_nanos: i64,
    /// The lowest value.
    pub min: f64,
    /// The mean, of a counter over the time in which its change is known.
    pub mean: f64,
    /// The highest value.
    pub max: f64,
    /// The last value itself.
    pub last: Option<f64>,
}

/// A store that computes steps.
#[async_trait]
pub trait StepSource: Send + Sync {
    /// The steps in which something was measured, oldest first. None where the measurement, the field or the database does
    /// not exist.
    ///
    /// # Errors
    /// The store cannot be reached, does not answer in time, refuses, or answers what cannot be read.
    async fn steps(&self, query: &StepQuery) -> Result<Vec<Step>, FeedError>;
}

/// Names of columns in an answer.
const AT: &str = "step_start";
const COLUMNS: [&str; 4] = ["lowest", "mean", "highest", "last_value"];

impl StepQuery {
    /// In the words of SQL, as version 3 understands them.
    pub(crate) fn sql(&self) -> String {
        let [lowest, mean, highest, last] = COLUMNS;
        let (field, step) = (sql_name(self.field), self.step_ms);
        let range = self.sql_range();
        let table = sql_name(self.measurement);
        let at = format!(
            "date_bin(INTERVAL '{step} milliseconds', time, TIMESTAMP '1970-01-01T00:00:00Z') AS {AT}"
        );
        let end = format!("GROUP BY 1 ORDER BY 1 LIMIT {}", self.limit);
        match self.kind {
            FieldKind::Gauge => format!(
                "SELECT {at}, min({field}) AS {lowest}, avg({field}) AS {mean}, max({field}) AS {highest}, \
                 last_value({field} ORDER BY time) AS {last} FROM {table} WHERE {range} AND {field} IS NOT NULL {end}"
            ),
            FieldKind::Counter { max_gap_ms } => {
                let parts: Vec<_> = self.series.iter().map(|name| sql_name(name)).collect();
                let before = format!("OVER (PARTITION BY {} ORDER BY time)", parts.join(", "));
                format!(
                    "SELECT {at}, min(grown / passed) AS {lowest}, sum(grown) / sum(passed) AS {mean}, \
                     max(grown / passed) AS {highest}, last_value(counted ORDER BY time) AS {last} FROM (\
                     SELECT time, {field} AS counted, CAST({field} - lag({field}) {before} AS DOUBLE) AS grown, \
                     CAST(CAST(time AS BIGINT) - CAST(lag(time) {before} AS BIGINT) AS DOUBLE) / 1000000000.0 AS passed \
                     FROM {table} WHERE {range} AND {field} IS NOT NULL) AS changes \
                     WHERE grown >= 0 AND passed > 0 AND passed <= {} {end}",
                    seconds(max_gap_ms)
                )
            }
        }
    }

    fn sql_range(&self) -> String {
        let moment = |nanos| format!("TIMESTAMP '{}'", rfc3339(nanos));
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        self.range(moment, sql_name, text)
    }

    /// In the words of `InfluxQL`: the changes, and the last values, which it does not tell together.
    pub(crate) fn influxql(&self) -> Vec<String> {
        let [lowest, mean, highest, last] = COLUMNS;
        let text = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let range = self.range(|nanos| nanos.to_string(), quoted_name, text);
        let (field, table) = (quoted_name(self.field), quoted_name(self.measurement));
        let end =
            format!("GROUP BY time({}ms) fill(none) ORDER BY time ASC LIMIT {}", self.step_ms, self.limit);
        match self.kind {
            FieldKind::Gauge => vec![format!(
                "SELECT min({field}) AS {lowest}, mean({field}) AS {mean}, max({field}) AS {highest}, \
                 last({field}) AS {last} FROM {table} WHERE {range} {end}"
            )],
            FieldKind::Counter { max_gap_ms } => {
                let series: Vec<_> = self.series.iter().map(|name| quoted_name(name)).collect();
                let changes = format!(
                    "SELECT min(rate) AS {lowest}, sum(grown) AS grown, sum(passed) AS passed, max(rate) AS {highest} FROM (\
                     SELECT non_negative_difference({field}) AS grown, elapsed({field}, 1ms) AS passed, \
                     non_negative_derivative({field}, 1s) AS rate FROM {table} WHERE {range} GROUP BY {}) \
                     WHERE grown >= 0 AND passed <= {max_gap_ms} AND {} {end}",
                    series.join(", "),
                    self.influxql_time()
                );
                let last = format!("SELECT last({field}) AS {last} FROM {table} WHERE {range} {end}");
                vec![changes, last]
            }
        }
    }

    fn influxql_time(&self) -> String {
        format!("time >= {} AND time < {}", self.from_nanos, self.until_nanos)
    }

    fn range(
        &self,
        moment: impl Fn(i64) -> String,
        quoted: impl Fn(&str) -> String,
        text: impl Fn(&str) -> String,
    ) -> String {
        let mut range = String::new();
        for (name, value) in &self.tags {
            // Writing to a string cannot fail.
            let _infallible = write!(range, "{} = {} AND ", quoted(name), text(value));
        }
        let (from, until) = (moment(self.from_nanos), moment(self.until_nanos));
        let _infallible = write!(range, "time >= {from} AND time < {until}");
        range
    }
}

/// The steps in the rows of an answer in SQL.
pub(crate) fn of_sql(rows: Vec<Row>) -> Vec<Step> {
    let renamed = rows.into_iter().filter_map(|mut row| {
        let at = row.0.remove(AT)?;
        row.0.insert("time".to_owned(), at);
        Some(row)
    });
    renamed.filter_map(|row| step(&row, number(&row, COLUMNS[1])?, number(&row, COLUMNS[3]))).collect()
}

/// The steps in the answers in `InfluxQL`, of which the second has the last values of a counter.
pub(crate) fn of_influxql(changes: &[Row], last: &[Row]) -> Vec<Step> {
    let mut last =
        last.iter().filter_map(|row| Some((row.unix_nanos()?, number(row, COLUMNS[3])))).peekable();
    let steps = changes.iter().filter_map(|row| {
        let at = row.unix_nanos()?;
        if let Some(mean) = number(row, COLUMNS[1]) {
            return step(row, mean, number(row, COLUMNS[3]));
        }
        let (grown, passed) = (number(row, "grown")?, number(row, "passed")?);
        while last.next_if(|(other, _)| *other < at).is_some() {}
        let last = last.next_if(|(other, _)| *other == at).and_then(|(_, last)| last);
        (passed > 0.0).then(|| step(row, grown * 1000.0 / passed, last)).flatten()
    });
    steps.collect()
}

fn step(row: &Row, mean: f64, last: Option<f64>) -> Option<Step> {
    let [lowest, _, highest, _] = COLUMNS;
    let from_nanos = row.unix_nanos()?;
    Some(Step { from_nanos, min: number(row, lowest)?, mean, max: number(row, highest)?, last })
}

fn number(row: &Row, column: &str) -> Option<f64> {
    row.0.get(column).and_then(Value::as_f64)
}

/// Milliseconds as SQL writes seconds.
fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn query(kind: FieldKind) -> StepQuery {
        StepQuery {
            measurement: "vm_devices",
            field: "rd_bytes",
            kind,
            tags: vec![("uuid", "u-1".to_owned()), ("device", "a'b\\c".to_owned())],
            series: &["VMID", "name"],
            from_nanos: 0,
            until_nanos: 1_500_000_000,
            step_ms: 60_000,
            limit: 7,
        }
    }

    #[test]
    fn a_gauge_is_asked_for_in_both_languages() {
        assert_eq!(
            query(FieldKind::Gauge).influxql(),
            ["SELECT min(rd_bytes) AS lowest, mean(rd_bytes) AS mean, max(rd_bytes) AS highest, \
              last(rd_bytes) AS last_value FROM vm_devices WHERE \"uuid\" = 'u-1' AND \"device\" = 'a\\'b\\\\c' AND \
              time >= 0 AND time < 1500000000 GROUP BY time(60000ms) fill(none) ORDER BY time ASC LIMIT 7"]
        );
        assert_eq!(
            query(FieldKind::Gauge).sql(),
            "SELECT date_bin(INTERVAL '60000 milliseconds', time, TIMESTAMP '1970-01-01T00:00:00Z') AS step_start, \
             min(\"rd_bytes\") AS lowest, avg(\"rd_bytes\") AS mean, max(\"rd_bytes\") AS highest, \
             last_value(\"rd_bytes\" ORDER BY time) AS last_value FROM \"vm_devices\" WHERE \"uuid\" = 'u-1' AND \
             \"device\" = 'a''b\\c' AND time >= TIMESTAMP '1970-01-01T00:00:00.000000000Z' AND \
             time < TIMESTAMP '1970-01-01T00:00:01.500000000Z' AND \"rd_bytes\" IS NOT NULL \
             GROUP BY 1 ORDER BY 1 LIMIT 7"
        );
    }

    #[test]
    fn a_counter_is_compared_with_itself_and_not_after_a_gap() {
        let counter = query(FieldKind::Counter { max_gap_ms: 2_500 });
        let sql = counter.sql();
        assert!(
            sql.contains("lag(\"rd_bytes\") OVER (PARTITION BY \"VMID\", \"name\" ORDER BY time)"),
            "{sql}"
        );
        assert!(sql.contains("WHERE grown >= 0 AND passed > 0 AND passed <= 2.500 GROUP BY 1"), "{sql}");
        let [changes, last] = counter.influxql().try_into().unwrap();
        assert!(changes.contains("GROUP BY \"VMID\", \"name\")"), "{changes}");
        assert!(changes.contains("WHERE grown >= 0 AND passed <= 2500 AND time >= 0"), "{changes}");
        assert!(last.starts_with("SELECT last(rd_bytes) AS last_value FROM vm_devices WHERE"), "{last}");
    }

    #[test]
    fn answers_become_steps_and_what_is_not_understood_is_none() {
        let row = |value: Value| Row(serde_json::from_value(value).unwrap());
        let sql = vec![
            row(
                json!({"step_start": "1970-01-01T00:01:00", "lowest": 1, "mean": 2.5, "highest": 4, "last_value": 3}),
            ),
            row(json!({"step_start": "1970-01-01T00:02:00", "lowest": 1})),
        ];
        let whole = Step { from_nanos: 60_000_000_000, min: 1.0, mean: 2.5, max: 4.0, last: Some(3.0) };
        assert_eq!(of_sql(sql), [whole]);
        let changes = [60, 120, 180].map(|at| {
            let at = at * 1_000_000_000_i64;
            row(json!({"time": at, "lowest": 1, "grown": 10, "passed": 4000, "highest": 4}))
        });
        let last = [
            row(json!({"time": 60_000_000_000_i64, "last_value": 3})),
            row(json!({"time": 180_000_000_000_i64, "last_value": 9})),
        ];
        let steps = of_influxql(&changes, &last);
        assert_eq!(steps[0], whole);
        assert_eq!(steps.iter().map(|step| step.last).collect::<Vec<_>>(), [Some(3.0), None, Some(9.0)]);
    }

    proptest! {
        #[test]
        fn no_text_ends_its_quotes(text in any::<String>()) {
            let mut asked = query(FieldKind::Gauge);
            asked.tags = vec![("device", text.clone())];
            let sql = asked.sql();
            let quoted = sql.split_once("\"device\" = '").unwrap().1.split_once("' AND time >=").unwrap().0;
            prop_assert_eq!(quoted.replace("''", "\u{0}").matches('\'').count(), 0);
            let influxql = asked.influxql().remove(0);
            let quoted = influxql.split_once("\"device\" = '").unwrap().1;
            let mut read = String::new();
            let mut letters = quoted.chars();
            while let Some(letter) = letters.next().filter(|letter| *letter != '\'') {
                read.extend(if letter == '\\' { letters.next() } else { Some(letter) });
            }
            prop_assert_eq!(read, text);
        }
    }
}
