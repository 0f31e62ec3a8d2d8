//! What the page shows first: figures, health, and the present state of everything that events tell of later.

use std::collections::BTreeMap;
use std::sync::Arc;

use memdeck_model::{DumpId, DumpStatus, Event, Message, Overview, Problem, ServiceHealth};

use crate::{Operations, blocking, catalog_notice, catalog_problem};

impl Operations {
    /// Figures and health.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn overview(&self) -> Result<Overview, Problem> {
        let stats = self.stats().await?;
        let (catalog, now) = (Arc::clone(&self.catalog), self.clock.now());
        let notice = blocking(move || catalog_notice::notice(&catalog, now));
        let (notice, storage) = tokio::join!(notice, self.readiness.storage_notice());
        Ok(Overview {
            catalog: notice.map_err(|error| catalog_problem(&error))?,
            storage,
            // Asked of its source: the event that tells of a change may still be under way, or lost among thousands.
            service: self.host.health(),
            hypervisor: self.feed.hypervisor_error(),
            hypervisor_uri: self.host.guests_of(),
            host: self.host.name(),
            frozen_pause: self.frozen_pause().await?,
            stats,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server_time: self.clock.now(),
        })
    }

    /// What a page that just connected is told first.
    pub async fn present_state(&self) -> Vec<Event> {
        let (guests, statuses, storage) =
            tokio::join!(self.host.guests(), self.host.statuses(), self.readiness.storage_notice());
        let mut events = Vec::new();
        let (statuses, error) = match statuses {
            Ok(statuses) => (statuses, None),
            Err(error) => (BTreeMap::new(), Some(Message::new(error))),
        };
        events.push(Event::Service(ServiceHealth { error, ..self.host.health() }));
        events.push(Event::Storage(storage));
        match guests {
            Ok(guests) => events.extend([Event::Hypervisor(None), Event::Guests(guests)]),
            Err(problem) => events.push(Event::Hypervisor(Some(problem.detail))),
        }
        let active: BTreeMap<DumpId, DumpStatus> = statuses
            .into_values()
            .filter(|status| !status.exact_state().is_final())
            .map(|status| (status.dump_id.clone(), status))
            .collect();
        events.extend(active.into_values().map(|status| Event::Dump(Box::new(status))));
        let verifications = self.images.verifications().into_iter();
        events.extend(verifications.map(|verification| Event::Verification(Box::new(verification))));
        events
    }
}
