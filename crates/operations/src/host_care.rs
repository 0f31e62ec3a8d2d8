//! What operators look at and change on the hosts.

use std::sync::Arc;

use memdeck_model::audit::{AuditAction, AuditObject, AuditResult};
use memdeck_model::{Event, HostId, HostList, HostState, Permission, Problem};

use crate::audit::Deed;
use crate::{Caller, Operations, blocking, catalog_problem};

/// The setting that keeps which hosts take no new dumps.
const DRAINING: &str = "draining hosts";

impl Operations {
    /// How every host stands.
    pub async fn list_hosts(&self) -> HostList {
        let now = self.clock.now();
        let hosts = self.hosts.states(now).await;
        HostList { count: hosts.len(), hosts, timestamp: now }
    }

    /// Keeps a host from taking new dumps through this dashboard, or lets it take them again. Dumps that wait or run there go
    /// on. A restart of memdeck does not change it.
    ///
    /// # Errors
    /// There is no such host, or the catalog failed.
    pub async fn drain_host(&self, name: &str, drain: bool, caller: &Caller) -> Result<HostState, Problem> {
        caller.must(Permission::Configure)?;
        let member = self.hosts.expect(name)?;
        let before = member.is_draining();
        member.set_draining(drain);
        let names = serde_json::to_string(&self.hosts.draining()).unwrap_or_default();
        let action = if drain { AuditAction::HostDrained } else { AuditAction::HostUndrained };
        let result = if before == drain { AuditResult::Unchanged } else { AuditResult::Succeeded };
        let deed = Deed::new(action, AuditObject::Host { name: name.to_owned() });
        if let Err(problem) = self.audit.store_setting(caller, (DRAINING, names), deed, result).await {
            member.set_draining(before);
            return Err(problem);
        }
        if before != drain {
            let by = caller.actor.to_json();
            tracing::info!(host = name, drain, %by, "whether the host takes new dumps was changed");
        }
        self.tell_host(name).await
    }

    /// Asks a host now whether it answers.
    ///
    /// # Errors
    /// There is no such host.
    pub async fn test_host(&self, name: &str, caller: &Caller) -> Result<HostState, Problem> {
        let member = self.hosts.expect(name)?;
        let host = member.host();
        let deed = Deed::new(AuditAction::HostTested, AuditObject::Host { name: name.to_owned() });
        let effect = async {
            host.probe().await;
            self.tell_host(name).await
        };
        self.audit.effect_first(caller, deed, effect).await
    }

    /// One that is added under the name of a removed one begins anew.
    pub(crate) async fn forget_draining(&self, name: &str) -> Result<(), Problem> {
        let mut names = self.hosts.draining();
        let before = names.len();
        names.retain(|known| known.as_str() != name);
        if names.len() == before {
            return Ok(());
        }
        let json = serde_json::to_string(&names).unwrap_or_default();
        let catalog = Arc::clone(&self.catalog);
        let stored = blocking(move || catalog.set_setting(DRAINING, &json)).await;
        stored.map_err(|error| catalog_problem(&error))
    }

    /// How a host stands, said to open pages, too.
    pub(crate) async fn tell_host(&self, name: &str) -> Result<HostState, Problem> {
        let now = self.clock.now();
        let member = self.hosts.expect(name)?;
        if self.hosts.are_many() {
            self.feed.publish_if_news(Event::Hosts(self.hosts.states(now).await));
        }
        Ok(self.hosts.state_of(&member, now).await)
    }

    /// Keeps hosts from taking new dumps that were kept from it when memdeck stopped.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn restore_draining(&self) -> Result<(), Problem> {
        let catalog = Arc::clone(&self.catalog);
        let names =
            blocking(move || catalog.setting(DRAINING)).await.map_err(|error| catalog_problem(&error))?;
        let names: Vec<HostId> = names.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        self.hosts.restore_draining(&names);
        Ok(())
    }
}
