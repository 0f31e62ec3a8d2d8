//! What the double answers to a question for steps in SQL: it reads the question's parts and computes what they ask for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::contract::nanos_of;

type Rows = BTreeMap<(i64, String), BTreeMap<String, Value>>;

/// A sample with what changed since the one before, where that is known.
struct Sample {
    at: i64,
    value: f64,
    /// How much, and over how many seconds.
    change: Option<(f64, f64)>,
}

/// The table that a question for steps is about.
pub(super) fn table_of(question: &str) -> Option<&str> {
    question.contains("date_bin(").then_some(())?;
    question.rsplit_once(" FROM \"")?.1.split('"').next()
}

/// The rows of the answer; `None` where a part of the question is not understood.
pub(super) fn answer(question: &str, rows: &Rows) -> Option<Vec<BTreeMap<String, Value>>> {
    let step: i64 = between(question, "INTERVAL '", " milliseconds'")?.parse().ok()?;
    let step = step.checked_mul(1_000_000)?;
    let is_counter = question.contains("lag(");
    let field = between(question, if is_counter { "lag(\"" } else { "min(\"" }, "\")")?;
    let (_, range) = question.rsplit_once(" FROM \"")?.1.split_once(" WHERE ")?;
    let (tags, range) = range.split_once("time >= ")?;
    let from = nanos_of(range.split(" AND ").next()?);
    let until = nanos_of(between(range, "time < ", " AND ")?);
    let limit: usize = question.rsplit_once(" LIMIT ")?.1.parse().ok()?;
    let tags: Vec<(&str, String)> = tags.split(" AND ").filter_map(tag).collect();
    let partition: Vec<&str> = between(question, "PARTITION BY ", " ORDER BY")
        .map(|names| names.split(", ").map(|name| name.trim_matches('"')).collect())
        .unwrap_or_default();
    let most: f64 = between(question, "passed <= ", " ").and_then(|text| text.parse().ok()).unwrap_or(0.0);

    let mut before: BTreeMap<Vec<Option<String>>, (i64, f64)> = BTreeMap::new();
    let mut steps: BTreeMap<i64, Vec<Sample>> = BTreeMap::new();
    for ((at, _), row) in rows {
        let has_tags = tags.iter().all(|(name, value)| row.get(*name).is_some_and(|tag| tag == value));
        let Some(value) = row.get(field).and_then(Value::as_f64) else { continue };
        if !has_tags || !(from..until).contains(at) {
            continue;
        }
        let series: Vec<_> = partition.iter().map(|name| row.get(*name).map(ToString::to_string)).collect();
        let change = before.insert(series, (*at, value)).map(|(then, counted)| {
            #[expect(clippy::cast_precision_loss, reason = "nanoseconds between two samples of a test")]
            let passed = (at - then) as f64 / 1e9;
            (value - counted, passed)
        });
        let change = change.filter(|(grown, passed)| *grown >= 0.0 && *passed > 0.0 && *passed <= most);
        if !is_counter || change.is_some() {
            let start = at - at.rem_euclid(step);
            steps.entry(start).or_default().push(Sample { at: *at, value, change });
        }
    }
    let rows = steps.into_iter().take(limit).map(|(start, samples)| told(start, &samples, is_counter));
    Some(rows.collect())
}

fn told(start: i64, samples: &[Sample], is_counter: bool) -> BTreeMap<String, Value> {
    let changes: Vec<(f64, f64)> = if is_counter {
        samples.iter().filter_map(|sample| sample.change).collect()
    } else {
        samples.iter().map(|sample| (sample.value, 1.0)).collect()
    };
    let rates = || changes.iter().map(|(grown, passed)| grown / passed);
    let (grown, passed) = changes.iter().fold((0.0, 0.0), |sums, part| (sums.0 + part.0, sums.1 + part.1));
    let last = samples.iter().max_by_key(|sample| sample.at).map(|sample| sample.value);
    let at = super::contract::written(start);
    let row = json!({
        "step_start": at,
        "lowest": rates().fold(f64::MAX, f64::min),
        "mean": grown / passed,
        "highest": rates().fold(f64::MIN, f64::max),
        "last_value": last,
    });
    serde_json::from_value(row).expect("an object")
}

/// `"name" = 'value'`.
fn tag(text: &str) -> Option<(&str, String)> {
    let (name, value) = text.trim().split_once(" = ")?;
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
    Some((name.trim_matches('"'), value.replace("''", "'")))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split(after).next()
}
