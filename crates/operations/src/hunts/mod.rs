//! Hunts: where patterns are in the memory of dumps. One runs at a time, others wait.
//!
//! What is looked for says as much as memory does, and the bytes around what was found are memory: everything here is for
//! those who may read it, and each look at what was found is noted in the audit.

mod ask;
mod owners;
mod run;

use std::sync::Arc;

use memdeck_catalog::{Catalog, CatalogError, HuntChanged};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult, NewEntry};
use memdeck_model::{
    FoundHit, HuntDetails, HuntHits, HuntId, HuntList, HuntState, NewHunt, Permission, Problem, ProblemKind,
};

use crate::audit::Deed;
use crate::{Caller, Operations, blocking, catalog_problem};

impl Operations {
    /// Every hunt that is kept and that the caller may see, newest first: one that searches no image but of their guests.
    ///
    /// # Errors
    /// The caller may not read memory, or the catalog failed.
    pub async fn list_hunts(&self, caller: &Caller) -> Result<HuntList, Problem> {
        caller.must(Permission::ReadMemory)?;
        let reach = caller.reach.clone();
        let hunts = self.on_hunts(move |catalog| catalog.hunts(&reach)).await?;
        Ok(HuntList { hunts: hunts.into_iter().map(|hunt| self.hunt_runs.present(hunt)).collect() })
    }

    /// A hunt with its patterns and dumps.
    ///
    /// # Errors
    /// The caller may not read memory, there is no such hunt, or the catalog failed.
    pub async fn hunt(&self, id: &str, caller: &Caller) -> Result<HuntDetails, Problem> {
        caller.must(Permission::ReadMemory)?;
        let id = self.seen(id, caller).await?;
        self.details_of(id).await
    }

    /// The id of a hunt that the caller may see; any that is an id, for who sees all guests.
    async fn seen(&self, id: &str, caller: &Caller) -> Result<HuntId, Problem> {
        let id: HuntId = named(id)?;
        let is_seen = !caller.reach.is_limited()
            || self.list_hunts(caller).await?.hunts.iter().any(|hunt| hunt.id == id);
        if is_seen { Ok(id) } else { Err(unknown(id.as_str())) }
    }

    async fn details_of(&self, id: HuntId) -> Result<HuntDetails, Problem> {
        let wanted = id.clone();
        let details = self.on_hunts(move |catalog| catalog.hunt(&wanted)).await?;
        let details = details.ok_or_else(|| unknown(id.as_str()))?;
        Ok(HuntDetails { hunt: self.hunt_runs.present(details.hunt), ..details })
    }

    /// Hits of a hunt behind that of the number `after`, at most `limit`. The audit notes it.
    ///
    /// # Errors
    /// The caller may not read memory, there is no such hunt, or it cannot be noted.
    pub async fn hunt_hits(
        &self,
        id: &str,
        after: u32,
        limit: u32,
        caller: &Caller,
    ) -> Result<HuntHits, Problem> {
        caller.must(Permission::ReadMemory)?;
        let id = self.seen(id, caller).await?;
        let limit = limit.clamp(1, HuntHits::MOST);
        let mut page = self.hits_of(&id, after, limit).await?;
        self.name_owners(&mut page.hits, caller).await;
        self.note_hits(&id, "json", page.hits.len(), caller).await?;
        Ok(page)
    }

    /// Every hit of a hunt, for a file. The audit notes it.
    ///
    /// # Errors
    /// As of [`Self::hunt_hits`].
    pub async fn all_hits(&self, id: &str, caller: &Caller) -> Result<Vec<FoundHit>, Problem> {
        caller.must(Permission::ReadMemory)?;
        let id = self.seen(id, caller).await?;
        let mut page = self.hits_of(&id, 0, NewHunt::MOST_HITS).await?;
        self.name_owners(&mut page.hits, caller).await;
        self.note_hits(&id, "csv", page.hits.len(), caller).await?;
        Ok(page.hits)
    }

    async fn hits_of(&self, id: &HuntId, after: u32, limit: u32) -> Result<HuntHits, Problem> {
        let wanted = id.clone();
        let page = self.on_hunts(move |catalog| catalog.hunt_hits(&wanted, after, limit)).await?;
        page.ok_or_else(|| unknown(id.as_str()))
    }

    async fn note_hits(&self, id: &HuntId, form: &str, count: usize, caller: &Caller) -> Result<(), Problem> {
        let details = AuditDetails {
            format: Some(form.to_owned()),
            count: Some(u64::try_from(count).unwrap_or(u64::MAX)),
            ..AuditDetails::default()
        };
        let deed = Deed::new(AuditAction::HitsRead, about(id)).with(details);
        self.audit.note(caller, deed, AuditResult::Succeeded).await.map(drop)
    }

    /// Cancels a hunt that waits or runs. One that runs ends within a second or two. The hunt as it is then.
    ///
    /// # Errors
    /// The caller may not read memory, there is no such hunt, it has ended, or the catalog failed.
    pub async fn cancel_hunt(&self, id: &str, caller: &Caller) -> Result<HuntDetails, Problem> {
        caller.must(Permission::ReadMemory)?;
        let id = self.seen(id, caller).await?;
        let entry = self.hunt_entry(caller, AuditAction::HuntCancelled, &id);
        let _starting = self.hunt_runs.starting.lock().await;
        if self.hunt_runs.cancel(&id, &caller.actor) {
            let deed = Deed::new(AuditAction::HuntCancelled, about(&id));
            self.audit.note_done(caller, deed, AuditResult::Succeeded).await;
            return self.details_of(id).await;
        }
        let (wanted, by, now) = (id.clone(), caller.actor.clone(), self.clock.now());
        let changed =
            self.on_hunts(move |catalog| catalog.cancel_queued_hunt(&wanted, &by, now, &entry)).await?;
        match changed {
            HuntChanged::Done => self.details_of(id).await,
            HuntChanged::Unknown => Err(unknown(id.as_str())),
            HuntChanged::Is(state) => Err(conflict(&id, state, "it cannot be cancelled any more")),
        }
    }

    /// Forgets a hunt that has ended, with what it found.
    ///
    /// # Errors
    /// The caller may not read memory, there is no such hunt, it has not ended, or the catalog failed.
    pub async fn remove_hunt(&self, id: &str, caller: &Caller) -> Result<(), Problem> {
        caller.must(Permission::ReadMemory)?;
        let id = self.seen(id, caller).await?;
        let entry = self.hunt_entry(caller, AuditAction::HuntRemoved, &id);
        let wanted = id.clone();
        match self.on_hunts(move |catalog| catalog.remove_hunt(&wanted, &entry)).await? {
            HuntChanged::Done => Ok(()),
            HuntChanged::Unknown => Err(unknown(id.as_str())),
            HuntChanged::Is(state) => Err(conflict(&id, state, "cancel it before you remove it")),
        }
    }

    /// An entry of the audit that is written with the change that it tells.
    fn hunt_entry(&self, caller: &Caller, action: AuditAction, id: &HuntId) -> NewEntry {
        NewEntry::new(self.clock.now(), caller.actor.clone(), action, about(id))
    }

    async fn on_hunts<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || work(&catalog)).await.map_err(|error| catalog_problem(&error))
    }
}

/// A hunt as the audit names it.
fn about(id: &HuntId) -> AuditObject {
    AuditObject::Hunt { id: id.clone() }
}

fn named(id: &str) -> Result<HuntId, Problem> {
    id.parse().map_err(|_| unknown(id))
}

fn unknown(id: &str) -> Problem {
    let shown: String = id.chars().filter(|letter| !letter.is_control()).take(64).collect();
    Problem::new(ProblemKind::NotFound, format!("there is no hunt {shown}"))
}

fn conflict(id: &HuntId, state: HuntState, remedy: &str) -> Problem {
    Problem::new(ProblemKind::Conflict, format!("hunt {id} is {}: {remedy}", state.as_str()))
}
