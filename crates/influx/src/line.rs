//! A record as a line of `InfluxDB`'s line protocol.
//!
//! `mem_dumps`, with the tags `dom`, `host` and `vmid`, at the start of the dump in nanoseconds.

use std::fmt::Write;

use memdeck_model::{ByteCount, Record};

use crate::types::{FieldType, FieldTypes, MEASUREMENT};

/// A value in the type that it has by nature.
#[derive(Clone, Copy)]
enum Value<'a> {
    Boolean(bool),
    Text(&'a str),
    Integer(i64),
    Float(f64),
}

/// The record's point, its numbers in the types that the store has. What the record does not know is left out.
pub(crate) fn line(record: &Record, types: &FieldTypes) -> String {
    let mut line = MEASUREMENT.to_owned();
    let host = record.host.as_deref().unwrap_or_default();
    // In the order of their names, as the store keeps them. An empty tag is the same as none.
    for (name, value) in [("dom", record.dom.0.as_str()), ("host", host), ("vmid", &record.vmid)] {
        if !value.is_empty() {
            line.push(',');
            line.push_str(name);
            line.push('=');
            push_tag(&mut line, value);
        }
    }
    let mut separator = ' ';
    for (name, value) in fields(record) {
        if let Some(text) = value.and_then(|value| encode(value, types.get(name))) {
            line.push(separator);
            line.push_str(name);
            line.push('=');
            line.push_str(&text);
            separator = ',';
        }
    }
    line.push(' ');
    line.push_str(&record.timestamp.unix_nanos().to_string());
    line
}

fn fields(record: &Record) -> [(&'static str, Option<Value<'_>>); 13] {
    // The store's integers end where an i64 does.
    let size = |size: ByteCount| Value::Integer(i64::try_from(size.0).unwrap_or(i64::MAX));
    [
        ("ok", Some(Value::Boolean(record.ok))),
        ("sha256", record.sha256.as_deref().map(Value::Text)),
        // A witness outside of this host: whoever exchanges files and catalog does not reach this one.
        ("manifest_sha256", record.manifest_sha256.as_deref().map(Value::Text)),
        ("dump_path", record.dump_path.as_deref().map(Value::Text)),
        ("raw_size_bytes", record.raw_size_bytes.map(size)),
        ("gzip_size_bytes", record.gzip_size_bytes.map(size)),
        ("ctime", record.ctime.map(Value::Integer)),
        ("mtime", record.mtime.map(Value::Integer)),
        ("atime", record.atime.map(Value::Integer)),
        ("duration_sec", record.duration_sec.map(Value::Float)),
        // Tools that dump first and hash and compress afterwards tell the first step apart. Here it is one pass.
        ("dump_duration_sec", record.duration_sec.map(Value::Float)),
        // Tools that dump again and again number their rounds. This dump stands alone.
        ("loop", Some(Value::Integer(0))),
        ("every_sec", Some(Value::Integer(0))),
    ]
}

/// The first numbers that the store's integers cannot hold, 2^63 and 2^64.
const END_OF_I64: f64 = 9_223_372_036_854_775_808.0;
const END_OF_U64: f64 = 18_446_744_073_709_551_616.0;

/// The value in the type of its column, where numbers allow it; else in its own, for the store to refuse. `None` for
/// a number that no column can hold.
fn encode(value: Value<'_>, column: Option<FieldType>) -> Option<String> {
    Some(match (value, column) {
        (Value::Boolean(value), _) => value.to_string(),
        (Value::Text(value), _) => quoted(value),
        // Without a suffix a number is a float, whether it has a point or not.
        (Value::Integer(value), Some(FieldType::Float)) => value.to_string(),
        (Value::Integer(value), Some(FieldType::Unsigned)) if value >= 0 => format!("{value}u"),
        (Value::Integer(value), _) => format!("{value}i"),
        (Value::Float(value), _) if !value.is_finite() => return None,
        (Value::Float(value), Some(FieldType::Integer)) if value.abs() < END_OF_I64 => format!("{value:.0}i"),
        (Value::Float(value), Some(FieldType::Unsigned)) if (0.0..END_OF_U64).contains(&value) => {
            format!("{value:.0}u")
        }
        (Value::Float(value), _) => value.to_string(),
    })
}

/// A string field may hold everything, line breaks included.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes a tag's value. Separators are escaped and quotes stand for themselves. What no escape can say is replaced,
/// always in the same way, so that the point keeps its name:
///
/// - a control character (a line break would end the point) by its Rust escape, such as `\n`;
/// - a backslash before a separator, a backslash or the end, where versions 1 and 3 differ in what they read or
///   refuse the line, by `/`, which no guest's name contains. Before anything else a backslash stands for itself.
fn push_tag(line: &mut String, text: &str) {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ',' | '=' | ' ' => line.extend(['\\', character]),
            '\\' if matches!(characters.peek(), None | Some('\\' | ',' | '=' | ' ')) => line.push('/'),
            // `\n` and the like begin with a backslash too.
            '\\' if characters.peek().is_some_and(|next| next.is_control()) => line.push('/'),
            _ if character.is_control() => {
                // Writing to a string cannot fail.
                let _infallible = write!(line, "{}", character.escape_default());
            }
            _ => line.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{CaptureMode, GuestName, Millis, Timestamp};

    use super::*;

    fn record() -> Record {
        let timestamp = Timestamp::from_unix_micros(1_763_110_703_550_273).unwrap();
        Record {
            sha256: Some("abcd".to_owned()),
            duration_sec: Some(1.25),
            gzip_size_bytes: Some(ByteCount(45)),
            ctime: Some(1),
            mtime: Some(2),
            atime: Some(3),
            dump_path: Some("/dumps/a.zst".to_owned()),
            host: Some("hv1".to_owned()),
            raw_size_bytes: Some(ByteCount(512)),
            ..Record::unknown(GuestName("web-01".to_owned()), "7".to_owned(), timestamp)
        }
    }

    fn types(of: &[(&str, &str)]) -> FieldTypes {
        let values: Vec<_> = of.iter().map(|(name, word)| format!(r#"["{name}","{word}"]"#)).collect();
        FieldTypes::read(
            format!(r#"{{"results":[{{"series":[{{"values":[{}]}}]}}]}}"#, values.join(",")).as_bytes(),
        )
    }

    #[test]
    fn a_point_has_every_field_in_its_own_type() {
        assert_eq!(
            line(&record(), &FieldTypes::default()),
            r#"mem_dumps,dom=web-01,host=hv1,vmid=7 ok=true,sha256="abcd",dump_path="/dumps/a.zst","#
                .to_owned()
                + "raw_size_bytes=512i,gzip_size_bytes=45i,ctime=1i,mtime=2i,atime=3i,duration_sec=1.25,"
                + "dump_duration_sec=1.25,loop=0i,every_sec=0i 1763110703550273000"
        );
    }

    #[test]
    fn what_is_unknown_is_left_out() {
        let sparse = Record {
            sha256: None,
            dump_path: None,
            raw_size_bytes: None,
            gzip_size_bytes: None,
            ctime: None,
            mtime: None,
            atime: None,
            duration_sec: Some(f64::NAN),
            host: None,
            vmid: String::new(),
            ok: false,
            ..record()
        };
        assert_eq!(
            line(&sparse, &FieldTypes::default()),
            "mem_dumps,dom=web-01 ok=false,loop=0i,every_sec=0i 1763110703550273000"
        );
    }

    #[test]
    fn what_only_memdeck_knows_is_no_part_of_the_point() {
        let told = Record {
            dump_id: Some("d1".parse().unwrap()),
            mode: Some(CaptureMode::Live),
            pause_ms: Some(Millis(45)),
            format: Some("elf".to_owned()),
            codec: Some("zstd".to_owned()),
            point_in_time: Some(record().timestamp),
            fallback: Some("did not converge".to_owned()),
            job_downtime_ms: Some(Millis(44)),
            iterations: Some(5),
            dirty_bytes_per_s: Some(ByteCount(104_857_600)),
            encrypted: true,
            case: Some("IR-2026-17".parse().unwrap()),
            note: Some("seen at night".parse().unwrap()),
            ..record()
        };
        let types = FieldTypes::default();
        assert_eq!(line(&told, &types), line(&record(), &types));
    }

    #[test]
    fn the_hash_of_the_manifest_is_in_the_point_where_nobody_on_this_host_reaches_it() {
        let told = Record { manifest_sha256: Some("ef".repeat(32)), ..record() };
        let line = line(&told, &FieldTypes::default());
        assert!(line.contains(&format!(r#",manifest_sha256="{}","#, "ef".repeat(32))), "{line}");
    }

    #[test]
    fn numbers_take_the_type_of_their_column() {
        let stored = types(&[
            ("raw_size_bytes", "float"),
            ("gzip_size_bytes", "unsigned"),
            ("ctime", "string"),
            ("duration_sec", "integer"),
            ("dump_duration_sec", "float"),
        ]);
        let line = line(&record(), &stored);
        for field in ["raw_size_bytes=512,", "gzip_size_bytes=45u,", "ctime=1i,", "duration_sec=1i,"] {
            assert!(line.contains(field), "{field} in {line}");
        }
        assert!(line.contains("dump_duration_sec=1.25,"), "{line}");
    }

    #[test]
    fn a_number_that_its_column_cannot_hold_keeps_its_own_type() {
        let field = |word, seconds| {
            let told = Record { duration_sec: Some(seconds), ..record() };
            let line = line(&told, &types(&[("duration_sec", word)]));
            line.split(",duration_sec=").nth(1).unwrap().split(',').next().unwrap().to_owned()
        };
        assert_eq!(field("integer", 9.3e18), "9300000000000000000");
        assert_eq!(field("integer", -9.3e18), "-9300000000000000000");
        assert_eq!(field("integer", 9.2e18), "9200000000000000000i");
        assert_eq!(field("unsigned", 9.3e18), "9300000000000000000u");
        assert_eq!(field("unsigned", 1.9e19), "19000000000000000000");
        assert_eq!(field("unsigned", -1.0), "-1");
    }

    #[test]
    fn a_tag_cannot_end_the_point_or_begin_a_field() {
        let tag = |text| {
            let mut line = String::new();
            push_tag(&mut line, text);
            line
        };
        assert_eq!(tag("a b,c=d\"e'é"), r#"a\ b\,c\=d"e'é"#);
        assert_eq!(tag("DOMAIN\\vm"), "DOMAIN\\vm");
        assert_eq!(tag("a\nb\tc\0"), r"a\nb\tc\u{0}");
        assert_eq!(tag("end\\"), "end/");
        assert_eq!(tag("a\\\\b"), "a/\\b");
        assert_eq!(tag("a\\,b\\ c\\\nd"), r"a/\,b/\ c/\nd");
    }
}
