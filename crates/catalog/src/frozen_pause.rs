//! How long guests stood still for their frozen dumps.

use memdeck_model::{ByteCount, Millis};

use crate::record_row::numbered_records;
use crate::{Catalog, CatalogError};

/// Dumps that count: the newest, because a host changes.
const NEWEST: u32 = 10;
/// A shorter pause is mostly the stopping and the letting go, and says little about the reading.
const SHORTEST: Millis = Millis(100);

impl Catalog {
    /// Size and pause of the newest frozen dumps that this catalog's own service took on `host`, newest first: at most
    /// ten, and only those with a pause of 100 ms or more. What somebody else changed in the catalog does not count.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn frozen_pauses(&self, host: &str) -> Result<Vec<(ByteCount, Millis)>, CatalogError> {
        self.list("read how long frozen dumps took", |connection| {
            // The index has host and mode: rows of other dumps are not looked at.
            let clause = format!(
                "INDEXED BY records_listing
                 WHERE host = ?1 AND mode = 'frozen' AND origin IS NULL AND pause_ms >= {} AND raw_size_bytes > 0
                 ORDER BY timestamp DESC, seq DESC LIMIT {NEWEST}",
                SHORTEST.0
            );
            let records = numbered_records(connection, &clause, [host])?;
            let told = |(_, record): (u64, memdeck_model::Record)| {
                (!record.altered).then_some((record.raw_size_bytes?, record.pause_ms?))
            };
            Ok(records.into_iter().filter_map(told).collect())
        })
    }
}
