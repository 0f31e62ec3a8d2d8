//! Lines of a file that somebody could not write to a store at the time.

use crate::point::AsLine;
use crate::{FeedError, FieldValue, Influx, WriteOutcome};

/// A line in the line protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct BacklogLine {
    measurement: String,
    tags: Vec<(String, String)>,
    fields: Vec<(String, FieldValue)>,
    unix_nanos: i64,
}

/// Why a line cannot be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it is in its message")]
pub enum BacklogError {
    #[error("the measurement is missing")]
    Measurement,
    #[error("a tag is not NAME=VALUE")]
    Tag,
    #[error("the fields are missing, or one is not NAME=VALUE")]
    Field,
    #[error("a field's value is neither a number, a text in quotes nor true or false")]
    Value,
    #[error("the time is missing: written now and again, the line would become two rows")]
    NoTime,
    #[error("the time is not a whole number of nanoseconds")]
    Time,
}

impl BacklogLine {
    /// Reads a line. `None` for an empty one and a comment.
    ///
    /// # Errors
    /// It is no line that can be written again without becoming another row.
    pub fn read(line: &str) -> Result<Option<Self>, BacklogError> {
        let line = line.trim_end_matches(['\r', '\n']).trim_start();
        if line.trim_end().is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let (measurement, mut rest) = name(line, &[',', ' ']);
        if measurement.is_empty() {
            return Err(BacklogError::Measurement);
        }
        let mut tags = Vec::new();
        while let Some(tag) = rest.strip_prefix(',') {
            let (key, after) = name(tag, &[',', '=', ' ']);
            let value = after.strip_prefix('=').ok_or(BacklogError::Tag)?;
            let (value, after) = name(value, &[',', '=', ' ']);
            if key.is_empty() || value.is_empty() || after.starts_with('=') {
                return Err(BacklogError::Tag);
            }
            tags.push((key, value));
            rest = after;
        }
        let mut fields = Vec::new();
        rest = rest.trim_start_matches(' ');
        loop {
            let (key, after) = name(rest, &[',', '=', ' ']);
            let value = after.strip_prefix('=').filter(|_| !key.is_empty()).ok_or(BacklogError::Field)?;
            let (value, after) = field_value(value)?;
            fields.push((key, value));
            let Some(next) = after.strip_prefix(',') else {
                rest = after;
                break;
            };
            rest = next;
        }
        let time = rest.trim_matches(' ');
        if time.is_empty() {
            return Err(BacklogError::NoTime);
        }
        let unix_nanos = time.parse().map_err(|_| BacklogError::Time)?;
        Ok(Some(Self { measurement, tags, fields, unix_nanos }))
    }
}

impl AsLine for BacklogLine {
    fn measurement(&self) -> &str {
        &self.measurement
    }

    fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn fields(&self) -> impl Iterator<Item = (&str, &FieldValue)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn unix_nanos(&self) -> i64 {
        self.unix_nanos
    }
}

impl Influx {
    /// Writes lines of a file, their numbers in the types that the store has. A line that is written again is the same row.
    ///
    /// # Errors
    /// As [`PointSink::write`](crate::PointSink::write).
    pub async fn replay(&self, lines: &[BacklogLine]) -> Result<WriteOutcome, FeedError> {
        self.write_lines(lines).await
    }
}

/// A name up to one of `ends` that is not escaped, its escapes undone, and what follows.
fn name<'a>(text: &'a str, ends: &[char]) -> (String, &'a str) {
    let mut name = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (character, characters.peek()) {
            (end, _) if ends.contains(&end) => return (name, text.get(at..).unwrap_or_default()),
            ('\\', Some(&(_, escaped @ (',' | '=' | ' ')))) => {
                name.push(escaped);
                characters.next();
            }
            _ => name.push(character),
        }
    }
    (name, "")
}

fn field_value(text: &str) -> Result<(FieldValue, &str), BacklogError> {
    if let Some(text) = text.strip_prefix('"') {
        return quoted(text).ok_or(BacklogError::Value);
    }
    let end = text.find([',', ' ']).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let value = match word {
        "t" | "T" | "true" | "True" | "TRUE" => FieldValue::Boolean(true),
        "f" | "F" | "false" | "False" | "FALSE" => FieldValue::Boolean(false),
        _ => match word.strip_suffix(['i', 'u']) {
            Some(digits) => FieldValue::Integer(digits.parse().map_err(|_| BacklogError::Value)?),
            None => FieldValue::Float(number(word).ok_or(BacklogError::Value)?),
        },
    };
    Ok((value, rest))
}

/// A finite number. Rust reads `inf` and `nan` too, which no store takes.
fn number(word: &str) -> Option<f64> {
    word.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A text up to the quote that ends it.
fn quoted(text: &str) -> Option<(FieldValue, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((FieldValue::Text(value), text.get(at + 1..).unwrap_or_default())),
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::push_line;
    use crate::types::FieldTypes;

    #[test]
    fn a_line_is_read_with_its_escapes_and_types() {
        let line = r#"mem_dumps,dom=a\ b\,c,vmid=7 ok=true,sha256="a \"b\" \\ c",raw_size_bytes=512,loop=0i,duration_sec=1.5 1763110703550273000"#;
        let read = BacklogLine::read(line).unwrap().unwrap();
        assert_eq!(read.tags[0], ("dom".to_owned(), "a b,c".to_owned()));
        assert_eq!(read.fields[1].1, FieldValue::Text(r#"a "b" \ c"#.to_owned()));
        assert_eq!(read.fields[2].1, FieldValue::Float(512.0));
        assert_eq!(read.fields[3].1, FieldValue::Integer(0));
        let mut written = String::new();
        assert!(push_line(&mut written, &read, &FieldTypes::default()));
        assert_eq!(written, line);
    }

    #[test]
    fn comments_and_empty_lines_are_passed_over() {
        for line in ["", "  ", "# 2025-11-14 write failed: timeout", "\r\n"] {
            assert_eq!(BacklogLine::read(line), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_again_says_why() {
        for (line, why) in [
            ("mem_dumps,dom=a ok=true", BacklogError::NoTime),
            ("mem_dumps,dom=a ok=true yesterday", BacklogError::Time),
            ("mem_dumps,dom=a", BacklogError::Field),
            ("mem_dumps,dom= ok=true 1", BacklogError::Tag),
            ("mem_dumps,dom ok=true 1", BacklogError::Tag),
            ("mem_dumps,dom=a ok=perhaps 1", BacklogError::Value),
            ("mem_dumps,dom=a size=inf 1", BacklogError::Value),
            ("mem_dumps,dom=a sha256=\"half", BacklogError::Value),
            (" ,dom=a ok=true 1", BacklogError::Measurement),
        ] {
            assert_eq!(BacklogLine::read(line), Err(why), "{line}");
        }
    }

    mod any_line {
        use proptest::prelude::*;

        use super::*;

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
            fn what_was_written_is_read_as_it_was(
                names in proptest::collection::vec("[^\\p{C}\\\\]{1,8}", 3),
                values in proptest::collection::vec(value(), 1..4),
                unix_nanos in any::<i64>(),
            ) {
                let fields = (0..).map(|n| format!("field {n}")).zip(values).collect();
                let tags = vec![("dom".to_owned(), names[0].clone()), (names[1].clone(), names[2].clone())];
                let meant = BacklogLine { measurement: "mem_dumps".to_owned(), tags, fields, unix_nanos };
                let mut line = String::new();
                prop_assert!(push_line(&mut line, &meant, &FieldTypes::default()));
                prop_assert_eq!(BacklogLine::read(&line), Ok(Some(meant)), "{}", line);
            }

            #[test]
            fn no_line_is_read_without_an_end(line in any::<String>()) {
                let _line_or_why_not = BacklogLine::read(&line);
            }
        }
    }
}
