//! Records: pages, walks through all of them, totals.

use std::sync::Arc;

use memdeck_catalog::Place;
use memdeck_model::{LastDump, Problem, ProblemKind, Record, RecordFilter, RecordPage, RecordQuery, Stats};

use crate::{Caller, Operations, blocking, catalog_problem};

/// Records that a walk reads at a time.
const RECORDS_PER_STEP: u32 = 500;

impl Operations {
    /// One page of the records that a filter means and the caller may see.
    ///
    /// # Errors
    /// The filter cannot be used, or the catalog failed.
    pub async fn list_records(&self, query: RecordQuery, caller: &Caller) -> Result<RecordPage, Problem> {
        let query = query.bounded();
        check(&query.filter)?;
        let (catalog, reach) = (Arc::clone(&self.catalog), caller.reach.clone());
        blocking(move || catalog.records_within(&query, &reach))
            .await
            .map_err(|error| catalog_problem(&error))
    }

    /// The next of the records that a filter means and the caller may see, newest first, behind `place`; and where to go on, if there are more.
    ///
    /// # Errors
    /// The filter cannot be used, or the catalog failed.
    pub async fn walk_records(
        &self,
        filter: &RecordFilter,
        place: Option<Place>,
        caller: &Caller,
    ) -> Result<(Vec<Record>, Option<Place>), Problem> {
        check(filter)?;
        let (catalog, filter, reach) = (Arc::clone(&self.catalog), filter.clone(), caller.reach.clone());
        blocking(move || catalog.records_behind(&filter, &reach, place, RECORDS_PER_STEP))
            .await
            .map_err(|error| catalog_problem(&error))
    }

    /// The hosts that records name which the caller may see.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn record_hosts(&self, caller: &Caller) -> Result<Vec<String>, Problem> {
        let (catalog, reach) = (Arc::clone(&self.catalog), caller.reach.clone());
        blocking(move || catalog.hosts(&reach)).await.map_err(|error| catalog_problem(&error))
    }

    /// The newest successful dump of each guest that the caller may see, the newest first.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn last_dumps(&self, caller: &Caller) -> Result<Vec<LastDump>, Problem> {
        let (catalog, reach) = (Arc::clone(&self.catalog), caller.reach.clone());
        blocking(move || catalog.last_dumps(&reach)).await.map_err(|error| catalog_problem(&error))
    }

    /// Figures over all records that the caller may see.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn stats(&self, caller: &Caller) -> Result<Stats, Problem> {
        let (catalog, reach) = (Arc::clone(&self.catalog), caller.reach.clone());
        blocking(move || catalog.stats_within(&reach)).await.map_err(|error| catalog_problem(&error))
    }
}

fn check(filter: &RecordFilter) -> Result<(), Problem> {
    filter.check().map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))
}
