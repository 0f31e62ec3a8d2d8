//! InfluxDB: a record's line says what the record says, whatever names and types it meets; a refusal becomes one short
//! line.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::damaged;
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

/// A line as the line protocol reads it: tags, fields and time. `None` where it is no line.
fn parsed(line: &str) -> Option<(BTreeMap<String, String>, BTreeMap<String, String>, &str)> {
    let (measurement, rest) = line.split_at(line.find([',', ' '])?);
    assert_eq!(measurement, "mem_dumps");
    let mut characters = rest.char_indices().peekable();
    let mut tags = BTreeMap::new();
    let mut rest = rest;
    while let Some((_, ',')) = characters.peek() {
        characters.next();
        let (mut name, mut value, mut in_value) = (String::new(), String::new(), false);
        while let Some(&(at, character)) = characters.peek() {
            match character {
                ',' | ' ' => break,
                '\n' => return None,
                '=' if !in_value => in_value = true,
                '=' => return None,
                '\\' if matches!(
                    line[line.len() - rest.len() + at + 1..].chars().next(),
                    Some(',' | '=' | ' ')
                ) =>
                {
                    characters.next();
                    let (_, escaped) = *characters.peek()?;
                    if in_value { &mut value } else { &mut name }.push(escaped);
                }
                other => if in_value { &mut value } else { &mut name }.push(other),
            }
            characters.next();
        }
        if value.is_empty() || tags.insert(name, value).is_some() {
            return None;
        }
    }
    let (at, _) = characters.next().filter(|(_, character)| *character == ' ')?;
    rest = &rest[at + 1..];
    let mut fields = BTreeMap::new();
    loop {
        let (name, value) = rest.split_once('=')?;
        let end = if let Some(quoted) = value.strip_prefix('"') {
            let mut is_escaped = false;
            let end = quoted.find(|character| {
                let ends = character == '"' && !is_escaped;
                is_escaped = character == '\\' && !is_escaped;
                ends
            })?;
            end + 2
        } else {
            value.find([',', ' '])?
        };
        let (value, after) = value.split_at(end);
        fields.insert(name.to_owned(), value.to_owned());
        match after.split_at_checked(1)? {
            (",", more) => rest = more,
            (" ", time) => return Some((tags, fields, time)),
            _ => return None,
        }
    }
}

fn check(facts: &Facts, line: &str) {
    let (tags, fields, time) = parsed(line).unwrap_or_else(|| panic!("no line: {line:?}"));
    assert_eq!(time, (i128::from(facts.micros) * 1000).to_string());
    let host = facts.host.clone().unwrap_or_default();
    for (name, value) in [("dom", &facts.dom), ("vmid", &facts.vmid), ("host", &host)] {
        let told = tags.get(name).map(String::as_str).unwrap_or_default();
        if !value.contains('\\') && !value.chars().any(char::is_control) {
            assert_eq!(told, value, "{line:?}");
        }
        assert_eq!(told.is_empty(), value.is_empty(), "{line:?}");
    }
    assert_eq!(fields.get("ok").map(String::as_str), Some(if facts.ok { "true" } else { "false" }));
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
