//! Brings a dump service's deletions into the catalog, so that no record promises an image that is gone.

use std::sync::Arc;

use memdeck_catalog::Catalog;

use crate::client::ServiceClient;
use crate::protocol::DELETIONS_PER_CALL;
use crate::records::{ImportError, Imported, MAX_PAGES, catalog_of, check_order};
use memdeck_operations::blocking;

/// Imports what is new and returns the records that changed; `None` if the service reports no deletions. Records are
/// imported first: until then, and while the service has another catalog than then, there is nothing to delete. Only
/// records of this service are marked.
pub async fn import(client: &ServiceClient, catalog: &Arc<Catalog>) -> Result<Option<Imported>, ImportError> {
    let mut imported = Imported::default();
    let url = client.url().to_owned();
    let known = {
        let (catalog, url) = (Arc::clone(catalog), url.clone());
        blocking(move || catalog.setting(&catalog_of(&url))).await?
    };
    let Some(catalog_id) = known else { return Ok(Some(imported.complete())) };
    let cursor = format!("deletions of {url}#{catalog_id}");
    for _ in 0..MAX_PAGES {
        let since = {
            let (catalog, cursor) = (Arc::clone(catalog), cursor.clone());
            blocking(move || catalog.cursor(&cursor)).await?
        };
        let Some(page) = client.deletions(since).await? else { return Ok(None) };
        if page.catalog_id != catalog_id {
            return Ok(Some(imported.complete()));
        }
        check_order("deletions", since, page.deletions.iter().map(|numbered| numbered.seq))?;
        let complete = page.deletions.len() < DELETIONS_PER_CALL as usize;
        let (catalog, url, cursor) = (Arc::clone(catalog), url.clone(), cursor.clone());
        let deletions: Vec<_> =
            page.deletions.into_iter().map(|numbered| (numbered.seq, numbered.deletion)).collect();
        let changed = blocking(move || catalog.import_deletions(&url, &cursor, &deletions)).await?;
        imported.records.extend(changed);
        if complete {
            return Ok(Some(imported.complete()));
        }
    }
    Ok(Some(imported))
}
