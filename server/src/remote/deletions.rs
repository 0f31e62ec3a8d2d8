//! Brings a dump service's deletions into the catalog, so that no record promises an image that is gone.

use std::sync::Arc;

use memdeck_catalog::Catalog;
use memdeck_model::Record;

use super::client::{DELETIONS_PER_CALL, ServiceClient};
use super::records::{ImportError, catalog_of};
use crate::blocking;

/// Takes over what is new, and gives the records that changed; `None` where the service tells no deletions. Records are
/// imported first: until then, and while the service has another catalog than then, there is nothing to delete.
pub async fn import(
    client: &ServiceClient,
    catalog: &Arc<Catalog>,
) -> Result<Option<Vec<Record>>, ImportError> {
    let mut changed = Vec::new();
    let url = client.url().to_owned();
    let known = {
        let (catalog, url) = (Arc::clone(catalog), url.clone());
        blocking(move || catalog.setting(&catalog_of(&url))).await?
    };
    let Some(catalog_id) = known else { return Ok(Some(changed)) };
    let origin = format!("deletions of {url}#{catalog_id}");
    loop {
        let since = {
            let (catalog, origin) = (Arc::clone(catalog), origin.clone());
            blocking(move || catalog.cursor(&origin)).await?
        };
        let Some(page) = client.deletions(since).await? else { return Ok(None) };
        if page.catalog_id != catalog_id {
            return Ok(Some(changed));
        }
        let complete = page.deletions.len() < DELETIONS_PER_CALL as usize;
        let (catalog, origin) = (Arc::clone(catalog), origin.clone());
        let deletions: Vec<_> =
            page.deletions.into_iter().map(|numbered| (numbered.seq, numbered.deletion)).collect();
        changed.extend(blocking(move || catalog.import_deletions(&origin, &deletions)).await?);
        if complete {
            return Ok(Some(changed));
        }
    }
}
