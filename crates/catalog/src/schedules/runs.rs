//! Runs of schedules, and the guests of each.

use std::collections::BTreeSet;

use memdeck_model::schedule::{RunCounts, RunGuest, RunState, ScheduleRun};
use memdeck_model::{Actor, GuestName, Timestamp};
use rusqlite::{Connection, Row, named_params};

use crate::column::{decode, instant, word};
use crate::{Catalog, CatalogError};

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenRun {
    pub id: i64,
    /// The id of its schedule.
    pub schedule: i64,
    /// With each of its guests.
    pub run: ScheduleRun,
}

/// A guest of which there is a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedGuest {
    /// The service that the record came from; `None` if the dump was taken here.
    pub origin: Option<String>,
    /// Its UUID, where more is known of the dump than its record.
    pub uuid: Option<String>,
    pub name: GuestName,
}

impl Catalog {
    /// Runs that have not ended, oldest first, each with its guests.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn open_runs(&self) -> Result<Vec<OpenRun>, CatalogError> {
        self.read("list runs of schedules", |connection| {
            let sql = select("WHERE state IN ('waiting', 'running') ORDER BY id");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            let mut runs = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, schedule) = (row.get("id")?, row.get("schedule")?);
                runs.push(OpenRun {
                    id,
                    schedule,
                    run: ScheduleRun { each: guests(connection, id)?, ..read(row)? },
                });
            }
            Ok(runs)
        })
    }

    /// The newest runs of a schedule, the newest first; with their guests, or only how many.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn runs_of(
        &self,
        schedule: i64,
        limit: u32,
        with_guests: bool,
    ) -> Result<Vec<ScheduleRun>, CatalogError> {
        self.list("list runs of a schedule", |connection| {
            let mut statement =
                connection.prepare_cached(&select("WHERE schedule = ?1 ORDER BY id DESC LIMIT ?2"))?;
            let mut rows = statement.query((schedule, limit))?;
            let mut runs = Vec::new();
            while let Some(row) = rows.next()? {
                let each = if with_guests { guests(connection, row.get("id")?)? } else { Vec::new() };
                runs.push(ScheduleRun { each, ..read(row)? });
            }
            Ok(runs)
        })
    }

    /// Planned instants of a schedule after `after` whose runs were started or left out.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn runs_taken(&self, schedule: i64, after: Timestamp) -> Result<BTreeSet<Timestamp>, CatalogError> {
        self.read("find the runs that a schedule had", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT planned FROM schedule_runs WHERE schedule = ?1 AND planned > ?2 AND state <> 'missed'",
            )?;
            let mut rows = statement.query((schedule, after.unix_micros()))?;
            let mut taken = BTreeSet::new();
            while let Some(row) = rows.next()? {
                taken.insert(instant("planned", row.get(0)?)?);
            }
            Ok(taken)
        })
    }

    /// Gives a run that waits its guests; it runs then.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn begin_run(&self, run: i64, guests: &[RunGuest]) -> Result<(), CatalogError> {
        self.write("choose the guests of a run", |tx| {
            let began = tx.execute(
                "UPDATE schedule_runs SET state = 'running' WHERE id = ?1 AND state = 'waiting'",
                [run],
            )?;
            if began > 0 {
                for (place, guest) in guests.iter().enumerate() {
                    put_guest(tx, run, place, guest)?;
                }
            }
            Ok(())
        })
    }

    /// Keeps how a guest of a run stands; nothing if the run's schedule was removed.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn note_run_guest(&self, run: i64, place: usize, guest: &RunGuest) -> Result<(), CatalogError> {
        self.write("keep how a guest of a run stands", |tx| put_guest(tx, run, place, guest))
    }

    /// Ends a run.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn end_run(
        &self,
        run: i64,
        state: RunState,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        self.write("end a run", |tx| {
            tx.execute(
                "UPDATE schedule_runs SET state = ?2, ended_at = ?3, reason = coalesce(?4, reason)
                 WHERE id = ?1 AND ended_at IS NULL",
                (run, state.as_str(), now.unix_micros(), reason),
            )?;
            Ok(())
        })
    }

    /// The guests of which there is a record that `actor` asked for. After a backup was restored, records that were made from
    /// manifests are all that is known of a run.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn guests_dumped_for(&self, actor: &Actor) -> Result<Vec<DumpedGuest>, CatalogError> {
        self.list("find the dumps of a run", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT origin, dom, coalesce(
                     (SELECT guest_uuid FROM jobs WHERE record_seq = records.seq),
                     (SELECT guest_uuid FROM remote_dumps
                      WHERE origin IS NOT NULL AND remote_dumps.dump_id = records.dump_id AND guest_uuid IS NOT NULL)
                 ) AS uuid
                 FROM records WHERE requested_by = ?1 AND ok = 1 ORDER BY seq",
            )?;
            let dumped = statement.query_map([actor.to_json()], |row| {
                Ok(DumpedGuest {
                    origin: row.get("origin")?,
                    uuid: row.get("uuid")?,
                    name: GuestName(row.get("dom")?),
                })
            })?;
            Ok(dumped.collect::<Result<_, _>>()?)
        })
    }

    /// When the newest good image of a guest began to be taken that is kept here, by the guest's UUID.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn newest_image_of(&self, uuid: &str) -> Result<Option<Timestamp>, CatalogError> {
        self.list("find the newest image of a guest", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT max(timestamp) FROM jobs JOIN records ON records.seq = jobs.record_seq
                 WHERE jobs.guest_uuid = ?1 AND ok = 1 AND deleted_at IS NULL",
            )?;
            let newest: Option<i64> = statement.query_row([uuid], |row| row.get(0))?;
            newest.map(|micros| instant("timestamp", micros)).transpose()
        })
    }
}

/// With the guests of each, counted.
fn select(clause: &str) -> String {
    let count = |name: &str, states: &str| {
        format!(
            "(SELECT count(*) FROM schedule_guests WHERE run = id AND schedule_guests.state IN ({states})) AS {name}"
        )
    };
    format!(
        "SELECT schedule_runs.*, {}, {}, {}, {} FROM schedule_runs {clause}",
        count("open", "'waiting', 'asking', 'dumping'"),
        count("completed", "'completed'"),
        count("failed", "'failed'"),
        count("left_out", "'skipped'")
    )
}

fn read(row: &Row<'_>) -> Result<ScheduleRun, CatalogError> {
    let state: String = row.get("state")?;
    let ended_at: Option<i64> = row.get("ended_at")?;
    Ok(ScheduleRun {
        planned: instant("planned", row.get("planned")?)?,
        state: state.parse().map_err(|()| CatalogError::Undecodable { column: "state", value: state })?,
        count: row.get("count")?,
        last_planned: instant("last_planned", row.get("last_planned")?)?,
        noticed_at: instant("noticed_at", row.get("noticed_at")?)?,
        ended_at: ended_at.map(|micros| instant("ended_at", micros)).transpose()?,
        guests: RunCounts {
            open: row.get("open")?,
            completed: row.get("completed")?,
            failed: row.get("failed")?,
            skipped: row.get("left_out")?,
        },
        reason: row.get::<_, Option<String>>("reason")?.map(Into::into),
        each: Vec::new(),
    })
}

fn guests(connection: &Connection, run: i64) -> Result<Vec<RunGuest>, CatalogError> {
    let mut statement =
        connection.prepare_cached("SELECT * FROM schedule_guests WHERE run = ?1 ORDER BY place")?;
    let mut rows = statement.query([run])?;
    let mut guests = Vec::new();
    while let Some(row) = rows.next()? {
        let state: String = row.get("state")?;
        let asked_at: Option<i64> = row.get("asked_at")?;
        guests.push(RunGuest {
            host: word(row, "host")?,
            name: GuestName(row.get("name")?),
            uuid: row.get("uuid")?,
            due: instant("due", row.get("due")?)?,
            state: decode_state(state)?,
            dump_id: row.get::<_, Option<String>>("dump_id")?.map(|id| decode("dump_id", id)).transpose()?,
            asked_at: asked_at.map(|micros| instant("asked_at", micros)).transpose()?,
            reason: row.get::<_, Option<String>>("reason")?.map(Into::into),
        });
    }
    Ok(guests)
}

fn decode_state(state: String) -> Result<memdeck_model::schedule::RunGuestState, CatalogError> {
    state.parse().map_err(|()| CatalogError::Undecodable { column: "state", value: state })
}

fn put_guest(connection: &Connection, run: i64, place: usize, guest: &RunGuest) -> Result<(), CatalogError> {
    connection.execute(
        "INSERT INTO schedule_guests (run, place, host, name, uuid, due, state, dump_id, asked_at, reason)
         SELECT :run, :place, :host, :name, :uuid, :due, :state, :dump_id, :asked_at, :reason
         WHERE EXISTS (SELECT 1 FROM schedule_runs WHERE id = :run)
         ON CONFLICT (run, place) DO UPDATE SET state = excluded.state, dump_id = excluded.dump_id,
             asked_at = excluded.asked_at, reason = excluded.reason",
        named_params! {
            ":run": run,
            ":place": i64::try_from(place).unwrap_or(i64::MAX),
            ":host": guest.host.as_ref().map(memdeck_model::HostId::as_str),
            ":name": guest.name.0,
            ":uuid": guest.uuid,
            ":due": guest.due.unix_micros(),
            ":state": guest.state.as_str(),
            ":dump_id": guest.dump_id.as_ref().map(memdeck_model::DumpId::as_str),
            ":asked_at": guest.asked_at.map(Timestamp::unix_micros),
            ":reason": guest.reason.as_ref().map(ToString::to_string),
        },
    )?;
    Ok(())
}
