//! InfluxDB: a record's line says what the record says, whatever names and types it meets; a refusal becomes one short
//! line.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::damaged;
use memdeck_influx::BacklogLine;
use memdeck_influx::fuzzing::{line_after, shown_reason};
use memdeck_model::{ByteCount, GuestName, Record, Timestamp};

const COLUMNS: &str = r#"{"results":[{"statement_id":0,"series":[{"name":"mem_dumps","columns":["fieldKey","fieldType"],
    "values":[["ctime","float"],["raw_size_bytes","unsigned"],["duration_sec","integer"],["loop","string"]]}]}]}"#;
const REFUSALS: [&str; 4] = [
    r#"{"error":"partial write: field type conflict: input field \"raw_size_bytes\" on measurement \"mem_dumps\" is type float, already exists as type integer dropped=1"}"#,
    r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"mem_dumps,dom=a ","line_number":1,"error_message":"invalid column type for column 'ctime', expected iox::column_type::field::float, got iox::column_type::field::integer"}]}"#,
    r#"{"results":[{"statement_id":0,"error":"database not found"}]}"#,
    "<html><h1>502 Bad Gateway</h1></html>",
];

#[derive(Arbitrary, Debug)]
struct Facts {
    dom: String,
    vmid: String,
    host: Option<String>,
    sha256: Option<String>,
    dump_path: Option<String>,
    raw_size_bytes: Option<u64>,
    ctime: Option<i64>,
    duration_sec: Option<f64>,
    ok: bool,
    micros: i64,
}

impl Facts {
    fn record(&self) -> Option<Record> {
        let timestamp = Timestamp::from_unix_micros(self.micros).ok()?;
        Some(Record {
            host: self.host.clone(),
            sha256: self.sha256.clone(),
            dump_path: self.dump_path.clone(),
            raw_size_bytes: self.raw_size_bytes.map(ByteCount),
            ctime: self.ctime,
            duration_sec: self.duration_sec,
            ok: self.ok,
            ..Record::unknown(GuestName(self.dom.clone()), self.vmid.clone(), timestamp)
        })
    }
}

/// A line as the line protocol reads it.
struct Point<'a> {
    tags: BTreeMap<String, String>,
    /// Values as they stand in the line, strings with their quotes.
    fields: BTreeMap<&'a str, &'a str>,
    time: &'a str,
}

/// `None` where it is no line.
fn parsed(line: &str) -> Option<Point<'_>> {
    let mut rest = line.strip_prefix("mem_dumps")?;
    let mut tags = BTreeMap::new();
    while let Some(tag) = rest.strip_prefix(',') {
        let (name, value) = until(tag, &['='])?;
        let (value, after) = until(&value[1..], &[',', ' ', '='])?;
        if value.is_empty() || after.starts_with('=') || tags.insert(name, value).is_some() {
            return None;
        }
        rest = after;
    }
    let mut fields = BTreeMap::new();
    loop {
        let (name, value) = rest.get(1..)?.split_once('=')?;
        let end = match value.strip_prefix('"') {
            Some(text) => end_of_string(text)? + 2,
            None => value.find([',', ' '])?,
        };
        let (value, after) = value.split_at(end);
        if fields.insert(name, value).is_some() || !after.starts_with([',', ' ']) {
            return None;
        }
        if let Some(time) = after.strip_prefix(' ') {
            return Some(Point { tags, fields, time });
        }
        rest = after;
    }
}

/// The text before the first of `ends` that is not escaped, and what begins with it.
fn until<'a>(text: &'a str, ends: &[char]) -> Option<(String, &'a str)> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (character, characters.peek()) {
            (end, _) if ends.contains(&end) => return Some((value, &text[at..])),
            ('\n', _) => return None,
            ('\\', Some(&(_, escaped @ (',' | '=' | ' ')))) => {
                value.push(escaped);
                characters.next();
            }
            _ => value.push(character),
        }
    }
    None
}

/// Where the quote is that ends a string.
fn end_of_string(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.find(|character| {
        let ends = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends
    })
}

fn check(facts: &Facts, line: &str) {
    let Point { tags, fields, time } = parsed(line).unwrap_or_else(|| panic!("no line: {line:?}"));
    assert_eq!(time, (i128::from(facts.micros) * 1000).to_string());
    let host = facts.host.clone().unwrap_or_default();
    for (name, value) in [("dom", &facts.dom), ("vmid", &facts.vmid), ("host", &host)] {
        let told = tags.get(name).map(String::as_str).unwrap_or_default();
        if !value.contains('\\') && !value.chars().any(char::is_control) {
            assert_eq!(told, value, "{line:?}");
        }
        assert_eq!(told.is_empty(), value.is_empty(), "{line:?}");
    }
    assert_eq!(fields.get("ok"), Some(&if facts.ok { "true" } else { "false" }));
    for (name, value) in [("sha256", &facts.sha256), ("dump_path", &facts.dump_path)] {
        let told = fields.get(name).map(|told| {
            let inside = told.strip_prefix('"').and_then(|told| told.strip_suffix('"'));
            inside.expect("a string in quotes").replace("\\\"", "\"").replace("\\\\", "\\")
        });
        if !value.as_ref().is_some_and(|value| value.contains('\\')) {
            assert_eq!(told.as_ref(), value.as_ref());
        }
    }
    if let Some(duration) = fields.get("duration_sec") {
        let digits = duration.trim_end_matches(['i', 'u']);
        assert!(digits.parse::<f64>().is_ok_and(f64::is_finite), "{duration}");
        if duration.ends_with(['i', 'u']) {
            assert!(digits.parse::<i128>().is_ok_and(|number| i64::try_from(number).is_ok()), "{duration}");
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let facts = data.arbitrary::<Facts>();
    let columns = damaged_part(&mut data, &[COLUMNS]);
    let refusal = String::from_utf8_lossy(&damaged(&mut data, &REFUSALS.map(str::as_bytes))).into_owned();
    let reason = shown_reason(&refusal);
    // A line of a file that somebody else wrote: whatever it is, reading it ends.
    let _line_or_why_not = BacklogLine::read(&refusal);
    assert!(reason.chars().count() <= 301 && !reason.chars().any(char::is_control), "{reason:?}");
    if let Ok(facts) = facts
        && let Some(record) = facts.record()
    {
        check(&facts, &line_after(&record, &columns, &refusal));
    }
});

/// Like [`damaged`], with half of the data.
fn damaged_part(data: &mut Unstructured<'_>, valid: &[&str]) -> Vec<u8> {
    let half = data.bytes(data.len() / 2).unwrap_or_default();
    let valid: Vec<&[u8]> = valid.iter().map(|text| text.as_bytes()).collect();
    damaged(&mut Unstructured::new(half), &valid)
}
