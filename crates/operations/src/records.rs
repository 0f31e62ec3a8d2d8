//! Records: pages, walks through all of them, totals.

use std::sync::Arc;

use memdeck_catalog::Place;
use memdeck_model::{LastDump, Problem, ProblemKind, Record, RecordFilter, RecordPage, RecordQuery, Stats};

use crate::{Operations, blocking, catalog_problem};

/// Records that a walk reads at a time.
const RECORDS_PER_STEP: u32 = 500;

impl Operations {
    /// One page of the records that a filter means.
    ///
    /// # Errors
    /// The filter cannot be used, or the catalog failed.
    pub async fn list_records(&self, query: RecordQuery) -> Result<RecordPage, Problem> {
        let query = query.bounded();
        check(&query.filter)?;
        let catalog = Arc::clone(&self.catalog);
        blocking(move || catalog.records(&query)).await.map_err(|error| catalog_problem(&error))
    }

    /// The next of the records that a filter means, newest first, behind `place`; and where to go on, if there are more.
    ///
    /// # Errors
    /// The filter cannot be used, or the catalog failed.
    pub async fn walk_records(
        &self,
        filter: &RecordFilter,
        place: Option<Place>,
    ) -> Result<(Vec<Record>, Option<Place>), Problem> {
        check(filter)?;
        let (catalog, filter) = (Arc::clone(&self.catalog), filter.clone());
        blocking(move || catalog.records_behind(&filter, place, RECORDS_PER_STEP))
            .await
            .map_err(|error| catalog_problem(&error))
    }

    /// The hosts that records name.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn record_hosts(&self) -> Result<Vec<String>, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || catalog.hosts()).await.map_err(|error| catalog_problem(&error))
    }

    /// The newest successful dump of each guest, the newest first.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn last_dumps(&self) -> Result<Vec<LastDump>, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || catalog.last_dumps()).await.map_err(|error| catalog_problem(&error))
    }

    /// Figures over all records.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn stats(&self) -> Result<Stats, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || catalog.stats()).await.map_err(|error| catalog_problem(&error))
    }
}

fn check(filter: &RecordFilter) -> Result<(), Problem> {
    filter.check().map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))
}
