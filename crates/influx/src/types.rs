//! The types that the columns of a measurement have in a store.
//!
//! They differ between installations: the first writer of a column fixed its type, and a store refuses a row whose
//! type differs. So they are learned from the store and from its refusals.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::query::quoted_name;
use crate::reply::sentences;
use crate::texts::type_conflict;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldType {
    Float,
    Integer,
    Unsigned,
    String,
    Boolean,
}

impl FieldType {
    fn read(word: &str) -> Option<Self> {
        match word {
            "float" => Some(Self::Float),
            "integer" => Some(Self::Integer),
            "unsigned" | "uinteger" => Some(Self::Unsigned),
            "string" => Some(Self::String),
            "boolean" => Some(Self::Boolean),
            _ => None,
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Float | Self::Integer | Self::Unsigned)
    }

    /// The word that the store has for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::String => "string",
            Self::Boolean => "boolean",
        }
    }
}

/// The types of those columns that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldTypes(BTreeMap<String, FieldType>);

impl FieldTypes {
    /// Asks for the types, in the words of `InfluxQL`.
    pub(crate) fn query(measurement: &str) -> String {
        format!("SHOW FIELD KEYS FROM {}", quoted_name(measurement))
    }

    /// Reads the answer to [`Self::query`]. What cannot be read is unknown. Version 1 keeps types per shard and may
    /// list a column twice; the first is taken, and a refusal corrects it.
    pub(crate) fn read(answer: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Answer {
            results: Vec<QueryResult>,
        }
        #[derive(Deserialize)]
        struct QueryResult {
            #[serde(default)]
            series: Vec<Series>,
        }
        #[derive(Deserialize)]
        struct Series {
            #[serde(default)]
            values: Vec<(String, String)>,
        }
        let answer: Answer = serde_json::from_slice(answer).unwrap_or(Answer { results: Vec::new() });
        let mut types = Self::default();
        for (name, word) in answer.results.into_iter().flat_map(|r| r.series).flat_map(|s| s.values) {
            if let Some(field_type) = FieldType::read(&word) {
                types.0.entry(name).or_insert(field_type);
            }
        }
        types
    }

    /// The type of a column, if it is known.
    pub(crate) fn get(&self, field: &str) -> Option<FieldType> {
        self.0.get(field).copied()
    }

    /// Every column whose type is known.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, FieldType)> {
        self.0.iter().map(|(name, field_type)| (name.as_str(), *field_type))
    }

    /// Takes over what `other` knows, also if it differs.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(name, field_type)| (name.clone(), *field_type)));
    }

    /// The type of the column that a refusal names. `None` when the refusal is about something else; it may be about types
    /// and name no column.
    pub(crate) fn from_refusal(body: &str) -> Option<Self> {
        let sentences = sentences(body);
        let conflict = sentences.iter().find_map(|sentence| type_conflict(sentence))?;
        let stated = conflict.stated.and_then(|(name, word)| Some((name.to_owned(), FieldType::read(word)?)));
        Some(Self(stated.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_type_of_a_column_is_taken() {
        let types = FieldTypes::read(
            br#"{"results":[{"statement_id":0,"series":[{"name":"mem_dumps","columns":["fieldKey","fieldType"],
                "values":[["ctime","float"],["ctime","integer"],["ok","boolean"],["odd","duration"]]}]}]}"#,
        );
        assert_eq!(types.get("ctime"), Some(FieldType::Float));
        assert_eq!(types.get("ok"), Some(FieldType::Boolean));
        assert_eq!(types.get("odd"), None);
    }

    #[test]
    fn an_answer_without_columns_teaches_nothing() {
        for answer in [
            r#"{"results":[{"statement_id":0}]}"#,
            r#"{"results":[{"error":"database not found"}]}"#,
            "[]",
            "",
        ] {
            assert_eq!(FieldTypes::read(answer.as_bytes()), FieldTypes::default(), "{answer}");
        }
    }

    #[test]
    fn a_refusal_states_the_type_wherever_its_sentence_stands() {
        let (v1, v3) = (
            r#"{"error":"partial write: field type conflict: input field \"raw_size_bytes\" on measurement \"mem_dumps\" is type float, already exists as type integer dropped=1"}"#,
            r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"mem_dumps,dom=a ","line_number":1,"error_message":"invalid column type for column 'raw_size_bytes', expected iox::column_type::field::float, got iox::column_type::field::integer"}]}"#,
        );
        let v2 = v1.replace("error", "message");
        let later = v3.replace("\"data\":[", "\"data\":[{\"line_number\":1,\"error_message\":\"another\"},");
        let stated = |body: &str| FieldTypes::from_refusal(body).unwrap().get("raw_size_bytes");
        assert_eq!(stated(v1), Some(FieldType::Integer));
        assert_eq!(stated(&v2), Some(FieldType::Integer));
        assert_eq!(stated(v3), Some(FieldType::Float));
        assert_eq!(stated(&later), Some(FieldType::Float));
        assert_eq!(stated(&v3[..v3.len() - 3]), Some(FieldType::Float), "an answer that was cut");
        assert_eq!(FieldTypes::from_refusal("field type conflict"), Some(FieldTypes::default()));
        assert_eq!(FieldTypes::from_refusal(r#"{"error":"unable to parse 'x': invalid boolean"}"#), None);
    }
}
