//! A hunt from its start to its end.

use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult, NewEntry};
use memdeck_model::{
    Actor, ByteCount, DumpId, HuntId, HuntReason, HuntState, HuntTally, Message, PatternKind, Sought,
    Timestamp,
};
use rusqlite::{OptionalExtension as _, Transaction, named_params};

use super::{from_json, json};
use crate::audit::append;
use crate::column::{decode, integer};
use crate::reserve::For;
use crate::{Catalog, CatalogError};

/// A hunt whose turn it is.
#[derive(Clone, Debug)]
pub struct StartedHunt {
    pub id: HuntId,
    pub requested_by: Actor,
    pub sought: Sought,
    pub limit: u32,
    /// In the order in which they are to be searched.
    pub dumps: Vec<DumpId>,
}

/// What came of a dump of a hunt.
#[derive(Clone, Debug)]
pub struct SearchedDump {
    /// Its place in the hunt, from 0.
    pub place: u32,
    pub searched_bytes: ByteCount,
    /// Why it was not searched to its end.
    pub problem: Option<Message>,
}

/// How a hunt ended.
#[derive(Clone, Debug)]
pub struct HuntEnd {
    pub id: HuntId,
    pub at: Timestamp,
    /// Why it did not go through all its images; `None` if it did.
    pub reason: Option<HuntReason>,
    pub tally: HuntTally,
    /// Those that it came to.
    pub dumps: Vec<SearchedDump>,
}

impl Catalog {
    /// Starts the oldest hunt that waits, unless one runs.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn start_hunt(&self, now: Timestamp) -> Result<Option<StartedHunt>, CatalogError> {
        self.write("start a hunt", |tx| {
            let mut statement = tx.prepare_cached(
                "SELECT seq, id, requested_by, kind, utf16, ignore_case, hit_limit, patterns FROM hunts
                 WHERE state = 'queued' AND NOT EXISTS (SELECT 1 FROM hunts WHERE state = 'running')
                 ORDER BY seq LIMIT 1",
            )?;
            let mut rows = statement.query([])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let seq: i64 = row.get("seq")?;
            let kind: PatternKind = from_json("kind", format!("\"{}\"", row.get::<_, String>("kind")?))?;
            let started = StartedHunt {
                id: decode("id", row.get("id")?)?,
                requested_by: Actor::from_kept(&row.get::<_, String>("requested_by")?),
                sought: Sought {
                    patterns: from_json("patterns", row.get("patterns")?)?,
                    kind,
                    utf16: row.get("utf16")?,
                    ignore_case: row.get("ignore_case")?,
                },
                limit: row.get("hit_limit")?,
                dumps: dumps_of(tx, seq)?,
            };
            tx.execute(
                "UPDATE hunts SET state = 'running', started_at = ?2 WHERE seq = ?1",
                (seq, now.unix_micros()),
            )?;
            Ok(Some(started))
        })
    }

    /// Ends a hunt that runs, and notes it.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn end_hunt(&self, end: &HuntEnd, entries: &[NewEntry]) -> Result<(), CatalogError> {
        let reason = end.reason.as_ref().map(|reason| json("reason", reason)).transpose()?;
        let state = end.reason.as_ref().map_or(HuntState::Completed, HuntReason::state);
        self.conclude("end a hunt", For::End, |tx| {
            let seq: Option<i64> = tx
                .query_row(
                    "SELECT seq FROM hunts WHERE id = ?1 AND state = 'running'",
                    [end.id.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(seq) = seq else { return Ok(()) };
            let mut update = tx.prepare_cached(
                "UPDATE hunt_dumps SET searched_bytes = ?3, problem = ?4 WHERE hunt = ?1 AND place = ?2",
            )?;
            for dump in &end.dumps {
                let problem = dump.problem.as_ref().map(ToString::to_string);
                update.execute((seq, dump.place, integer(dump.searched_bytes.0), problem))?;
            }
            keep_tally(tx, seq, &end.tally)?;
            tx.execute(
                "UPDATE hunts SET state = ?2, reason = ?3, ended_at = ?4 WHERE seq = ?1",
                (seq, state.as_str(), &reason, end.at.unix_micros()),
            )?;
            entries.iter().try_for_each(|entry| append(tx, entry).map(drop))
        })
    }

    /// Ends the hunt that runs as interrupted, at the start of memdeck: it ran when memdeck ended. Which one that was.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn interrupt_hunt(&self, now: Timestamp) -> Result<Option<HuntId>, CatalogError> {
        let reason = HuntReason::ServiceStopped;
        let kept = json("reason", &reason)?;
        self.conclude("end a hunt that was interrupted", For::Start, |tx| {
            let id: Option<String> = tx
                .query_row("SELECT id FROM hunts WHERE state = 'running'", [], |row| row.get(0))
                .optional()?;
            let Some(id) = id else { return Ok(None) };
            tx.execute(
                "UPDATE hunts SET state = 'interrupted', reason = ?2, ended_at = ?3 WHERE id = ?1",
                (&id, &kept, now.unix_micros()),
            )?;
            let id: HuntId = decode("id", id)?;
            let object = AuditObject::Hunt { id: id.clone() };
            let entry = NewEntry::new(now, Actor::Service, AuditAction::HuntEnded, object);
            append(tx, &entry.with_result(AuditResult::CutOff).with(AuditDetails::because(&reason)))?;
            Ok(Some(id))
        })
    }
}

/// Keeps how far a hunt is.
pub(super) fn keep_tally(tx: &Transaction<'_>, seq: i64, tally: &HuntTally) -> Result<(), CatalogError> {
    let mut update = tx.prepare_cached(
        "UPDATE hunts SET bytes_done = :done, bytes_expected = :expected, dumps_done = :dumps, hits = :hits
         WHERE seq = :seq",
    )?;
    update.execute(named_params! {
        ":seq": seq,
        ":done": integer(tally.bytes_done.0),
        ":expected": integer(tally.bytes_expected.0),
        ":dumps": tally.dumps_done,
        ":hits": tally.hits,
    })?;
    Ok(())
}

fn dumps_of(tx: &Transaction<'_>, seq: i64) -> Result<Vec<DumpId>, CatalogError> {
    let mut statement = tx.prepare_cached("SELECT dump_id FROM hunt_dumps WHERE hunt = ?1 ORDER BY place")?;
    let mut rows = statement.query([seq])?;
    let mut dumps = Vec::new();
    while let Some(row) = rows.next()? {
        dumps.push(decode("dump_id", row.get(0)?)?);
    }
    Ok(dumps)
}
