//! Brings into the catalog how verifications of a dump service's images ended, whoever asked for them: a damaged image is told
//! here as if it had been found here.

use std::sync::Arc;

use memdeck_model::Verification;
use memdeck_operations::blocking;
use reqwest::Method;

use crate::call::{CallError, answer, lacking_as_none};
use crate::checked;
use crate::client::{ServiceClient, now};
use crate::host::AgentHost;
use crate::protocol::{NumberedVerification, VERIFICATIONS_PER_CALL, VerificationFeedPage};
use crate::records::{ImportError, MAX_PAGES, catalog_of, check_order};

impl AgentHost {
    /// Imports what is new, and tells it. Like deletions, after records.
    pub(crate) async fn import_verifications(&self) {
        if self.known.lock().lacks.verifications {
            return;
        }
        match self.new_verifications().await {
            Ok(Some(news)) => news.iter().for_each(|ended| self.images.hear(ended)),
            Ok(None) => self.known.lock().lacks.verifications = true,
            // If the service went away, the next look tells.
            Err(error) => tracing::debug!(
                service = self.url,
                error = &error as &dyn std::error::Error,
                "verifications not imported"
            ),
        }
    }

    /// What is new; `None` if the service reports no verifications.
    async fn new_verifications(&self) -> Result<Option<Vec<Verification>>, ImportError> {
        let (catalog, url) = (Arc::clone(&self.catalog), self.url.clone());
        let Some(catalog_id) = blocking(move || catalog.setting(&catalog_of(&url))).await? else {
            return Ok(Some(Vec::new()));
        };
        let cursor = format!("verifications of {}#{catalog_id}", self.url);
        let mut news = Vec::new();
        for _ in 0..MAX_PAGES {
            let since = {
                let (catalog, cursor) = (Arc::clone(&self.catalog), cursor.clone());
                blocking(move || catalog.cursor(&cursor)).await?
            };
            let Some(page) = self.client.verifications(since).await? else { return Ok(None) };
            if page.catalog_id != catalog_id {
                break;
            }
            check_order("verifications", since, page.verifications.iter().map(|numbered| numbered.seq))?;
            let is_last = page.verifications.len() < VERIFICATIONS_PER_CALL as usize;
            let told: Vec<_> =
                page.verifications.into_iter().map(|told| (told.seq, told.verification)).collect();
            let (catalog, url, cursor) = (Arc::clone(&self.catalog), self.url.clone(), cursor.clone());
            news.extend(blocking(move || catalog.import_verifications(&url, &cursor, &told)).await?);
            if is_last {
                break;
            }
        }
        Ok(Some(news))
    }
}

impl ServiceClient {
    /// `GET /api/verifications?since=`; `None` where the service has no such call.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    async fn verifications(&self, since: u64) -> Result<Option<VerificationFeedPage>, CallError> {
        let query = [("since", since), ("limit", VERIFICATIONS_PER_CALL.into())];
        let asked = answer(self.request(Method::GET, &["api", "verifications"]).query(&query)).await;
        let page: Option<VerificationFeedPage> = lacking_as_none(asked)?;
        let now = now();
        let verification = |told: NumberedVerification| NumberedVerification {
            verification: checked::verification(told.verification, now),
            ..told
        };
        Ok(page.map(|page| VerificationFeedPage {
            verifications: page.verifications.into_iter().map(verification).collect(),
            ..page
        }))
    }
}
