//! Looks at a store step by step, for the person who has to make it work.

use memdeck_model::{ColumnConflict, DiagnosisStep, InfluxDiagnosis, Message, with_causes};

use crate::types::FieldType;
use crate::{FeedError, FieldValue, Influx, MEM_DUMPS, Point, PointSink as _, RowQuery, RowSource as _};

/// Has one row for ever: the point with which writing is tried.
const PROBE: &str = "memdeck_probe";

/// The types that the fields of a measurement have by nature.
#[derive(Clone, Copy, Debug)]
struct NaturalTypes<'a> {
    measurement: &'a str,
    /// Every other field is an integer.
    others: &'a [(&'a str, NaturalType)],
}

/// The type of a field that is no integer.
#[derive(Clone, Copy, Debug)]
enum NaturalType {
    Boolean,
    Text,
    Float,
}

const DUMPS: NaturalTypes<'_> = NaturalTypes {
    measurement: MEM_DUMPS,
    others: &[
        ("ok", NaturalType::Boolean),
        ("sha256", NaturalType::Text),
        ("manifest_sha256", NaturalType::Text),
        ("dump_path", NaturalType::Text),
        ("duration_sec", NaturalType::Float),
        ("dump_duration_sec", NaturalType::Float),
    ],
};

/// What the collector of telemetry writes.
const TELEMETRY: [NaturalTypes<'_>; 2] = [
    NaturalTypes { measurement: "vm_totals", others: &[] },
    NaturalTypes { measurement: "vm_devices", others: &[] },
];

impl Influx {
    /// Asks who it is, writes the point of `memdeck_probe`, which replaces itself, reads it back, and compares column types.
    pub async fn diagnose(&self) -> InfluxDiagnosis {
        let mut found = InfluxDiagnosis { store: self.description.clone(), ..InfluxDiagnosis::default() };
        match self.server_version().await {
            Err(error) => {
                found.reachable = Some(failed(&error));
                return found;
            }
            Ok(version) => {
                found.server_version = version;
                found.reachable = Some(step(None));
            }
        }
        let probe = Point {
            measurement: PROBE,
            tags: Vec::new(),
            fields: vec![("written", FieldValue::Boolean(true))],
            unix_nanos: 0,
        };
        let written = self.write(std::slice::from_ref(&probe)).await;
        let refusal = match written {
            Ok(outcome) => outcome.rejected.into_iter().next().map(|rejection| rejection.error),
            Err(error) => Some(error),
        };
        found.writes_by = self.version().await.filter(|_| refusal.is_none());
        // A missing database is created by the first write: one that is written to is there.
        found.database = match &refusal {
            None => Some(step(None)),
            Some(error @ FeedError::Refused { status: 404, .. }) => Some(failed(error)),
            Some(_) => None,
        };
        found.write = Some(refusal.as_ref().map_or_else(|| step(None), failed));
        let query = RowQuery {
            measurement: PROBE,
            columns: vec!["written"],
            from_nanos: Some(0),
            until_nanos: Some(1),
            limit: 1,
        };
        found.read = Some(match self.rows(&query).await {
            Err(error) => failed(&error),
            Ok(rows) if rows.is_empty() && refusal.is_none() => {
                step(Some(Message::new("the point that was written is not found when it is read")))
            }
            Ok(_) => step(None),
        });
        for natural in std::iter::once(DUMPS).chain(TELEMETRY) {
            found.columns.extend(self.conflicts(natural).await);
        }
        found
    }

    /// Columns whose type is another in the store. What cannot be asked for is not known to be in conflict.
    async fn conflicts(&self, natural: NaturalTypes<'_>) -> Vec<ColumnConflict> {
        let types = self.learn_types(natural.measurement).await.unwrap_or_default();
        let conflict = |(column, stored): (&str, FieldType)| {
            let by_nature = natural.others.iter().find(|(name, _)| *name == column);
            let by_nature = by_nature.map_or(FieldType::Integer, |(_, natural)| natural.field_type());
            (stored != by_nature).then(|| ColumnConflict {
                measurement: natural.measurement.to_owned(),
                column: column.to_owned(),
                stored: stored.as_str().to_owned(),
                natural: by_nature.as_str().to_owned(),
                is_converted: stored.is_number() && by_nature.is_number(),
            })
        };
        types.iter().filter_map(conflict).collect()
    }
}

impl NaturalType {
    fn field_type(self) -> FieldType {
        match self {
            Self::Boolean => FieldType::Boolean,
            Self::Text => FieldType::String,
            Self::Float => FieldType::Float,
        }
    }
}

fn step(wrong: Option<Message>) -> DiagnosisStep {
    DiagnosisStep { ok: wrong.is_none(), message: wrong }
}

fn failed(error: &FeedError) -> DiagnosisStep {
    step(Some(Message::new(with_causes(error))))
}
