//! A service takes the dumps.

use async_trait::async_trait;
use memdeck_agent::{Asked, Face, refused_options};
use memdeck_model::{DumpId, DumpOptions, DumpStatus, FrozenPause, Guest, VmRef};
use memdeck_operations::Everyone;

use super::{Cancelled, Ends, Session, meant};
use crate::commands::Failure;
use crate::commands::service::{Service, operator};

#[async_trait]
impl Session for Service {
    async fn guests(&self) -> Result<Vec<Guest>, Failure> {
        Self::guests(self).await
    }

    async fn statuses(&self) -> Result<Vec<DumpStatus>, Failure> {
        let statuses = self.client.statuses(self.face).await;
        Ok(statuses.map_err(|error| self.failed(&error))?.into_values().collect())
    }

    async fn frozen_pause(&self) -> Option<FrozenPause> {
        self.client.frozen_pause().await.ok()?.known()
    }

    async fn trigger(&self, targets: Vec<VmRef>, options: DumpOptions) -> Result<Asked, Failure> {
        let client = &self.client;
        if self.face == Face::Dashboard {
            let asked = client.trigger_on_dashboard(targets, options, &operator()).await;
            return asked.map_err(|error| self.failed(&error));
        }
        let Everyone { targets, omitted } = meant(self, targets).await?;
        if targets.is_empty() {
            return Ok(Asked { omitted, ..Asked::default() });
        }
        let capabilities = client.capabilities().await.map_err(|error| self.failed(&error))?;
        if let Some(what) = refused_options(&options, capabilities) {
            let url = client.url();
            return Err(Failure::usage(format!(
                "the dump service {url} takes no {what}: it decides that itself; ask without"
            )));
        }
        let dumps = client.trigger(&targets, &options, capabilities, &operator(), None).await;
        Ok(Asked { dumps: dumps.map_err(|error| self.failed(&error))?, omitted })
    }

    async fn cancel(&self, dump_id: &DumpId) -> Result<Cancelled, Failure> {
        let is_done = Self::cancel(self, dump_id, &operator()).await?;
        Ok(if is_done { Cancelled::Yes } else { Cancelled::NotBy(self.client.url().to_string()) })
    }

    /// None: it is asked again and again.
    fn ends(&self) -> Ends {
        Ends(None)
    }

    async fn close(self: Box<Self>) {}
}
