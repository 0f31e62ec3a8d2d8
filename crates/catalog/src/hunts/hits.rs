//! What hunts found.

use memdeck_model::{FoundHit, GuestName, GuestPhysAddr, HuntHit, HuntHits, HuntId, HuntTally};
use rusqlite::{Connection, OptionalExtension as _};

use super::from_json;
use super::run::keep_tally;
use crate::column::{decode, instant};
use crate::{Catalog, CatalogError};

/// A hit that is to be kept.
#[derive(Clone, Debug)]
pub struct KeptHit {
    /// Its number in the hunt, from 1.
    pub number: u32,
    /// The place of its dump in the hunt, whatever the hit itself says.
    pub place: u32,
    pub hit: HuntHit,
}

impl Catalog {
    /// Keeps what a hunt that runs has found since the last time, and how far it is.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn keep_hits(&self, id: &HuntId, hits: &[KeptHit], tally: &HuntTally) -> Result<(), CatalogError> {
        self.write("keep what a hunt found", |tx| {
            let seq: Option<i64> = tx
                .query_row(
                    "SELECT seq FROM hunts WHERE id = ?1 AND state = 'running'",
                    [id.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(seq) = seq else { return Ok(()) };
            let mut insert = tx.prepare_cached(
                "INSERT INTO hunt_hits (hunt, number, dump, pattern, address, bytes, around_address, around)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for KeptHit { number, place, hit } in hits {
                insert.execute((
                    seq,
                    number,
                    place,
                    hit.pattern,
                    hit.address.0.cast_signed(),
                    hit.bytes,
                    hit.around_address.0.cast_signed(),
                    &hit.around,
                ))?;
            }
            keep_tally(tx, seq, tally)
        })
    }

    /// At most `limit` hits of a hunt behind that of the number `after`; `None` if there is no such hunt.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn hunt_hits(&self, id: &HuntId, after: u32, limit: u32) -> Result<Option<HuntHits>, CatalogError> {
        self.list("list what a hunt found", |connection| {
            let hunt = connection
                .query_row("SELECT seq, patterns FROM hunts WHERE id = ?1", [id.as_str()], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
                })
                .optional()?;
            let Some((seq, patterns)) = hunt else { return Ok(None) };
            let patterns: Vec<String> = from_json("patterns", patterns)?;
            let mut statement = connection.prepare_cached(
                "SELECT number, dump_id, guest, taken_at, pattern, address, bytes, around_address, around
                 FROM hunt_hits JOIN hunt_dumps ON hunt_dumps.hunt = hunt_hits.hunt AND place = dump
                 WHERE hunt_hits.hunt = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
            )?;
            let mut rows = statement.query((seq, after, limit.saturating_add(1)))?;
            let mut hits = Vec::new();
            while let Some(row) = rows.next()? {
                let pattern: u32 = row.get("pattern")?;
                let pattern = usize::try_from(pattern).ok().and_then(|place| patterns.get(place));
                let address = |column: &str| {
                    row.get::<_, i64>(column).map(|address| GuestPhysAddr(address.cast_unsigned()))
                };
                hits.push(FoundHit {
                    number: row.get("number")?,
                    dump_id: decode("dump_id", row.get("dump_id")?)?,
                    guest: GuestName(row.get("guest")?),
                    taken_at: instant("taken_at", row.get("taken_at")?)?,
                    pattern: pattern.cloned().unwrap_or_default(),
                    address: address("address")?,
                    bytes: row.get("bytes")?,
                    around_address: address("around_address")?,
                    around: row.get("around")?,
                    owners: None,
                });
            }
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let is_more = hits.len() > limit;
            hits.truncate(limit);
            let next = hits.last().filter(|_| is_more).map(|hit| hit.number);
            Ok(Some(HuntHits { hits, next }))
        })
    }
}

/// How many there are, by the place.
pub(super) type Counts = Vec<(u32, u32)>;

/// How many hits of a hunt each pattern and each dump has.
pub(super) fn counted(connection: &Connection, seq: i64) -> Result<(Counts, Counts), CatalogError> {
    let by = |column: &str| {
        let sql = format!("SELECT {column}, count(*) FROM hunt_hits WHERE hunt = ?1 GROUP BY {column}");
        let mut statement = connection.prepare_cached(&sql)?;
        statement
            .query_map([seq], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Counts>>()
    };
    Ok((by("pattern")?, by("dump")?))
}
