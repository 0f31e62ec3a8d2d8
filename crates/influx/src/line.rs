//! A point as a line of `InfluxDB`'s line protocol.

use std::fmt::Write;

use crate::FieldValue;
use crate::point::AsLine;
use crate::types::{FieldType, FieldTypes};

/// Appends the point as a line without a line break, its numbers in the types that the store has. `false`, and nothing is
/// appended, where no field is left: a point needs one.
///
/// Tags keep the order they have. A number that is not finite has no place in a line and is left out.
pub(crate) fn push_line(line: &mut String, point: &impl AsLine, types: &FieldTypes) -> bool {
    let start = line.len();
    push_name(line, point.measurement(), &[',', ' ']);
    for (name, value) in point.tags() {
        if !value.is_empty() {
            line.push(',');
            push_name(line, name, &[',', '=', ' ']);
            line.push('=');
            push_name(line, value, &[',', '=', ' ']);
        }
    }
    let mut separator = ' ';
    for (name, value) in point.fields() {
        if let Some(text) = encode(value, types.get(name)) {
            line.push(separator);
            push_name(line, name, &[',', '=', ' ']);
            line.push('=');
            line.push_str(&text);
            separator = ',';
        }
    }
    if separator == ' ' {
        line.truncate(start);
        return false;
    }
    // Writing to a string cannot fail.
    let _infallible = write!(line, " {}", point.unix_nanos());
    true
}

/// The first numbers that the store's integers cannot hold, 2^63 and 2^64.
const END_OF_I64: f64 = 9_223_372_036_854_775_808.0;
const END_OF_U64: f64 = 18_446_744_073_709_551_616.0;

/// The value in the type of its column, where numbers allow it; else in its own, for the store to refuse. `None` for
/// a number that no column can hold.
fn encode(value: &FieldValue, column: Option<FieldType>) -> Option<String> {
    Some(match (value, column) {
        (FieldValue::Boolean(value), _) => value.to_string(),
        (FieldValue::Text(value), _) => quoted(value),
        // Without a suffix a number is a float, whether it has a point or not.
        (FieldValue::Integer(value), Some(FieldType::Float)) => value.to_string(),
        (FieldValue::Integer(value), Some(FieldType::Unsigned)) if *value >= 0 => format!("{value}u"),
        (FieldValue::Integer(value), _) => format!("{value}i"),
        (FieldValue::Float(value), _) if !value.is_finite() => return None,
        (FieldValue::Float(value), Some(FieldType::Integer)) if value.abs() < END_OF_I64 => {
            format!("{value:.0}i")
        }
        (FieldValue::Float(value), Some(FieldType::Unsigned)) if (0.0..END_OF_U64).contains(value) => {
            format!("{value:.0}u")
        }
        (FieldValue::Float(value), _) => value.to_string(),
    })
}

/// A string field may hold everything, line breaks included.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Writes a tag's value, or the name of a tag, a field or a measurement. Separators are escaped and quotes stand for
/// themselves. What no escape can say is replaced, always in the same way, so that the point keeps its name:
///
/// - a control character (a line break would end the point) by its Rust escape, such as `\n`;
/// - a backslash before a separator, a backslash or the end, where versions 1 and 3 differ in what they read or
///   refuse the line, by `/`, which no guest's name contains. Before anything else a backslash stands for itself.
fn push_name(line: &mut String, text: &str, separators: &[char]) {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            _ if separators.contains(&character) => line.extend(['\\', character]),
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
    use memdeck_model::{ByteCount, CaptureMode, GuestName, Millis, Record, Timestamp};

    use super::*;
    use crate::record_point;

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

    fn line(record: &Record, types: &FieldTypes) -> String {
        let mut line = String::new();
        assert!(push_line(&mut line, &record_point(record).unwrap(), types));
        line
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
            fallback: Some("did not converge".into()),
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
            push_name(&mut line, text, &[',', '=', ' ']);
            line
        };
        assert_eq!(tag("a b,c=d\"e'é"), r#"a\ b\,c\=d"e'é"#);
        assert_eq!(tag("DOMAIN\\vm"), "DOMAIN\\vm");
        assert_eq!(tag("a\nb\tc\0"), r"a\nb\tc\u{0}");
        assert_eq!(tag("end\\"), "end/");
        assert_eq!(tag("a\\\\b"), "a/\\b");
        assert_eq!(tag("a\\,b\\ c\\\nd"), r"a/\,b/\ c/\nd");
    }

    /// What InfluxDB's own parser (the crate `influxdb-line-protocol`) reads is what was meant, for any names and values.
    mod read_by_another {
        use influxdb_line_protocol::{FieldValue as Read, parse_lines};
        use proptest::prelude::*;

        use super::*;
        use crate::Point;

        /// A name that no replacement changes: without control characters and backslashes.
        fn name() -> impl Strategy<Value = String> {
            "[^\\p{C}\\\\]{1,12}"
        }

        fn value() -> impl Strategy<Value = FieldValue> {
            prop_oneof![
                any::<bool>().prop_map(FieldValue::Boolean),
                any::<String>().prop_map(FieldValue::Text),
                any::<i64>().prop_map(FieldValue::Integer),
                any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(FieldValue::Float),
            ]
        }

        proptest! {
            #[test]
            fn every_point_is_read_as_it_was_meant(
                tags in proptest::collection::vec(name(), 3),
                values in proptest::collection::vec(value(), 1..4),
                unix_nanos in any::<i64>(),
            ) {
                let names = ["first", "second one", "third,=x"];
                let point = Point {
                    measurement: "vm_totals",
                    tags: ["VMID", "name", "u u"].into_iter().zip(tags.clone()).collect(),
                    fields: names.into_iter().zip(values.clone()).collect(),
                    unix_nanos,
                };
                let mut text = String::new();
                prop_assert!(push_line(&mut text, &point, &FieldTypes::default()));
                // A second line: nothing of the first may reach into it.
                text.push_str("\nnext value=1i 1");
                let lines: Vec<_> = parse_lines(&text).collect::<Result<_, _>>().unwrap();
                prop_assert_eq!(lines.len(), 2, "{}", text);
                let line = &lines[0];
                prop_assert_eq!(line.series.measurement.as_str(), "vm_totals");
                prop_assert_eq!(line.timestamp, Some(unix_nanos));
                for (name, meant) in ["VMID", "name", "u u"].into_iter().zip(&tags) {
                    prop_assert_eq!(line.tag_value(name).map(influxdb_line_protocol::EscapedStr::as_str), Some(meant.as_str()));
                }
                for (name, meant) in names.into_iter().zip(&values) {
                    match (line.field_value(name), meant) {
                        (Some(Read::Boolean(read)), FieldValue::Boolean(meant)) => prop_assert_eq!(read, meant),
                        (Some(Read::I64(read)), FieldValue::Integer(meant)) => prop_assert_eq!(read, meant),
                        (Some(Read::F64(read)), FieldValue::Float(meant)) => {
                            prop_assert_eq!(read.to_bits(), meant.to_bits());
                        }
                        (Some(Read::String(read)), FieldValue::Text(meant)) => {
                            prop_assert_eq!(read.as_str(), meant.as_str());
                        }
                        (read, meant) => prop_assert!(false, "{:?} for {:?} in {}", read, meant, text),
                    }
                }
            }

            /// Whatever a guest is called, its line stays one line of one measurement.
            #[test]
            fn no_name_ends_the_point(name in any::<String>()) {
                let point = Point {
                    measurement: "vm_totals",
                    tags: vec![("name", name)],
                    fields: vec![("value", FieldValue::Integer(7))],
                    unix_nanos: 1,
                };
                let mut text = String::new();
                prop_assert!(push_line(&mut text, &point, &FieldTypes::default()));
                let lines: Vec<_> = parse_lines(&text).collect::<Result<_, _>>().unwrap();
                prop_assert_eq!(lines.len(), 1, "{}", text);
                prop_assert_eq!(lines[0].field_set.len(), 1);
                prop_assert_eq!(lines[0].timestamp, Some(1));
            }
        }
    }
}
