//! Whether a block prints what its document shows. Figures differ from run to run; everything else must not.

use serde_json::Value;

use super::plan::{Kind, Shown};

/// Units that go with figures: 980 ms today may be 1.2 s tomorrow.
const UNITS: [&str; 9] = ["ms", "s", "min", "h", "B", "KiB", "MiB", "GiB", "TiB"];

/// Compares `printed` with what is shown of it; lines may also be among the `remarks` on standard error.
///
/// # Errors
/// It does not look like that; the message says where.
pub fn compare(shown: &Shown, printed: &str, remarks: &str) -> Result<(), String> {
    match shown.kind {
        Kind::Json => {
            let expected =
                serde_json::from_str(&shown.expected).map_err(|error| format!("no JSON: {error}"))?;
            let printed =
                serde_json::from_str(printed).map_err(|error| format!("printed is no JSON: {error}"))?;
            same_shape(&expected, &printed, "$")
        }
        _ => same_lines(&shown.expected, printed, remarks),
    }
}

/// Every field that is shown must be there, of the same kind; `null` is shown for what may be anything. There may be
/// more fields.
fn same_shape(expected: &Value, printed: &Value, place: &str) -> Result<(), String> {
    match (expected, printed) {
        (Value::Null, _)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => Ok(()),
        (Value::Object(expected), Value::Object(printed)) => {
            expected.iter().try_for_each(|(name, expected)| {
                let place = format!("{place}.{name}");
                let printed = printed.get(name).ok_or_else(|| format!("{place} is not printed"))?;
                same_shape(expected, printed, &place)
            })
        }
        (Value::Array(expected), Value::Array(printed)) => {
            expected.iter().enumerate().try_for_each(|(index, expected)| {
                let place = format!("{place}[{index}]");
                let printed = printed.get(index).ok_or_else(|| format!("{place} is not printed"))?;
                same_shape(expected, printed, &place)
            })
        }
        _ => Err(format!("{place} is shown as {expected}, printed as {printed}")),
    }
}

/// Every line that is shown must be printed, in this order; others may stand between them. What went to standard error
/// was printed at a time that nobody knows.
fn same_lines(expected: &str, printed: &str, remarks: &str) -> Result<(), String> {
    let mut rest = printed.lines();
    for line in expected.lines().filter(|line| !line.trim().is_empty()) {
        let wanted = words(line);
        let is_wanted = |line: &str| words(line) == wanted;
        if !remarks.lines().any(is_wanted) && !rest.any(is_wanted) {
            return Err(format!("this line is shown and not printed here: {line}"));
        }
    }
    Ok(())
}

/// The words of a line, with a `#` for what has a digit in it: figures, hashes, instants, names of files.
fn words(line: &str) -> Vec<String> {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ';', '.', ':']);
        match bare {
            _ if bare.contains(|c: char| c.is_ascii_digit()) => "#".to_owned(),
            _ if UNITS.contains(&bare) => "unit".to_owned(),
            _ => word.to_owned(),
        }
    };
    line.split_whitespace().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(kind: Kind, expected: &str, printed: &str) -> Result<(), String> {
        compare(&Shown { line: 1, kind, expected: expected.to_owned() }, printed, "wrote 1 MiB\n")
    }

    #[test]
    fn figures_may_differ_and_words_may_not() {
        let shown = "db-01: Dump completed: 512 MiB stored as 28.9 MiB; stopped for 980 ms\n";
        let printed = "first\ndb-01: Dump completed: 512 MiB stored as 1.2 GiB; stopped for 1.1 s\nlast\n";
        assert_eq!(compared(Kind::Text, shown, printed), Ok(()));
        assert!(compared(Kind::Text, shown, &printed.replace("completed", "failed")).is_err());
        assert!(compared(Kind::Text, "b\na\n", "a\nb\n").is_err(), "in this order");
        assert!(compared(Kind::Text, "a\n", "").is_err());
        assert_eq!(compared(Kind::Text, "a\nwrote 2 MiB\nb\n", "a\nb\n"), Ok(()), "a remark");
    }

    #[test]
    fn json_has_the_fields_that_are_shown() {
        let shown = r#"{"records": [{"dom": "db-01", "pause_ms": 13, "fallback": null}], "count": 1}"#;
        let printed = r#"{"records": [{"dom": "x", "pause_ms": 0, "fallback": "y", "new": 1}], "count": 9}"#;
        assert_eq!(compared(Kind::Json, shown, printed), Ok(()));
        for (from, to, place) in [
            (
                "\"pause_ms\": 0",
                "\"pause_ms\": null",
                "$.records[0].pause_ms is shown as 13, printed as null",
            ),
            ("\"count\": 9", "\"counts\": 9", "$.count is not printed"),
            ("[{", "[], \"x\": [{", "$.records[0] is not printed"),
        ] {
            assert_eq!(compared(Kind::Json, shown, &printed.replace(from, to)).unwrap_err(), place);
        }
    }
}
