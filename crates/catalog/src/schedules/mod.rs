//! Schedules: what they do, and how far their runs are decided.

mod runs;
#[cfg(test)]
mod tests;

use memdeck_model::schedule::{Decided, Overlap, Plan, RunState, ScheduleName};
use memdeck_model::{Actor, Timestamp};
use rusqlite::{OptionalExtension as _, Row, Transaction, named_params};

pub use runs::{DumpedGuest, OpenRun};

use crate::column::{decode, instant};
use crate::{Catalog, CatalogError};

/// The most runs that are kept of a schedule.
const KEPT_RUNS: u32 = 500;

/// A schedule as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSchedule {
    pub id: i64,
    pub name: ScheduleName,
    pub plan: Plan,
    pub paused: bool,
    pub changed_by: Actor,
    pub changed_at: Timestamp,
    /// Every planned instant up to this one is decided.
    pub decided_until: Timestamp,
}

impl Catalog {
    /// Every schedule, by name.
    ///
    /// # Errors
    /// `SQLite` refused, or a plan cannot be read.
    pub fn schedules(&self) -> Result<Vec<StoredSchedule>, CatalogError> {
        self.read("list schedules", |connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM schedules ORDER BY name")?;
            let mut rows = statement.query([])?;
            let mut schedules = Vec::new();
            while let Some(row) = rows.next()? {
                schedules.push(read(row)?);
            }
            Ok(schedules)
        })
    }

    /// The schedule of this name.
    ///
    /// # Errors
    /// As [`Self::schedules`].
    pub fn schedule(&self, name: &ScheduleName) -> Result<Option<StoredSchedule>, CatalogError> {
        self.read("find a schedule", |connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM schedules WHERE name = ?1")?;
            let mut rows = statement.query([name.as_str()])?;
            rows.next()?.map(read).transpose()
        })
    }

    /// Keeps a new schedule, which is decided up to `now`. False if there is one of this name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn add_schedule(
        &self,
        name: &ScheduleName,
        plan: &Plan,
        by: &Actor,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        let plan = json(name, plan)?;
        self.write("keep a schedule", |tx| {
            let added = tx.execute(
                "INSERT INTO schedules (name, plan, paused, changed_by, changed_at, decided_until)
                 VALUES (?1, ?2, 0, ?3, ?4, ?4) ON CONFLICT (name) DO NOTHING",
                (name.as_str(), &plan, by.to_json(), now.unix_micros()),
            )?;
            Ok(added > 0)
        })
    }

    /// Changes what a schedule does, from `now` on. False if there is none of this name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn change_schedule(
        &self,
        name: &ScheduleName,
        plan: &Plan,
        by: &Actor,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        let plan = json(name, plan)?;
        self.write("change a schedule", |tx| {
            let changed = tx.execute(
                "UPDATE schedules SET plan = ?2, changed_by = ?3, changed_at = ?4, decided_until = ?4 WHERE name = ?1",
                (name.as_str(), &plan, by.to_json(), now.unix_micros()),
            )?;
            Ok(changed > 0)
        })
    }

    /// Pauses a schedule, or resumes it from `now` on: instants that passed meanwhile were left out on purpose. False if
    /// there is none of this name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn pause_schedule(
        &self,
        name: &ScheduleName,
        paused: bool,
        by: &Actor,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        self.write("pause or resume a schedule", |tx| {
            // Resuming what runs already must not pass over an instant that is due.
            let changed = tx.execute(
                "UPDATE schedules SET paused = ?2, changed_by = ?3, changed_at = ?4, decided_until = ?4
                 WHERE name = ?1 AND paused <> ?2",
                (name.as_str(), paused, by.to_json(), now.unix_micros()),
            )?;
            let there = tx.query_row("SELECT 1 FROM schedules WHERE name = ?1", [name.as_str()], |_| Ok(()));
            Ok(changed > 0 || there.optional()?.is_some())
        })
    }

    /// Forgets a schedule and its runs; dumps that it took remain. False if there is none of this name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn remove_schedule(&self, name: &ScheduleName) -> Result<bool, CatalogError> {
        self.write("remove a schedule", |tx| {
            Ok(tx.execute("DELETE FROM schedules WHERE name = ?1", [name.as_str()])? > 0)
        })
    }

    /// Keeps what was decided about `schedule` at `now`: how far, what was missed with the reason, and the run that starts.
    /// All or nothing. A run that was taken before, or that overlaps, does not start. False if the schedule was changed,
    /// decided, paused or removed since it was read: then nothing is kept.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn decide_schedule(
        &self,
        schedule: &StoredSchedule,
        decided: &Decided,
        why_missed: &str,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        self.write("decide which run of a schedule is due", |tx| {
            let moved = tx.execute(
                "UPDATE schedules SET decided_until = ?3 WHERE id = ?1 AND decided_until = ?2 AND paused = 0",
                (schedule.id, schedule.decided_until.unix_micros(), decided.until.unix_micros()),
            )?;
            if moved == 0 {
                return Ok(false);
            }
            if let Some(missed) = decided.missed {
                let told = NewRun {
                    planned: missed.first,
                    last_planned: missed.last,
                    count: missed.count,
                    state: RunState::Missed,
                    reason: Some(why_missed),
                };
                insert_run(tx, schedule.id, &told, now)?;
            }
            if let Some(planned) = decided.start {
                start_run(tx, schedule, planned, now)?;
            }
            Ok(true)
        })
    }

    /// Starts a run now, planned or not. False if there is a run of this instant, or the schedule was removed.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn run_schedule(&self, schedule: &StoredSchedule, now: Timestamp) -> Result<bool, CatalogError> {
        self.write("start a run of a schedule", |tx| {
            let there = tx.query_row("SELECT 1 FROM schedules WHERE id = ?1", [schedule.id], |_| Ok(()));
            if there.optional()?.is_none() {
                return Ok(false);
            }
            start_run(tx, schedule, now, now)
        })
    }
}

/// Starts a run, or says that it overlaps.
fn start_run(
    tx: &Transaction<'_>,
    schedule: &StoredSchedule,
    planned: Timestamp,
    now: Timestamp,
) -> Result<bool, CatalogError> {
    let open = |states: &str| {
        let sql = format!("SELECT count(*) FROM schedule_runs WHERE schedule = ?1 AND state IN ({states})");
        tx.query_row(&sql, [schedule.id], |row| row.get::<_, i64>(0))
    };
    let overlaps = match schedule.plan.overlap {
        Overlap::Skip => open("'waiting', 'running'")? > 0,
        Overlap::Wait => open("'waiting'")? > 0,
    };
    let reason = match schedule.plan.overlap {
        Overlap::Skip => "the run before it had not ended",
        Overlap::Wait => "another run waited already for the one before it to end",
    };
    let run = NewRun {
        planned,
        last_planned: planned,
        count: 1,
        state: if overlaps { RunState::Skipped } else { RunState::Waiting },
        reason: overlaps.then_some(reason),
    };
    insert_run(tx, schedule.id, &run, now)
}

struct NewRun<'a> {
    planned: Timestamp,
    last_planned: Timestamp,
    count: u32,
    state: RunState,
    reason: Option<&'a str>,
}

/// False if there is a run of this instant.
fn insert_run(
    tx: &Transaction<'_>,
    schedule: i64,
    run: &NewRun<'_>,
    now: Timestamp,
) -> Result<bool, CatalogError> {
    let inserted = tx.execute(
        "INSERT INTO schedule_runs (schedule, planned, last_planned, count, state, noticed_at, ended_at, reason)
         VALUES (:schedule, :planned, :last_planned, :count, :state, :now, :ended_at, :reason)
         ON CONFLICT DO NOTHING",
        named_params! {
            ":schedule": schedule,
            ":planned": run.planned.unix_micros(),
            ":last_planned": run.last_planned.unix_micros(),
            ":count": run.count,
            ":state": run.state.as_str(),
            ":now": now.unix_micros(),
            ":ended_at": run.state.is_final().then_some(now.unix_micros()),
            ":reason": run.reason,
        },
    )?;
    tx.execute(
        "DELETE FROM schedule_runs WHERE schedule = ?1 AND ended_at IS NOT NULL AND id <=
             (SELECT id FROM schedule_runs WHERE schedule = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (schedule, KEPT_RUNS),
    )?;
    Ok(inserted > 0)
}

fn json(name: &ScheduleName, plan: &Plan) -> Result<String, CatalogError> {
    serde_json::to_string(plan)
        .map_err(|_| CatalogError::Undecodable { column: "plan", value: name.to_string() })
}

fn read(row: &Row<'_>) -> Result<StoredSchedule, CatalogError> {
    let plan: String = row.get("plan")?;
    Ok(StoredSchedule {
        id: row.get("id")?,
        name: decode("name", row.get("name")?)?,
        plan: serde_json::from_str(&plan)
            .map_err(|_| CatalogError::Undecodable { column: "plan", value: plan })?,
        paused: row.get("paused")?,
        changed_by: Actor::from_kept(&row.get::<_, String>("changed_by")?),
        changed_at: instant("changed_at", row.get("changed_at")?)?,
        decided_until: instant("decided_until", row.get("decided_until")?)?,
    })
}
