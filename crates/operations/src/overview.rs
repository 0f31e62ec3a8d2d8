//! What the page shows first: figures, health, and the present state of everything that events change later.

use std::collections::BTreeMap;
use std::sync::Arc;

use memdeck_catalog::BadVerification;
use memdeck_model::{
    DumpId, DumpStatus, Event, FrozenPause, HostId, HostState, Message, Overview, Problem, ServiceHealth,
    Verification,
};

use crate::{Caller, Operations, blocking, catalog_notice, catalog_problem};

/// Damaged images that a page is told of when it connects.
const MOST_BAD: u32 = 100;

impl Operations {
    /// Figures and health. Who does not see all guests is not told what depends on the others: how the hosts and the catalog
    /// stand, how fast frozen dumps were, what was imported.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn overview(&self, caller: &Caller) -> Result<Overview, Problem> {
        let stats = self.stats(caller).await?;
        let is_limited = caller.reach.is_limited();
        let (catalog, now) = (Arc::clone(&self.catalog), self.clock.now());
        let notice = blocking(move || catalog_notice::notice(&catalog, now));
        let (notice, storage) = tokio::join!(notice, self.readiness.storage_notice());
        Ok(Overview {
            catalog: notice.map_err(|error| catalog_problem(&error))?.filter(|_| !is_limited),
            storage,
            // Asked of its source: the event about a change may still be under way, or lost among thousands.
            service: self.told_health(self.hosts.health(), caller),
            hypervisor: self.feed.hypervisor_error().map(|error| self.told_error(error, caller)),
            hypervisor_uri: self.told_guests_of(caller),
            host: self.hosts.own_name(),
            hosts: self.told_hosts(caller).await,
            frozen_pause: self.told_frozen_pause(caller).await?,
            import: self.import.as_ref().filter(|_| !is_limited).map(|import| import.borrow().clone()),
            rights: caller.rights,
            stats,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server_time: self.clock.now(),
        })
    }

    /// The hosts, where there are several, for whoever sees all their guests.
    pub(crate) async fn told_hosts(&self, caller: &Caller) -> Vec<HostState> {
        let is_told = self.hosts.are_many() && !caller.reach.is_limited();
        if is_told { self.hosts.states(self.clock.now()).await } else { Vec::new() }
    }

    /// How long a guest may stand still. How fast one is read was measured with all guests.
    async fn told_frozen_pause(&self, caller: &Caller) -> Result<Option<FrozenPause>, Problem> {
        let pause = self.frozen_pause().await?;
        let limit_alone = |pause| FrozenPause { bytes_per_s: None, measured_from: 0, ..pause };
        Ok(if caller.reach.is_limited() { pause.map(limit_alone) } else { pause })
    }

    /// What a page that just connected receives first.
    pub async fn present_state(&self, caller: &Caller) -> Vec<Event> {
        let is_limited = caller.reach.is_limited();
        let (guests, statuses, storage) = tokio::join!(
            self.list_guests(caller),
            self.dump_statuses(caller),
            self.readiness.storage_notice()
        );
        let mut events = Vec::new();
        let (statuses, error) = match statuses {
            Ok(statuses) => (statuses, None),
            Err(error) => (BTreeMap::new(), Some(Message::new(error))),
        };
        events.push(Event::Service(ServiceHealth { error, ..self.told_health(self.hosts.health(), caller) }));
        events.push(Event::Storage(storage));
        let import = self.import.as_ref().filter(|_| !is_limited);
        events.extend(import.map(|import| Event::Import(import.borrow().clone())));
        if self.hosts.are_many() && !is_limited {
            events.push(Event::Hosts(self.told_hosts(caller).await));
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
        for verification in self.known_verifications().await {
            if self.sees_image_of(&verification.dump_id, caller).await {
                events.push(Event::Verification(Box::new(verification)));
            }
        }
        events
    }

    /// The newest verifications, and what was found damaged before memdeck was started.
    async fn known_verifications(&self) -> Vec<Verification> {
        let mut known = self.images.verifications();
        // Where the catalog fails, which was logged, the page shows what is in memory.
        let bad = self.of_catalog(|catalog| catalog.bad_verifications(MOST_BAD)).await.unwrap_or_default();
        for BadVerification { verification, .. } in bad {
            if known.iter().all(|known| known.dump_id != verification.dump_id) {
                known.push(verification);
            }
        }
        known
    }

    /// Whether the caller may see the image of a dump.
    pub(crate) async fn sees_image_of(&self, dump_id: &DumpId, caller: &Caller) -> bool {
        !caller.reach.is_limited() || self.images.record(dump_id.as_str(), caller).await.is_ok()
    }

    /// An event as it is told to a caller: without what is about guests that they may not see. `None` if nothing of it is left.
    pub async fn event_for(&self, event: &Event, caller: &Caller) -> Option<Event> {
        if !caller.reach.is_limited() {
            return Some(event.clone());
        }
        let is_seen = match event {
            Event::Guests(guests) => {
                let seen = guests.iter().filter(|guest| caller.sees_guest(guest, &self.hosts));
                return Some(Event::Guests(seen.cloned().collect()));
            }
            Event::Summaries(summaries) => {
                let seen = summaries.iter().filter(|of| {
                    caller.sees(&self.hosts, of.host.as_ref(), Some(&of.name.0), Some(&of.uuid))
                });
                let seen: Vec<_> = seen.cloned().collect();
                // One event for each host, so that an empty one would tell of a host.
                return (!seen.is_empty()).then_some(Event::Summaries(seen));
            }
            Event::Service(health) => return Some(Event::Service(self.told_health(health.clone(), caller))),
            Event::Dump(status) => caller.sees_dump(status, &self.hosts),
            Event::Record(record) => caller.sees_record(record),
            Event::Verification(verification) => self.sees_image_of(&verification.dump_id, caller).await,
            Event::Sample(of) => caller.sees(&self.hosts, of.host.as_ref(), Some(&of.name.0), Some(&of.uuid)),
            Event::Hypervisor(error) => {
                let told = error.clone().map(|error| self.told_error(error, caller));
                return Some(Event::Hypervisor(told));
            }
            Event::Storage(_) => true,
            Event::Import(_) | Event::Hosts(_) => false,
        };
        is_seen.then(|| event.clone())
    }
}
