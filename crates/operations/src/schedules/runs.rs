//! Which run is due, once a second, and when one has ended.

use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError, DumpedGuest, OpenRun, StoredSchedule};
use memdeck_model::notice::Happening;
use memdeck_model::schedule::{Occurrences as _, RunState, Standing, decide};
use memdeck_model::{Actor, Millis, Problem, Timestamp};
use tokio::time::MissedTickBehavior;

use super::choice::{Dumped, chosen};
use super::guests::{Seen, patience};
use super::times::Times;
use crate::Operations;

/// How often it is looked which run is due.
const ROUND: Duration = Duration::from_secs(1);

/// What is told of runs that were not started.
const WHY_MISSED: &str = "memdeck did not run at that time, or its clock was set forward";

impl Operations {
    /// Starts runs when they are due and moves them on. Runs until its task is ended.
    pub async fn keep_schedules(&self) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = None;
        loop {
            rounds.tick().await;
            let problem = self.schedule_round().await.err();
            if problem != failing {
                if let Some(problem) = &problem {
                    tracing::error!("schedules do not run: {problem}");
                } else {
                    tracing::info!("schedules run again");
                }
                failing = problem;
            }
        }
    }

    /// One look: starts what is due now, and moves every run on that has not ended.
    ///
    /// # Errors
    /// The catalog failed. What was begun is tried again with the next look.
    pub async fn schedule_round(&self) -> Result<(), Problem> {
        let now = self.clock.now();
        let (schedules, open, missed) = self
            .on_schedules(move |catalog| {
                let mut missed = Vec::new();
                for schedule in catalog.schedules()?.iter().filter(|schedule| !schedule.paused) {
                    missed.extend(
                        start_due(catalog, schedule, now)?.map(|due| (schedule.name.to_string(), due)),
                    );
                }
                let open = catalog.open_runs()?;
                // Nothing else is to be done mostly, and the plans are not needed then.
                let schedules = if open.is_empty() { Vec::new() } else { catalog.schedules()? };
                Ok((schedules, open, missed))
            })
            .await?;
        for (schedule, due) in missed {
            let why = WHY_MISSED.into();
            self.notices().raise(None, Happening::ScheduleMissed { schedule, due, why });
        }
        if open.is_empty() {
            return Ok(());
        }
        let mut seen = Seen::at(now);
        for run in &open {
            let Some(schedule) = schedules.iter().find(|schedule| schedule.id == run.schedule) else {
                continue;
            };
            match run.run.state {
                RunState::Waiting => {
                    let is_behind =
                        open.iter().any(|other| other.schedule == run.schedule && other.id < run.id);
                    if !is_behind {
                        self.begin(schedule, run, &mut seen).await?;
                    }
                }
                _ => self.move_on(schedule, run, &mut seen).await?,
            }
        }
        Ok(())
    }

    /// Chooses the guests of a run.
    async fn begin(&self, schedule: &StoredSchedule, run: &OpenRun, seen: &mut Seen) -> Result<(), Problem> {
        let (id, now) = (run.id, seen.now);
        let guests = match seen.guests(&self.hosts).await {
            Ok(guests) => guests,
            Err(problem) if now.since(run.run.noticed_at) > patience(&schedule.plan) => {
                let reason = format!("the guests could not be listed: {problem}");
                tracing::warn!(schedule = %schedule.name, planned = %run.run.planned, reason, "a run was missed");
                return self
                    .on_schedules(move |catalog| catalog.end_run(id, RunState::Missed, Some(&reason), now))
                    .await;
            }
            // Tried again with the next look.
            Err(_) => return Ok(()),
        };
        let (plan, actor) = (schedule.plan.clone(), actor(schedule, run));
        // A run on time cannot have dumped anybody; one that is made up may have, before a backup was restored.
        let is_late = now.since(run.run.planned) > Millis(60_000);
        let dumped = if is_late { self.dumped_for(actor).await? } else { Vec::new() };
        self.on_schedules(move |catalog| {
            let chosen = chosen(&plan, &guests, &dumped, now);
            catalog.begin_run(id, &chosen)?;
            if chosen.is_empty() {
                let reason = format!("nobody to dump: it means {}, and there was none", plan.guests);
                catalog.end_run(id, RunState::Done, Some(&reason), now)?;
            }
            Ok(())
        })
        .await
    }

    /// Whom a run has dumped, on the hosts that there are.
    async fn dumped_for(&self, actor: Actor) -> Result<Vec<Dumped>, Problem> {
        let records = self.on_schedules(move |catalog| catalog.guests_dumped_for(&actor)).await?;
        let dumped = records.into_iter().filter_map(|DumpedGuest { origin, uuid, name }| {
            let host = match origin {
                Some(origin) => self.hosts.of_origin(&origin)?,
                None => self.hosts.members().find(|member| member.is_here())?,
            };
            Some(Dumped { host: self.hosts.label(&host), uuid, name })
        });
        Ok(dumped.collect())
    }
}

/// Who asks for the dumps of a run.
pub(super) fn actor(schedule: &StoredSchedule, run: &OpenRun) -> Actor {
    Actor::Schedule { name: schedule.name.clone(), planned: run.run.planned }
}

/// Keeps the decision about the instants that have come since the last one. When the last run was planned that was missed.
fn start_due(
    catalog: &Catalog,
    schedule: &StoredSchedule,
    now: Timestamp,
) -> Result<Option<Timestamp>, CatalogError> {
    // It could be read when it was kept. A time zone may have gone since.
    let Ok(times) = Times::of(&schedule.plan) else { return Ok(None) };
    let since = schedule.decided_until;
    if now >= since && times.after(since).is_none_or(|next| next > now) {
        return Ok(None);
    }
    let taken = catalog.runs_taken(schedule.id, since)?;
    let make_up = Millis(u64::from(schedule.plan.make_up_min) * 60_000);
    let decided = decide(&Standing { decided_until: since, taken }, make_up, now, &times);
    if decided.until == since {
        return Ok(None);
    }
    if !catalog.decide_schedule(schedule, &decided, WHY_MISSED, now)? {
        return Ok(None);
    }
    let name = &schedule.name;
    if let Some(from) = decided.set_back_from {
        tracing::warn!(schedule = %name, %from, to = %now, "the clock was set back: runs that were started are not repeated");
    }
    if let Some(missed) = decided.missed {
        tracing::warn!(schedule = %name, first = %missed.first, last = %missed.last, count = missed.count, "runs were missed");
    }
    if let Some(planned) = decided.start {
        tracing::info!(schedule = %name, %planned, "a run of a schedule is due");
    }
    Ok(decided.missed.map(|missed| missed.last))
}
