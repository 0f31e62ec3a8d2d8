//! What the activity log is made of: the jobs and imported records to which something happened last.

use memdeck_model::Record;

use super::row::many;
use crate::Job;
use crate::column::RECORD_COLUMNS;
use crate::record_row;
use crate::{Catalog, CatalogError};

/// Only so many of the newest jobs are looked at: what happens to an older one while so many came after it is not
/// among the last things that happened.
const NEWEST_JOBS: u32 = 2_000;

impl Catalog {
    /// The `limit` jobs to which something happened last, the latest first. Whatever is among the last `limit` things
    /// that happened to jobs happened to one of them.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn latest_jobs(&self, limit: u32) -> Result<Vec<Job>, CatalogError> {
        self.read("list what happened to dumps", |connection| {
            many(
                connection,
                &format!(
                    "WHERE jobs.seq > (SELECT coalesce(max(seq), 0) FROM jobs) - {NEWEST_JOBS}
                     ORDER BY coalesce(jobs.finished_at, jobs.started_at, jobs.queued_at) DESC, jobs.seq DESC
                     LIMIT {limit}"
                ),
            )
        })
    }

    /// The `limit` newest records of dumps that this catalog has no job of, because another service took them.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn latest_imported(&self, limit: u32) -> Result<Vec<Record>, CatalogError> {
        self.read("list the newest imported records", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {RECORD_COLUMNS} FROM records WHERE records.origin IS NOT NULL
                 ORDER BY records.timestamp DESC, records.seq DESC LIMIT ?1"
            ))?;
            let mut rows = statement.query([limit])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(record_row::read_record(row)?);
            }
            Ok(records)
        })
    }
}
