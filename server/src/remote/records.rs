//! Brings a dump service's records into the catalog, so that one table shows them all.

use std::collections::BTreeMap;
use std::sync::Arc;

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_model::{DumpStatus, GuestName, JobState, Record};

use super::client::{CallError, NumberedRecord, RECORDS_PER_CALL, ServiceClient};
use crate::blocking;

/// Why an import stopped. What came before it is kept.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The service.
    #[error("the dump service did not tell its records: {0}")]
    Service(#[from] CallError),
    /// The catalog.
    #[error("the catalog did not take records")]
    Catalog(#[from] CatalogError),
}

/// Imports what is new and returns it. A service that is not memdeck tells no records: its completed dumps become
/// records of what is known, which leaves the hash unknown.
pub async fn import(
    client: &ServiceClient,
    catalog: &Arc<Catalog>,
    statuses: &BTreeMap<String, DumpStatus>,
) -> Result<Vec<Record>, ImportError> {
    let url = client.url().to_owned();
    let mut imported = Vec::new();
    loop {
        let known = position(catalog, url.clone()).await?;
        let Some(page) = client.records(known.since).await? else {
            let records = statuses.values().filter_map(record_of_foreign).map(|record| (0, record)).collect();
            imported.extend(store(catalog, url, records).await?);
            return Ok(imported);
        };
        // Sequence numbers belong to one catalog: an agent that started anew counts from one again.
        let other_catalog = known.catalog_id.as_ref() != Some(&page.catalog_id);
        if other_catalog {
            remember_catalog(catalog, url.clone(), page.catalog_id.clone()).await?;
            if known.since > 0 {
                continue;
            }
        }
        let complete = page.records.len() < RECORDS_PER_CALL as usize;
        imported.extend(store_page(catalog, &url, &page.catalog_id, page.records).await?);
        if complete {
            return Ok(imported);
        }
    }
}

/// How far a service's records have been read.
struct Position {
    catalog_id: Option<String>,
    since: u64,
}

async fn position(catalog: &Arc<Catalog>, url: String) -> Result<Position, CatalogError> {
    let catalog = Arc::clone(catalog);
    blocking(move || {
        let catalog_id = catalog.setting(&catalog_of(&url))?;
        let since = match &catalog_id {
            Some(id) => catalog.cursor(&origin(&url, id))?,
            None => 0,
        };
        Ok(Position { catalog_id, since })
    })
    .await
}

async fn remember_catalog(catalog: &Arc<Catalog>, url: String, id: String) -> Result<(), CatalogError> {
    let catalog = Arc::clone(catalog);
    blocking(move || catalog.set_setting(&catalog_of(&url), &id)).await
}

async fn store_page(
    catalog: &Arc<Catalog>,
    url: &str,
    catalog_id: &str,
    records: Vec<NumberedRecord>,
) -> Result<Vec<Record>, CatalogError> {
    let records = records.into_iter().map(|numbered| (numbered.seq, numbered.record)).collect();
    store(catalog, origin(url, catalog_id), records).await
}

/// The setting that holds which catalog the service at `url` had last.
pub(super) fn catalog_of(url: &str) -> String {
    format!("catalog of {url}")
}

fn origin(url: &str, catalog_id: &str) -> String {
    format!("{url}#{catalog_id}")
}

async fn store(
    catalog: &Arc<Catalog>,
    origin: String,
    records: Vec<(u64, Record)>,
) -> Result<Vec<Record>, CatalogError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let catalog = Arc::clone(catalog);
    blocking(move || catalog.import(&origin, &records)).await
}

/// What a contract-only service tells about a completed dump.
fn record_of_foreign(status: &DumpStatus) -> Option<Record> {
    if status.exact_state() != JobState::Completed {
        return None;
    }
    let started = status.started_at.or(status.finished_at)?;
    let digits = status.vm.bytes().all(|b| b.is_ascii_digit());
    let vmid = if digits { status.vm.clone() } else { String::new() };
    Some(Record {
        duration_sec: status.duration_sec,
        dump_path: status.dump_path.clone(),
        dump_id: Some(status.dump_id.clone()),
        ..Record::unknown(GuestName(status.display_name().to_owned()), vmid, started)
    })
}
