//! What is read out of sentences of `InfluxDB`, because its answers hold no code for it. All of it stands here.
//!
//! | text | written by | the answer beside it |
//! |---|---|---|
//! | `database not found: NAME` | version 1, `errors.go`, in the result of a statement (1.6.7) | 200, no code |
//! | `field type conflict: input field "F" on measurement "M" is type T, already exists as type U` | version 1, `tsdb/shard.go` (1.6.7); version 2 the same, as 422 | 400, `error` only |
//! | `invalid column type for column 'F', expected iox::column_type::field::T, got …` | version 3, `influxdb3_write`, in `data[].error_message` (3.9) | 400, no code |
//!
//! A store that says it in other words is not misread: its refusal is then one like any other, and is shown as it came.

/// A refusal for the type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeConflict<'text> {
    /// The column, and the store's word for the type that it has there; `None` if the text does not name them.
    pub(crate) stated: Option<(&'text str, &'text str)>,
}

/// Whether a refusal is about the type of a column. `text` is the whole answer, or one sentence of it, without JSON's
/// escapes.
pub(crate) fn type_conflict(text: &str) -> Option<TypeConflict<'_>> {
    let (column, word) = if text.contains("field type conflict") {
        (between(text, "input field \"", "\""), word_after(text, "already exists as type "))
    } else if text.contains("invalid column type") {
        (between(text, "for column '", "'"), word_after(text, "expected iox::column_type::field::"))
    } else {
        return None;
    };
    Some(TypeConflict { stated: column.zip(word) })
}

/// Whether the error of a statement is that its database does not exist.
pub(crate) fn is_missing_database(error: &str) -> bool {
    error.starts_with("database not found")
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

fn word_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split(|c: char| !c.is_ascii_alphabetic()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the stores sent them.
    const CONFLICT_1: &str = "partial write: field type conflict: input field \"raw_size_bytes\" on measurement \
        \"mem_dumps\" is type float, already exists as type integer dropped=1";
    const CONFLICT_3: &str = "invalid column type for column 'raw_size_bytes', expected \
        iox::column_type::field::float, got iox::column_type::field::integer";

    #[test]
    fn a_conflict_names_the_column_and_the_type_that_the_store_has() {
        let stated = |text| type_conflict(text).expect("a conflict").stated;
        assert_eq!(stated(CONFLICT_1), Some(("raw_size_bytes", "integer")));
        assert_eq!(stated(CONFLICT_3), Some(("raw_size_bytes", "float")));
        assert_eq!(stated("field type conflict"), None);
        assert_eq!(type_conflict("unable to parse 'x': invalid boolean"), None);
    }

    #[test]
    fn a_missing_database_is_told_from_other_errors_of_a_statement() {
        assert!(is_missing_database("database not found: vmstats"));
        assert!(!is_missing_database("retention policy not found: database not found"));
        assert!(!is_missing_database("timeout"));
    }
}
