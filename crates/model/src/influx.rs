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
    /// Columns that the store has in another type than memdeck would give them.
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
    /// The measurement.
    pub measurement: String,
    /// The field.
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
    /// Rows of which something was not understood.
    pub rows_partly_understood: u64,
    /// Why the store is not read now, for people.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub problem: Option<Message>,
}
