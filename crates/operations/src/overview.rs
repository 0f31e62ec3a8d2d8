//! What the page shows first: figures, health, and the present state of everything that events change later.

use std::collections::BTreeMap;
use std::sync::Arc;

use memdeck_catalog::BadVerification;
use memdeck_model::{
    DumpId, DumpStatus, Event, HostId, HostState, Message, Overview, Problem, ServiceHealth,
};

use crate::{Caller, Operations, blocking, catalog_notice, catalog_problem};

/// Damaged images that a page is told of when it connects.
const MOST_BAD: u32 = 100;

impl Operations {
    /// Figures and health.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn overview(&self, caller: &Caller) -> Result<Overview, Problem> {
        let stats = self.stats().await?;
        let (catalog, now) = (Arc::clone(&self.catalog), self.clock.now());
        let notice = blocking(move || catalog_notice::notice(&catalog, now));
        let (notice, storage) = tokio::join!(notice, self.readiness.storage_notice());
        Ok(Overview {
            catalog: notice.map_err(|error| catalog_problem(&error))?,
            storage,
            // Asked of its source: the event about a change may still be under way, or lost among thousands.
            service: self.hosts.health(),
            hypervisor: self.feed.hypervisor_error(),
            hypervisor_uri: self.hosts.guests_of(),
            host: self.hosts.own_name(),
            hosts: self.told_hosts().await,
            frozen_pause: self.frozen_pause().await?,
            import: self.import.as_ref().map(|import| import.borrow().clone()),
            rights: caller.rights,
            stats,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server_time: self.clock.now(),
        })
    }

    /// The hosts, where there are several.
    async fn told_hosts(&self) -> Vec<HostState> {
        if self.hosts.are_many() { self.hosts.states(self.clock.now()).await } else { Vec::new() }
    }

    /// What a page that just connected receives first.
    pub async fn present_state(&self) -> Vec<Event> {
        let (guests, statuses, storage) =
            tokio::join!(self.hosts.guests(), self.hosts.statuses(), self.readiness.storage_notice());
        let mut events = Vec::new();
        let (statuses, error) = match statuses {
            Ok(statuses) => (statuses, None),
            Err(error) => (BTreeMap::new(), Some(Message::new(error))),
        };
        events.push(Event::Service(ServiceHealth { error, ..self.hosts.health() }));
        events.push(Event::Storage(storage));
        events.extend(self.import.as_ref().map(|import| Event::Import(import.borrow().clone())));
        if self.hosts.are_many() {
            events.push(Event::Hosts(self.told_hosts().await));
        }
        match guests {
            Ok(guests) => events.extend([Event::Hypervisor(None), Event::Guests(guests)]),
            Err(problem) => events.push(Event::Hypervisor(Some(problem.detail))),
        }
        let active: BTreeMap<(Option<HostId>, DumpId), DumpStatus> = statuses
            .into_values()
            .filter(|status| !status.exact_state().is_final())
            .map(|status| ((status.host.clone(), status.dump_id.clone()), status))
            .collect();
        events.extend(active.into_values().map(|status| Event::Dump(Box::new(status))));
        events.extend(self.known_verifications().await);
        events
    }

    /// The newest verifications, and what was found damaged before memdeck was started.
    async fn known_verifications(&self) -> Vec<Event> {
        let mut known = self.images.verifications();
        // Where the catalog fails, which was logged, the page shows what is in memory.
        let bad = self.of_catalog(|catalog| catalog.bad_verifications(MOST_BAD)).await.unwrap_or_default();
        for BadVerification { verification, .. } in bad {
            if known.iter().all(|known| known.dump_id != verification.dump_id) {
                known.push(verification);
            }
        }
        known.into_iter().map(|verification| Event::Verification(Box::new(verification))).collect()
    }
}
