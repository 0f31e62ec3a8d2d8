//! Brings a dump service's records into the catalog, so that one table shows them all.

use std::sync::Arc;

use memdeck_catalog::{Catalog, CatalogError, RemoteDump};
use memdeck_model::{GuestName, JobState, Record, VmRef};

use crate::call::CallError;
use crate::client::ServiceClient;
use crate::protocol::{DELETIONS_PER_CALL, NumberedRecord, RECORDS_PER_CALL};
use memdeck_operations::blocking;

/// Why an import stopped. What came before it is kept.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the dump service did not report its records: {0}")]
    Service(#[from] CallError),
    #[error("the catalog did not take records")]
    Catalog(#[from] CatalogError),
    /// Going on would never end.
    #[error("the dump service does not advance: after number {since} it returned {what} that are not newer")]
    DoesNotAdvance {
        /// Records, deletions or verifications.
        what: &'static str,
        /// What it was asked to begin after.
        since: u64,
    },
    /// A page has more entries than were asked for.
    #[error("the dump service returned more {what} at once than requested")]
    TooMany {
        /// Records, deletions or verifications.
        what: &'static str,
    },
}

/// The most pages of one import. What is left is imported by later ones, which wait longer and longer.
pub const MAX_PAGES: u32 = 20;

/// What one import brought.
#[derive(Debug, Default)]
pub struct Imported {
    /// Records that are new or changed.
    pub records: Vec<Record>,
    /// Whether the service had nothing more to tell.
    pub is_complete: bool,
}

impl Imported {
    /// With everything that there was.
    pub fn complete(self) -> Self {
        Self { is_complete: true, ..self }
    }
}

/// A page must begin after `since` and ascend: otherwise what is asked next is what was asked before.
pub fn check_order(
    what: &'static str,
    since: u64,
    seqs: impl Iterator<Item = u64>,
) -> Result<(), ImportError> {
    let mut last = since;
    for (place, seq) in seqs.enumerate() {
        if place >= RECORDS_PER_CALL.max(DELETIONS_PER_CALL) as usize {
            return Err(ImportError::TooMany { what });
        }
        if seq <= last {
            return Err(ImportError::DoesNotAdvance { what, since });
        }
        last = seq;
    }
    Ok(())
}

/// Imports what is new and returns it. A service that is not memdeck tells no records: its completed dumps become
/// records of what is known, which leaves the hash unknown.
pub async fn import(
    client: &ServiceClient,
    catalog: &Arc<Catalog>,
    dumps: &[RemoteDump],
) -> Result<Imported, ImportError> {
    let url = client.url().to_owned();
    let mut imported = Imported::default();
    let mut began_anew = false;
    for _ in 0..MAX_PAGES {
        let known = position(catalog, url.clone()).await?;
        let Some(page) = client.records(known.since).await? else {
            let records = dumps.iter().filter_map(record_of_foreign).map(|record| (0, record)).collect();
            imported.records.extend(store(catalog, url, records).await?);
            return Ok(imported.complete());
        };
        // Sequence numbers belong to one catalog: an agent that started anew counts from one again.
        let other_catalog = known.catalog_id.as_ref() != Some(&page.catalog_id);
        if other_catalog {
            // A catalog that is another one with every page is none.
            if std::mem::replace(&mut began_anew, true) {
                return Err(ImportError::DoesNotAdvance { what: "records", since: known.since });
            }
            remember_catalog(catalog, url.clone(), page.catalog_id.clone()).await?;
            if known.since > 0 {
                continue;
            }
        }
        check_order("records", known.since, page.records.iter().map(|numbered| numbered.seq))?;
        let complete = page.records.len() < RECORDS_PER_CALL as usize;
        let stored = store_page(catalog, &url, &page.catalog_id, page.records).await?;
        imported.records.extend(stored);
        if complete {
            return Ok(imported.complete());
        }
    }
    Ok(imported)
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
pub(crate) fn catalog_of(url: &str) -> String {
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

/// What is known about a completed dump of a contract-only service. An id or a UUID is no name: where the name is not
/// known it is left empty.
fn record_of_foreign(dump: &RemoteDump) -> Option<Record> {
    let status = &dump.status;
    if status.exact_state() != JobState::Completed {
        return None;
    }
    let started = status.started_at.or(status.finished_at)?;
    let asked = VmRef::new(&status.vm).ok();
    let is_id = asked.as_ref().is_some_and(|vm| vm.as_str().bytes().all(|byte| byte.is_ascii_digit()));
    let is_uuid = asked.is_some_and(|vm| vm.as_uuid().is_some());
    let (name, vmid) = match (&dump.guest, &status.guest) {
        (Some(guest), _) => (guest.name.clone(), guest.vmid.clone()),
        (None, Some(name)) => (name.clone(), String::new()),
        (None, None) if is_id => (GuestName(String::new()), status.vm.clone()),
        (None, None) if is_uuid => (GuestName(String::new()), String::new()),
        (None, None) => (GuestName(status.vm.clone()), String::new()),
    };
    Some(Record {
        duration_sec: status.duration_sec,
        dump_path: status.dump_path.clone(),
        dump_id: Some(status.dump_id.clone()),
        case: dump.case.clone(),
        note: dump.note.clone(),
        ..Record::unknown(name, vmid, started)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_that_does_not_advance_is_given_up() {
        let order = |since, seqs: &[u64]| check_order("records", since, seqs.iter().copied());
        assert!(order(0, &[]).is_ok() && order(7, &[8, 9, 20]).is_ok());
        for seqs in [&[7][..], &[1, 2], &[8, 8], &[9, 8]] {
            assert!(matches!(order(7, seqs), Err(ImportError::DoesNotAdvance { since: 7, .. })), "{seqs:?}");
        }
        let endless: Vec<u64> = (1..=501).collect();
        assert!(matches!(order(0, &endless), Err(ImportError::TooMany { .. })));
    }
}
