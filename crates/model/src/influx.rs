//! What is known of the time-series store.

use serde::{Deserialize, Serialize};

use crate::Message;

/// Which generation of calls a store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum InfluxVersion {
    /// `/api/v3`: database, token.
    V3,
    /// `/api/v2`: organisation, bucket, token.
    V2,
    /// `/write` and `/query`: database, user and password.
    V1,
}

/// What came of looking at the time-series store, step by step. A step that was not taken, because one before it failed, is
/// `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InfluxDiagnosis {
    /// The store: URL and database.
    pub store: String,
    /// Whether it answers at all.
    pub reachable: Option<DiagnosisStep>,
    /// The version it names, as it writes it.
    pub server_version: Option<String>,
    /// The calls with which a point was written.
    pub writes_by: Option<InfluxVersion>,
    /// Whether the database exists.
    pub database: Option<DiagnosisStep>,
    /// Whether a point was written: always the same one, which replaces itself.
    pub write: Option<DiagnosisStep>,
    /// Whether that point was read back.
    pub read: Option<DiagnosisStep>,
    /// Columns that the store has in another type than memdeck would write.
    pub columns: Vec<ColumnConflict>,
}

/// One step of a diagnosis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiagnosisStep {
    /// Whether it worked.
    pub ok: bool,
    /// What failed and what to do, for people.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub message: Option<Message>,
}

/// A column that the store has in another type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ColumnConflict {
    pub measurement: String,
    pub column: String,
    /// The type in the store, in its own word.
    pub stored: String,
    /// The type by nature, in the store's word.
    pub natural: String,
    /// Whether memdeck writes it all the same, as a number of the other kind. Otherwise rows with this field are refused.
    pub is_converted: bool,
}

/// How far the rows that others wrote have been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ForeignImport {
    /// Whether every row that was there has been read once since the start.
    pub is_complete: bool,
    /// Rows read since the start, those included that were known.
    pub rows_read: u64,
    /// Records that became of them.
    pub records_added: u64,
    /// Records of before that the store tells more of now, or something else.
    #[serde(default)]
    pub records_changed: u64,
    /// Rows of which something was not understood.
    pub rows_partly_understood: u64,
    /// Why the store is not read now, for people.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub problem: Option<Message>,
}

impl ForeignImport {
    /// Whether records came or changed between `before` and this.
    #[must_use]
    pub fn has_other_records_than(&self, before: &Self) -> bool {
        (self.records_added, self.records_changed) != (before.records_added, before.records_changed)
    }

    /// Whether both would look the same to people: how often rows that are known were read again is no news.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        let shown = |import: &Self| {
            let read = (!import.is_complete).then_some((import.rows_read, import.rows_partly_understood));
            (import.is_complete, read, import.problem.clone())
        };
        !self.has_other_records_than(other) && shown(self) == shown(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_read_again_are_no_news_and_records_are() {
        let complete =
            ForeignImport { is_complete: true, rows_read: 3, records_added: 2, ..ForeignImport::default() };
        let again = ForeignImport { rows_read: 9, rows_partly_understood: 1, ..complete.clone() };
        assert!(again.looks_like(&complete));
        let more = ForeignImport { records_added: 3, ..again.clone() };
        let changed = ForeignImport { records_changed: 1, ..again.clone() };
        let failed = ForeignImport { problem: Some("away".into()), ..again };
        for news in [more, changed, failed] {
            assert!(!news.looks_like(&complete), "{news:?}");
        }
        let reading = ForeignImport { is_complete: false, ..complete };
        assert!(!ForeignImport { rows_read: 4, ..reading.clone() }.looks_like(&reading));
    }
}
