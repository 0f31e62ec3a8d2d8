//! Hunts: what was looked for in the memory of which dumps, how far that is, and what was found.

mod hits;
mod run;
#[cfg(test)]
mod tests;

use memdeck_model::audit::NewEntry;
use memdeck_model::{
    Actor, ByteCount, GuestName, Hunt, HuntDetails, HuntDump, HuntId, HuntReason, HuntState, HuntTally,
    HuntedPattern, PatternKind, Reach, Sought, Timestamp,
};
use rusqlite::{OptionalExtension as _, Row, Transaction, named_params};

pub use hits::KeptHit;
pub use run::{HuntEnd, SearchedDump, StartedHunt};

use crate::audit::append;
use crate::column::{actor, decode, instant};
use crate::{Catalog, CatalogError, within};

/// The most hunts that wait.
const MOST_QUEUED: u32 = 20;
/// The most hunts that are kept with their hits.
const KEPT: u32 = 50;
/// How many patterns are shown of a hunt in a list, and how many letters of each.
const SHOWN_PATTERNS: usize = 3;
const SHOWN_LETTERS: usize = 80;

const COLUMNS: &str =
    "seq, id, requested_by, requested_at, state, reason, started_at, ended_at, kind, utf16, ignore_case,
    hit_limit, dump_count, bytes_done, bytes_expected, dumps_done, hits, pattern_count, first_patterns";

/// A hunt that is to be kept.
#[derive(Clone, Debug)]
pub struct AddedHunt {
    pub id: HuntId,
    pub requested_by: Actor,
    pub at: Timestamp,
    pub sought: Sought,
    pub limit: u32,
    /// In the order in which they are to be searched.
    pub dumps: Vec<HuntDump>,
}

/// What became of a hunt that was to be cancelled or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HuntChanged {
    /// It was done.
    Done,
    /// It cannot be done: the hunt stands so.
    Is(HuntState),
    /// There is none of this id.
    Unknown,
}

impl Catalog {
    /// Keeps a hunt that waits for its turn, and notes that it was asked for; the oldest that have ended are forgotten. How
    /// many may wait, if too many do: then nothing is kept.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn add_hunt(&self, hunt: &AddedHunt, entry: &NewEntry) -> Result<Option<u32>, CatalogError> {
        let AddedHunt { id, requested_by, at, sought, limit, dumps } = hunt;
        let shown = |pattern: &String| pattern.chars().take(SHOWN_LETTERS).collect::<String>();
        let first: Vec<_> = sought.patterns.iter().take(SHOWN_PATTERNS).map(shown).collect();
        let (first, patterns) = (json("first_patterns", &first)?, json("patterns", &sought.patterns)?);
        let kind = word_of(sought.kind)?;
        self.write("keep a hunt", |tx| {
            let queued: u32 =
                tx.query_row("SELECT count(*) FROM hunts WHERE state = 'queued'", [], |row| row.get(0))?;
            if queued >= MOST_QUEUED {
                return Ok(Some(MOST_QUEUED));
            }
            tx.execute(
                "INSERT INTO hunts (id, requested_by, requested_at, state, kind, utf16, ignore_case, hit_limit,
                     dump_count, pattern_count, first_patterns, patterns)
                 VALUES (:id, :requested_by, :at, 'queued', :kind, :utf16, :ignore_case, :limit, :dumps, :count, :first,
                     :patterns)",
                named_params! {
                    ":id": id.as_str(),
                    ":requested_by": requested_by.to_json(),
                    ":at": at.unix_micros(),
                    ":kind": kind,
                    ":utf16": sought.utf16,
                    ":ignore_case": sought.ignore_case,
                    ":limit": limit,
                    ":dumps": count(dumps.len()),
                    ":count": count(sought.patterns.len()),
                    ":first": first,
                    ":patterns": patterns,
                },
            )?;
            let seq = tx.last_insert_rowid();
            let mut insert = tx.prepare_cached(
                "INSERT INTO hunt_dumps (hunt, place, dump_id, guest, taken_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (place, dump) in (0_u32..).zip(dumps) {
                insert.execute((
                    seq,
                    place,
                    dump.dump_id.as_str(),
                    &dump.guest.0,
                    dump.taken_at.unix_micros(),
                ))?;
            }
            tx.execute(
                "DELETE FROM hunts WHERE ended_at IS NOT NULL AND seq <=
                     (SELECT seq FROM hunts ORDER BY seq DESC LIMIT 1 OFFSET ?1)",
                [KEPT],
            )?;
            append(tx, entry)?;
            Ok(None)
        })
    }

    /// Every hunt that is kept and searches only images within `reach`, newest first.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn hunts(&self, reach: &Reach) -> Result<Vec<Hunt>, CatalogError> {
        self.list("list hunts", |connection| {
            let seen = match reach.limit() {
                None => "TRUE",
                Some(set) => {
                    within::define(connection, set)?;
                    // Of an image without a record nobody knows whose it is.
                    "NOT EXISTS (SELECT 1 FROM hunt_dumps LEFT JOIN records USING (dump_id)
                                 WHERE hunt_dumps.hunt = hunts.seq AND NOT is_within(host, dom, guest_uuid))"
                }
            };
            let mut statement = connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM hunts WHERE {seen} ORDER BY seq DESC"))?;
            let mut rows = statement.query([])?;
            let mut hunts = Vec::new();
            while let Some(row) = rows.next()? {
                hunts.push(read(row)?);
            }
            Ok(hunts)
        })
    }

    /// A hunt with its patterns and dumps.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn hunt(&self, id: &HuntId) -> Result<Option<HuntDetails>, CatalogError> {
        self.list("read a hunt", |connection| {
            let mut statement =
                connection.prepare_cached(&format!("SELECT {COLUMNS}, patterns FROM hunts WHERE id = ?1"))?;
            let mut rows = statement.query([id.as_str()])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let (hunt, seq): (_, i64) = (read(row)?, row.get("seq")?);
            let texts: Vec<String> = from_json("patterns", row.get("patterns")?)?;
            let (by_pattern, by_dump) = hits::counted(connection, seq)?;
            let of = |counts: &[(u32, u32)], place| {
                counts.iter().find(|(known, _)| *known == place).map_or(0, |(_, hits)| *hits)
            };
            let pattern = |(place, pattern)| HuntedPattern {
                pattern,
                kind: hunt.kind,
                hits: of(&by_pattern, place).into(),
            };
            let patterns = (0_u32..).zip(texts).map(pattern).collect();
            let mut statement = connection.prepare_cached(
                "SELECT place, dump_id, guest, taken_at, searched_bytes, problem FROM hunt_dumps WHERE hunt = ?1
                 ORDER BY place",
            )?;
            let mut rows = statement.query([seq])?;
            let mut dumps = Vec::new();
            while let Some(row) = rows.next()? {
                let searched: Option<i64> = row.get("searched_bytes")?;
                dumps.push(HuntDump {
                    dump_id: decode("dump_id", row.get("dump_id")?)?,
                    guest: GuestName(row.get("guest")?),
                    taken_at: instant("taken_at", row.get("taken_at")?)?,
                    searched_bytes: searched.map(|bytes| ByteCount(bytes.unsigned_abs())),
                    hits: of(&by_dump, row.get("place")?),
                    problem: row.get::<_, Option<String>>("problem")?.map(Into::into),
                });
            }
            Ok(Some(HuntDetails { hunt, patterns, dumps }))
        })
    }

    /// Cancels a hunt that waits, and notes it.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn cancel_queued_hunt(
        &self,
        id: &HuntId,
        by: &Actor,
        at: Timestamp,
        entry: &NewEntry,
    ) -> Result<HuntChanged, CatalogError> {
        let reason = json("reason", &HuntReason::Cancelled { by: by.clone() })?;
        self.write("cancel a hunt", |tx| {
            let cancelled = tx.execute(
                "UPDATE hunts SET state = 'cancelled', reason = ?2, ended_at = ?3 WHERE id = ?1 AND state = 'queued'",
                (id.as_str(), &reason, at.unix_micros()),
            )?;
            if cancelled == 0 {
                return Ok(state_of(tx, id)?.map_or(HuntChanged::Unknown, HuntChanged::Is));
            }
            append(tx, entry)?;
            Ok(HuntChanged::Done)
        })
    }

    /// Forgets a hunt that has ended, with its hits, and notes it.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn remove_hunt(&self, id: &HuntId, entry: &NewEntry) -> Result<HuntChanged, CatalogError> {
        self.write("remove a hunt", |tx| {
            let removed =
                tx.execute("DELETE FROM hunts WHERE id = ?1 AND ended_at IS NOT NULL", [id.as_str()])?;
            if removed == 0 {
                return Ok(state_of(tx, id)?.map_or(HuntChanged::Unknown, HuntChanged::Is));
            }
            append(tx, entry)?;
            Ok(HuntChanged::Done)
        })
    }
}

fn state_of(tx: &Transaction<'_>, id: &HuntId) -> Result<Option<HuntState>, CatalogError> {
    let state =
        tx.query_row("SELECT state FROM hunts WHERE id = ?1", [id.as_str()], |row| row.get(0)).optional()?;
    state.map(|state| decode("state", state)).transpose()
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A kind of pattern as it is on the wire.
fn word_of(kind: PatternKind) -> Result<String, CatalogError> {
    let undecodable = || CatalogError::Undecodable { column: "kind", value: format!("{kind:?}") };
    let word = serde_json::to_value(kind).map_err(|_| undecodable())?;
    word.as_str().map(str::to_owned).ok_or_else(undecodable)
}

fn json<T: serde::Serialize>(column: &'static str, value: &T) -> Result<String, CatalogError> {
    serde_json::to_string(value)
        .map_err(|error| CatalogError::Undecodable { column, value: error.to_string() })
}

fn from_json<T: serde::de::DeserializeOwned>(column: &'static str, text: String) -> Result<T, CatalogError> {
    serde_json::from_str(&text).map_err(|_| CatalogError::Undecodable { column, value: text })
}

fn read(row: &Row<'_>) -> Result<Hunt, CatalogError> {
    let moment = |column: &'static str| {
        let micros: Option<i64> = row.get(column)?;
        micros.map(|micros| instant(column, micros)).transpose()
    };
    let bytes = |column: &str| row.get::<_, i64>(column).map(|bytes| ByteCount(bytes.unsigned_abs()));
    let kind: String = row.get("kind")?;
    let reason: Option<String> = row.get("reason")?;
    Ok(Hunt {
        id: decode("id", row.get("id")?)?,
        requested_by: actor(row, "requested_by")?.unwrap_or(Actor::Unknown),
        requested_at: instant("requested_at", row.get("requested_at")?)?,
        started_at: moment("started_at")?,
        ended_at: moment("ended_at")?,
        state: decode("state", row.get("state")?)?,
        reason: reason.map(|reason| from_json("reason", reason)).transpose()?,
        kind: from_json("kind", format!("\"{kind}\""))?,
        utf16: row.get("utf16")?,
        ignore_case: row.get("ignore_case")?,
        pattern_count: row.get("pattern_count")?,
        first_patterns: from_json("first_patterns", row.get("first_patterns")?)?,
        dump_count: row.get("dump_count")?,
        limit: row.get("hit_limit")?,
        tally: HuntTally {
            bytes_done: bytes("bytes_done")?,
            bytes_expected: bytes("bytes_expected")?,
            dumps_done: row.get("dumps_done")?,
            hits: row.get("hits")?,
        },
    })
}
