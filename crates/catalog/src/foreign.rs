//! Records that no memdeck wrote: rows of the time-series store, copied so that one list shows them with all others.

use memdeck_model::Record;

use crate::import::remember;
use crate::record_row::{insert, numbered_records};
use crate::same_dump::{is_same_row, remove, tells_of};
use crate::{Catalog, CatalogError, pruned};

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForeignImported {
    /// New records.
    pub added: u64,
    /// Known records of which the store now has more, or something else.
    pub changed: u64,
}

impl Catalog {
    /// Stores records that were made of the rows of `origin`, and remembers that its rows up to `read_until` (microseconds
    /// since 1970) have been read. A row of a known dump is skipped, and so is one whose record was archived: the same call twice
    /// changes nothing.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn import_foreign(
        &self,
        origin: &str,
        records: &[Record],
        read_until: i64,
    ) -> Result<ForeignImported, CatalogError> {
        self.write("import rows of others", |tx| {
            let mut imported = ForeignImported::default();
            for record in records {
                let at = [record.timestamp.unix_micros()];
                let known = numbered_records(tx, "WHERE records.timestamp = ?1", at)?;
                if let Some((seq, before)) = known.iter().find(|(_, known)| is_same_row(known, record)) {
                    if before != record {
                        remove(tx, *seq)?;
                        insert(tx, Some(origin), record)?;
                        imported.changed += 1;
                    }
                } else if !known.iter().any(|(_, known)| tells_of(record, known))
                    && !pruned::has_row(tx, record)?
                {
                    insert(tx, Some(origin), record)?;
                    imported.added += 1;
                }
            }
            remember(tx, origin, read_until.max(0).unsigned_abs())?;
            Ok(imported)
        })
    }
}
