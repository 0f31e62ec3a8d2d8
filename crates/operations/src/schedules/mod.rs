//! Schedules: what operators ask of them, and what runs them.
//!
//! [`Operations::keep_schedules`] looks once a second which run is due (`runs.rs`) and moves every run that is under way on
//! (`guests.rs`). Whatever it does is in the catalog before it is done, so that a restart goes on where it was.

mod choice;
mod guests;
mod runs;
mod times;

use std::sync::Arc;

use memdeck_catalog::{Catalog, CatalogError, StoredSchedule};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject};
use memdeck_model::schedule::{
    NewSchedule, Occurrences as _, Plan, PlanError, Preview, RunList, Schedule, ScheduleList, ScheduleName,
};
use memdeck_model::{Message, Permission, Problem, ProblemKind, Timestamp};

use crate::audit::Deed;
use crate::{Caller, Operations, blocking, catalog_problem};
use times::Times;

/// How many runs a preview shows.
const PREVIEWED: usize = 5;

/// The most runs that are listed at once.
const MOST_RUNS: u32 = 500;

impl Operations {
    /// Every schedule, with its next run and its last one.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn list_schedules(&self) -> Result<ScheduleList, Problem> {
        let now = self.clock.now();
        let schedules = self.on_schedules(move |catalog| {
            let stored = catalog.schedules()?;
            stored.into_iter().map(|one| shown(catalog, one, now)).collect::<Result<Vec<_>, _>>()
        });
        let schedules = schedules.await?;
        Ok(ScheduleList { count: schedules.len(), schedules, timestamp: now })
    }

    /// One schedule.
    ///
    /// # Errors
    /// There is none of this name, or the catalog failed.
    pub async fn show_schedule(&self, name: &str) -> Result<Schedule, Problem> {
        let (stored, now) = (self.stored_schedule(name).await?, self.clock.now());
        self.on_schedules(move |catalog| shown(catalog, stored, now)).await
    }

    /// What a plan would do, before it is kept.
    ///
    /// # Errors
    /// The plan cannot be read.
    pub async fn preview_schedule(&self, plan: Plan) -> Result<Preview, Problem> {
        let now = self.clock.now();
        blocking(move || Times::preview(&plan, now, PREVIEWED)).await.map_err(|error| refused(&error))
    }

    /// Keeps a new schedule, which runs from now on.
    ///
    /// # Errors
    /// There is one of this name, the plan cannot be read, or the catalog failed.
    pub async fn add_schedule(&self, new: NewSchedule, caller: &Caller) -> Result<Schedule, Problem> {
        caller.must(Permission::Configure)?;
        let deed = of_schedule(AuditAction::ScheduleAdded, new.name.as_str(), Some(said(&new.plan)));
        self.audit.around(caller, deed, self.add_checked_schedule(new, caller)).await
    }

    async fn add_checked_schedule(&self, new: NewSchedule, caller: &Caller) -> Result<Schedule, Problem> {
        self.check_plan(&new.plan).await?;
        let NewSchedule { name, plan } = new;
        let (by, now, key) = (caller.actor.clone(), self.clock.now(), name.clone());
        if !self.on_schedules(move |catalog| catalog.add_schedule(&key, &plan, &by, now)).await? {
            let detail =
                format!("there is a schedule {name} already; choose another name, or change that one");
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        tracing::info!(schedule = %name, by = caller.actor.to_json(), "a schedule was made");
        self.show_schedule(name.as_str()).await
    }

    /// Changes what a schedule does, from now on. A run that is under way goes on as it was begun.
    ///
    /// # Errors
    /// There is none of this name, the plan cannot be read, or the catalog failed.
    pub async fn change_schedule(
        &self,
        name: &str,
        plan: Plan,
        caller: &Caller,
    ) -> Result<Schedule, Problem> {
        caller.must(Permission::Configure)?;
        let deed = of_schedule(AuditAction::ScheduleChanged, name, Some(said(&plan)));
        let effect = async {
            let key = self.stored_schedule(name).await?.name;
            self.check_plan(&plan).await?;
            let (by, now) = (caller.actor.clone(), self.clock.now());
            if !self.on_schedules(move |catalog| catalog.change_schedule(&key, &plan, &by, now)).await? {
                return Err(unknown(name));
            }
            tracing::info!(schedule = name, by = caller.actor.to_json(), "a schedule was changed");
            self.show_schedule(name).await
        };
        self.audit.around(caller, deed, effect).await
    }

    /// Pauses a schedule: it starts no runs until it is resumed. A run that is under way goes on.
    ///
    /// # Errors
    /// There is none of this name, or the catalog failed.
    pub async fn pause_schedule(
        &self,
        name: &str,
        paused: bool,
        caller: &Caller,
    ) -> Result<Schedule, Problem> {
        caller.must(Permission::Configure)?;
        let value = if paused { "paused" } else { "resumed" };
        let deed = of_schedule(AuditAction::ScheduleChanged, name, Some(value.to_owned()));
        let effect = async {
            let key = self.stored_schedule(name).await?.name;
            let (by, now) = (caller.actor.clone(), self.clock.now());
            if !self.on_schedules(move |catalog| catalog.pause_schedule(&key, paused, &by, now)).await? {
                return Err(unknown(name));
            }
            let by = caller.actor.to_json();
            tracing::info!(schedule = name, paused, by, "a schedule was paused or resumed");
            self.show_schedule(name).await
        };
        self.audit.around(caller, deed, effect).await
    }

    /// Forgets a schedule and the history of its runs. Dumps that run go on; what was dumped remains. The schedule as it was.
    ///
    /// # Errors
    /// There is none of this name, or the catalog failed.
    pub async fn remove_schedule(&self, name: &str, caller: &Caller) -> Result<Schedule, Problem> {
        caller.must(Permission::Configure)?;
        let effect = async {
            let removed = self.show_schedule(name).await?;
            let key = removed.name.clone();
            if !self.on_schedules(move |catalog| catalog.remove_schedule(&key)).await? {
                return Err(unknown(name));
            }
            tracing::info!(schedule = name, by = caller.actor.to_json(), "a schedule was removed");
            Ok(removed)
        };
        let deed = of_schedule(AuditAction::ScheduleRemoved, name, None);
        self.audit.around(caller, deed, effect).await
    }

    /// Starts a run of a schedule now, paused or not, beside those that are planned. Its guests are chosen a moment later.
    ///
    /// # Errors
    /// There is none of this name, or the catalog failed.
    pub async fn run_schedule(&self, name: &str, caller: &Caller) -> Result<Schedule, Problem> {
        caller.must(Permission::Dump)?;
        let effect = async {
            let stored = self.stored_schedule(name).await?;
            let now = self.clock.now();
            self.on_schedules(move |catalog| catalog.run_schedule(&stored, now)).await?;
            tracing::info!(schedule = name, by = caller.actor.to_json(), "a run of a schedule was asked for");
            self.show_schedule(name).await
        };
        self.audit.around(caller, of_schedule(AuditAction::ScheduleRun, name, None), effect).await
    }

    /// The newest runs of a schedule with each guest, the newest first.
    ///
    /// # Errors
    /// There is none of this name, or the catalog failed.
    pub async fn list_runs(&self, name: &str, limit: u32) -> Result<RunList, Problem> {
        let stored = self.stored_schedule(name).await?;
        let limit = limit.clamp(1, MOST_RUNS);
        let runs = self.on_schedules(move |catalog| catalog.runs_of(stored.id, limit, true)).await?;
        Ok(RunList { count: runs.len(), runs })
    }

    /// The next runs of a schedule.
    ///
    /// # Errors
    /// There is none of this name, or its plan cannot be read any more.
    pub async fn next_runs(&self, name: &str) -> Result<Preview, Problem> {
        let stored = self.stored_schedule(name).await?;
        self.preview_schedule(stored.plan).await
    }

    async fn check_plan(&self, plan: &Plan) -> Result<(), Problem> {
        self.preview_schedule(plan.clone()).await.map(drop)
    }

    async fn stored_schedule(&self, name: &str) -> Result<StoredSchedule, Problem> {
        let key: ScheduleName = name.parse().map_err(|_| unknown(name))?;
        self.on_schedules(move |catalog| catalog.schedule(&key)).await?.ok_or_else(|| unknown(name))
    }

    async fn on_schedules<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || work(&catalog)).await.map_err(|error| catalog_problem(&error))
    }
}

fn shown(catalog: &Catalog, stored: StoredSchedule, now: Timestamp) -> Result<Schedule, CatalogError> {
    let last = catalog.runs_of(stored.id, 1, false)?.into_iter().next();
    let times = Times::of(&stored.plan).ok().filter(|_| !stored.paused);
    let next = times.and_then(|times| times.after(stored.decided_until.max(now)));
    let StoredSchedule { name, plan, paused, changed_by, changed_at, .. } = stored;
    Ok(Schedule { name, plan, paused, changed_by, changed_at, next, last })
}

/// Something done to a schedule; `value` says what it has become.
fn of_schedule(action: AuditAction, name: &str, value: Option<String>) -> Deed {
    let details = AuditDetails { value, ..AuditDetails::default() };
    let name = name.chars().filter(|c| !c.is_control()).take(ScheduleName::MAX_BYTES).collect();
    Deed::new(action, AuditObject::Schedule { name }).with(details)
}

/// What a plan does, for the audit.
fn said(plan: &Plan) -> String {
    Message::new(format!("{} ({}), {}", plan.when, plan.zone, plan.guests)).bounded(500).to_string()
}

fn refused(error: &PlanError) -> Problem {
    Problem::new(ProblemKind::Invalid, error.to_string())
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(ScheduleName::MAX_BYTES).collect();
    Problem::new(ProblemKind::NotFound, format!("there is no schedule {shown}"))
}
