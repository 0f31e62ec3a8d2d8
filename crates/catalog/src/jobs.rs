//! Jobs: dumps from the moment they are asked for to their end.

mod activity;
mod named;
mod noted;
mod prune;
mod requested;
mod row;

use memdeck_model::{
    CaptureMode, DumpId, EndReason, GuestIdentity, JobState, Message, Record, RequestKey, Timestamp,
};
use rusqlite::{OptionalExtension, params};

pub(crate) use self::noted::adopted;
use self::requested::{note_requested, requested};
pub(crate) use self::row::active;
use self::row::{existing, find, finish, insert, many, one};
use crate::column::decode;
use crate::record_row;
use crate::reserve::For;
use crate::{Catalog, CatalogError, Enqueued, Job, NewJob};

/// The most jobs that wait and run.
const MAX_ACTIVE: u32 = 10_000;

impl Catalog {
    /// Queues a dump, unless the guest already has an active one: an active job of the same UUID, or, where one of
    /// the two is not resolved yet, an active job that was asked for by the same text. Either way the text leads to
    /// that job from now on.
    ///
    /// Ended jobs beyond some thousands, and those of months ago, are forgotten on the way; their records are not.
    ///
    /// # Errors
    /// A dump of that name exists, too many wait already, the volume is full, or `SQLite` refused.
    pub fn enqueue(&self, job: NewJob) -> Result<Enqueued, CatalogError> {
        self.enqueue_once(job, None)
    }

    /// The same, but that what was asked for under this key before leads to the same job, whether it has ended or not.
    ///
    /// # Errors
    /// As [`Self::enqueue`].
    pub fn enqueue_once(&self, job: NewJob, key: Option<&RequestKey>) -> Result<Enqueued, CatalogError> {
        if self.reserve.is_short() && self.reserve.renew().is_err() {
            return Err(CatalogError::NoRoom);
        }
        let queued = self.write("queue a dump", |tx| {
            if let Some(before) = key.map(|key| requested(tx, key, &job.vm)).transpose()?.flatten() {
                return Ok(Enqueued::AskedBefore(before));
            }
            let uuid = job.guest.as_ref().map(|guest| guest.uuid.as_str());
            let active = one(
                tx,
                "WHERE jobs.state IN ('queued', 'running')
                 AND (jobs.guest_uuid = ?1
                      OR (?3 AND jobs.guest_uuid IS NULL AND jobs.vm = ?2)
                      OR (?3 AND ?1 IS NULL AND jobs.seq IN (SELECT job_seq FROM asked WHERE vm = ?2)))
                 ORDER BY jobs.seq LIMIT 1",
                params![uuid, job.vm.as_str(), job.asked_by_text],
            )?;
            if let Some(active) = active {
                if job.asked_by_text {
                    named::lead(tx, &job.vm, &active, job.queued_at)?;
                }
                note_requested(tx, key, &job.vm, &active, job.queued_at)?;
                noted::asked_again(tx, &job, &active)?;
                return Ok(Enqueued::AlreadyActive(active));
            }
            if find(tx, &job.dump_id)?.is_some() {
                return Err(CatalogError::DumpExists(job.dump_id));
            }
            let waiting: u32 =
                tx.query_row("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')", [], |row| {
                    row.get(0)
                })?;
            if waiting >= MAX_ACTIVE {
                return Err(CatalogError::QueueFull { limit: MAX_ACTIVE });
            }
            insert(tx, &job)?;
            let queued = existing(tx, &job.dump_id)?;
            noted::requested(tx, &queued)?;
            prune::prune(tx, queued.seq, job.queued_at)?;
            if job.asked_by_text {
                named::lead(tx, &job.vm, &queued, job.queued_at)?;
            }
            note_requested(tx, key, &job.vm, &queued, job.queued_at)?;
            Ok(Enqueued::Accepted(queued))
        });
        queued.map_err(|error| if error.is_full() { CatalogError::NoRoom } else { error })
    }

    /// Moves the oldest queued job to running, if fewer than `max_running` run. Its guest is not running in
    /// another job: the schema allows one active job per UUID.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn start_next(&self, max_running: u32, at: Timestamp) -> Result<Option<Job>, CatalogError> {
        self.write("start the next dump", |tx| {
            let next: Option<String> = tx
                .query_row(
                    "UPDATE jobs SET state = 'running', started_at = ?2
                     WHERE seq = (SELECT min(seq) FROM jobs
                                  WHERE state IN ('queued', 'running') AND state = 'queued')
                     AND (SELECT count(*) FROM jobs
                          WHERE state IN ('queued', 'running') AND state = 'running') < ?1
                     RETURNING dump_id",
                    params![max_running, at.unix_micros()],
                    |row| row.get(0),
                )
                .optional()?;
            next.map(|dump_id| existing(tx, &decode("dump_id", dump_id)?)).transpose()
        })
    }

    /// Notes which guest an active job means. Doing it again with what is known already changes nothing.
    ///
    /// # Errors
    /// [`CatalogError::GuestBusy`] if another active job has the guest; the job is unknown or has ended.
    pub fn identify(&self, dump_id: &DumpId, guest: &GuestIdentity) -> Result<(), CatalogError> {
        self.write("note the guest of a dump", |tx| {
            active(tx, dump_id)?;
            let other: Option<String> = tx
                .query_row(
                    "SELECT dump_id FROM jobs
                     WHERE state IN ('queued', 'running') AND guest_uuid = ?1 AND dump_id <> ?2",
                    params![guest.uuid, dump_id.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(other) = other {
                return Err(CatalogError::GuestBusy { dump_id: decode("dump_id", other)? });
            }
            tx.execute(
                "UPDATE jobs SET guest_uuid = ?2, guest_name = ?3, guest_vmid = ?4 WHERE dump_id = ?1",
                params![dump_id.as_str(), guest.uuid, guest.name.0, guest.vmid],
            )?;
            Ok(())
        })
    }

    /// Notes how an active job takes the guest's memory and, where that is not the first choice, why. What was noted
    /// before is replaced: a dump that begins in one mode may have to go on in another. Gives the job as it is now.
    ///
    /// # Errors
    /// [`CatalogError::AlreadyFinal`] if it has ended; it is unknown; `SQLite` refused.
    pub fn decide(
        &self,
        dump_id: &DumpId,
        mode: CaptureMode,
        fallback: Option<&Message>,
    ) -> Result<Job, CatalogError> {
        self.write("note the mode of a dump", |tx| {
            active(tx, dump_id)?;
            tx.execute(
                "UPDATE jobs SET mode = ?2, fallback = ?3 WHERE dump_id = ?1",
                params![dump_id.as_str(), mode.as_str(), fallback.map(Message::to_string)],
            )?;
            existing(tx, dump_id)
        })
    }

    /// Ends a running job with its sealed image: the job is completed, its record appears and its point waits in
    /// the outbox, all at once or not at all. Gives the record's sequence number. An intent stays until it is settled.
    ///
    /// # Errors
    /// The job is unknown or not running, the record does not name it, or `SQLite` refused.
    pub fn complete(
        &self,
        dump_id: &DumpId,
        finished_at: Timestamp,
        message: &str,
        record: &Record,
    ) -> Result<u64, CatalogError> {
        if record.dump_id.as_ref() != Some(dump_id) {
            return Err(CatalogError::RecordOfAnotherDump(dump_id.clone()));
        }
        self.conclude("complete a dump", For::End, |tx| {
            let job = active(tx, dump_id)?;
            if job.state != JobState::Running {
                return Err(CatalogError::NotRunning { dump_id: job.dump_id, state: job.state });
            }
            let seq = record_row::insert(tx, None, record)?;
            tx.execute(
                "UPDATE jobs SET state = 'completed', message = ?2, finished_at = ?3, record_seq = ?4
                 WHERE dump_id = ?1",
                params![dump_id.as_str(), message, finished_at.unix_micros(), seq],
            )?;
            tx.execute("INSERT INTO outbox (record_seq) VALUES (?1)", [seq])?;
            noted::completed(tx, record, finished_at)?;
            Ok(seq.unsigned_abs())
        })
    }

    /// Ends an active job without an image, as failed or cancelled, and returns it as it ended. An intent stays until
    /// it is settled.
    ///
    /// # Errors
    /// [`CatalogError::AlreadyFinal`] if it has ended; it is unknown; `SQLite` refused.
    pub fn end(
        &self,
        dump_id: &DumpId,
        reason: &EndReason,
        finished_at: Timestamp,
    ) -> Result<Job, CatalogError> {
        self.conclude("end a dump", For::End, |tx| {
            active(tx, dump_id)?;
            noted::ended(tx, finish(tx, dump_id, reason, finished_at)?)
        })
    }

    /// Ends a job that is still queued, and returns it as it ended; `None` if it is running, which is left to whoever
    /// runs it.
    ///
    /// # Errors
    /// [`CatalogError::AlreadyFinal`] if it has ended; it is unknown; `SQLite` refused.
    pub fn end_queued(
        &self,
        dump_id: &DumpId,
        reason: &EndReason,
        finished_at: Timestamp,
    ) -> Result<Option<Job>, CatalogError> {
        self.conclude("end a queued dump", For::End, |tx| match active(tx, dump_id)?.state {
            JobState::Queued => noted::ended(tx, finish(tx, dump_id, reason, finished_at)?).map(Some),
            _ => Ok(None),
        })
    }

    /// Queues a running job again that did not begin.
    ///
    /// # Errors
    /// [`CatalogError::AlreadyFinal`] if it has ended; it is unknown; `SQLite` refused.
    pub fn requeue(&self, dump_id: &DumpId) -> Result<(), CatalogError> {
        self.conclude("queue a dump again", For::End, |tx| {
            active(tx, dump_id)?;
            tx.execute(
                "UPDATE jobs SET state = 'queued', started_at = NULL WHERE dump_id = ?1",
                [dump_id.as_str()],
            )?;
            Ok(())
        })
    }

    /// After a start: ends every job that was running when the last process died, for `reason`, and returns them, so
    /// that their partial files can be removed. Queued jobs stay queued, and intents stay until they are settled.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn recover(&self, at: Timestamp, reason: &EndReason) -> Result<Vec<Job>, CatalogError> {
        self.conclude("recover interrupted dumps", For::End, |tx| {
            let interrupted = many(
                tx,
                "WHERE jobs.state IN ('queued', 'running') AND jobs.state = 'running' ORDER BY jobs.seq",
            )?;
            interrupted.iter().map(|job| noted::ended(tx, finish(tx, &job.dump_id, reason, at)?)).collect()
        })
    }

    /// The job of that name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn job(&self, dump_id: &DumpId) -> Result<Option<Job>, CatalogError> {
        self.read("read a dump", |connection| find(connection, dump_id))
    }

    /// Queued and running jobs, oldest first.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn active_jobs(&self) -> Result<Vec<Job>, CatalogError> {
        self.read("list active dumps", |connection| {
            many(connection, "WHERE jobs.state IN ('queued', 'running') ORDER BY jobs.seq")
        })
    }
}
