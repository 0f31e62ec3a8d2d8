//! Entries of the audit as lines of a file: CSV (RFC 4180, UTF-8) or an object of JSON a line.
//!
//! Spreadsheets run text that begins like a formula: such text gets an apostrophe in front, as in [`super::records_csv`].

use memdeck_model::audit::{AuditEntry, AuditLine};

use super::records_csv::text;

/// The names of the columns.
const COLUMNS: [&str; 17] = [
    "Sequence",
    "Time",
    "Actor",
    "Address",
    "Action",
    "Object",
    "Guest",
    "Guest UUID",
    "Host",
    "Dump ID",
    "Result",
    "Details",
    "Request",
    "Actor (JSON)",
    "Details (JSON)",
    "Previous Hash",
    "Hash",
];

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    Csv,
    #[value(name = "jsonl")]
    JsonLines,
}

impl Form {
    /// What its files end in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/x-ndjson",
        }
    }

    /// What stands before the first entry.
    ///
    /// # Errors
    /// None that could happen; the signature is that of the writer.
    pub fn head(self) -> Result<Vec<u8>, csv::Error> {
        match self {
            Self::Csv => lines(std::iter::once(COLUMNS.map(str::to_owned))),
            Self::JsonLines => Ok(Vec::new()),
        }
    }

    /// A line for every entry.
    ///
    /// # Errors
    /// As of [`Self::head`].
    pub fn rows(self, entries: &[AuditEntry]) -> Result<Vec<u8>, csv::Error> {
        match self {
            Self::Csv => lines(entries.iter().map(cells)),
            Self::JsonLines => {
                let mut bytes = Vec::new();
                for entry in entries {
                    serde_json::to_writer(&mut bytes, entry).map_err(std::io::Error::from)?;
                    bytes.push(b'\n');
                }
                Ok(bytes)
            }
        }
    }
}

fn lines(rows: impl Iterator<Item = [String; COLUMNS.len()]>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn cells(entry: &AuditEntry) -> [String; COLUMNS.len()] {
    let line = AuditLine::from(entry);
    let words = |said: Option<&str>| text(said).into_owned();
    [
        entry.seq.to_string(),
        entry.at.to_string(),
        words(Some(&line.actor)),
        line.address,
        entry.action.as_str().to_owned(),
        words(Some(&line.object)),
        words(entry.object.guest()),
        words(entry.object.guest_uuid()),
        words(entry.object.host()),
        words(entry.object.dump_id().map(memdeck_model::DumpId::as_str)),
        entry.result.as_str().to_owned(),
        words(Some(&line.details)),
        words(entry.details.request_id.as_deref()),
        entry.actor.to_json(),
        serde_json::to_string(&entry.details).unwrap_or_default(),
        entry.previous.to_string(),
        line.hash,
    ]
}

#[cfg(test)]
mod tests {
    use memdeck_model::Actor;
    use memdeck_model::audit::{AuditAction, AuditHash, AuditObject, AuditRow, NewEntry};

    use super::*;

    fn entry(actor: &str) -> AuditEntry {
        let at = "2026-11-14T08:58:23Z".parse().unwrap();
        let new = NewEntry::new(
            at,
            Actor::named(actor),
            AuditAction::HostDrained,
            AuditObject::Host { name: "hv1".to_owned() },
        );
        AuditRow::new(7, &new, AuditHash::NONE).read().unwrap()
    }

    #[test]
    fn what_somebody_called_himself_is_no_formula_in_a_spreadsheet() {
        let bytes = Form::Csv.rows(&[entry("=1+1")]).unwrap();
        let line = String::from_utf8(bytes).unwrap();
        assert!(line.starts_with("7,2026-11-14T08:58:23.000000Z,'=1+1,,host_drained,host hv1,"), "{line}");
        let head = String::from_utf8(Form::Csv.head().unwrap()).unwrap();
        assert_eq!(head.matches(',').count(), COLUMNS.len() - 1);
    }

    #[test]
    fn a_line_of_json_is_the_whole_entry() {
        let known = [entry("ada"), entry("bob")];
        let bytes = Form::JsonLines.rows(&known).unwrap();
        let read: Vec<AuditEntry> = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(read, known);
    }
}
