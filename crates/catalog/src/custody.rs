//! Records as a chain of custody needs them: those of a case, and those around a dump in its host's chain.

use memdeck_model::{DumpId, Record, Remark};
use rusqlite::{Params, params};

use crate::record_row::numbered_records;
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Up to `limit` dumps of a case, the oldest first, those whose images were deleted included.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn records_of_case(&self, case: &Remark, limit: u32) -> Result<Vec<Record>, CatalogError> {
        let wanted = "WHERE records.case_number = ?1 AND records.dump_id IS NOT NULL
            ORDER BY records.timestamp, records.seq LIMIT ?2";
        self.wanted("list the dumps of a case", wanted, params![case.as_str(), limit])
    }

    /// The dump whose manifest has this SHA-256.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn record_of_manifest(&self, sha256: &str) -> Result<Option<Record>, CatalogError> {
        let wanted = "WHERE records.manifest_sha256 = ?1 AND records.dump_id IS NOT NULL LIMIT 1";
        let found = self.wanted("look for a manifest", wanted, params![sha256])?;
        Ok(found.into_iter().next())
    }

    /// Up to `limit` dumps of the same host that were recorded after this one, in that order.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn dumps_behind(&self, dump_id: &DumpId, limit: u32) -> Result<Vec<Record>, CatalogError> {
        let wanted = "JOIN records AS this ON this.dump_id = ?1
            WHERE records.seq > this.seq AND records.origin IS this.origin AND records.host IS this.host
                AND records.dump_id IS NOT NULL
            ORDER BY records.seq LIMIT ?2";
        self.wanted("list the dumps behind one", wanted, params![dump_id.as_str(), limit])
    }

    fn wanted(
        &self,
        operation: &'static str,
        wanted: &str,
        values: impl Params,
    ) -> Result<Vec<Record>, CatalogError> {
        self.list(operation, |connection| {
            let records = numbered_records(connection, wanted, values)?;
            Ok(records.into_iter().map(|(_, record)| record).collect())
        })
    }
}
