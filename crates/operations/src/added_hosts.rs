//! Hosts that operators add to a running dashboard, beside those of the configuration.

use std::sync::Arc;

use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::{HostList, HostState, NewHost, Permission, Problem, ProblemKind};

use crate::audit::Deed;
use crate::{Caller, Operations, blocking, catalog_problem};

/// The setting that keeps them, with their tokens.
const ADDED: &str = "added hosts";
/// The most that are kept.
const MAX_ADDED: usize = 256;

/// The hosts that a setting holds.
///
/// # Errors
/// It was changed by something that is not memdeck, or by a newer one.
pub fn added_hosts(catalog: &memdeck_catalog::Catalog) -> Result<Vec<NewHost>, Problem> {
    let json = catalog.setting(ADDED).map_err(|error| catalog_problem(&error))?;
    let Some(json) = json else { return Ok(Vec::new()) };
    // Says nothing of what it cannot read: it holds secrets.
    serde_json::from_str(&json).map_err(|_| {
        Problem::new(ProblemKind::Internal, "what the catalog keeps of added hosts cannot be read")
    })
}

impl Operations {
    /// Adds a host, which is asked at once; how it stands then. It stays one after a restart.
    ///
    /// # Errors
    /// The caller may not, the host cannot be used, another has its name or URL, or the catalog failed.
    pub async fn add_host(&self, host: NewHost, caller: &Caller) -> Result<HostState, Problem> {
        caller.must(Permission::Configure)?;
        let book = self.added_hosts.book()?;
        let _turn = self.added_hosts.turn.lock().await;
        book.check(&host)?;
        let name = host.name.clone();
        let mut added = self.kept_hosts().await?;
        if added.len() >= MAX_ADDED {
            let detail =
                format!("{MAX_ADDED} hosts were added, and no more can be: name others in the configuration");
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        let details = AuditDetails {
            name: Some("url".to_owned()),
            value: Some(host.url.clone()),
            ..AuditDetails::default()
        };
        let deed = Deed::new(AuditAction::HostAdded, AuditObject::Host { name: name.to_string() });
        added.retain(|known| known.name != name);
        added.push(host);
        self.keep_hosts(&added, deed.with(details), caller).await?;
        book.replace(&added).await?;
        // The answer says whether it can be used.
        self.hosts.expect(name.as_str())?.host().probe().await;
        self.tell_host(name.as_str()).await
    }

    /// Removes a host that was added; the hosts that are left. Its records stay. While dumps wait or run there it takes no new
    /// ones, and is shown until they have ended.
    ///
    /// # Errors
    /// The caller may not, there is no such host, the configuration names it, or the catalog failed.
    pub async fn remove_host(&self, name: &str, caller: &Caller) -> Result<HostList, Problem> {
        caller.must(Permission::Configure)?;
        let book = self.added_hosts.book()?;
        let _turn = self.added_hosts.turn.lock().await;
        let mut added = self.kept_hosts().await?;
        let before = added.len();
        added.retain(|host| host.name.as_str() != name);
        if added.len() == before {
            let member = self.hosts.expect(name)?;
            let detail = format!(
                "{} stands in the configuration: remove it there, and reload memdeck (SIGHUP)",
                member.name()
            );
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        let deed = Deed::new(AuditAction::HostRemoved, AuditObject::Host { name: name.to_owned() });
        self.keep_hosts(&added, deed, caller).await?;
        book.replace(&added).await?;
        self.forget_draining(name).await?;
        Ok(self.list_hosts().await)
    }

    async fn kept_hosts(&self) -> Result<Vec<NewHost>, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || added_hosts(&catalog)).await
    }

    async fn keep_hosts(&self, hosts: &[NewHost], deed: Deed, caller: &Caller) -> Result<(), Problem> {
        let json = serde_json::to_string(hosts).unwrap_or_default();
        self.audit.store_setting(caller, (ADDED, json), deed, AuditResult::Succeeded).await
    }
}
