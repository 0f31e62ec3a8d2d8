//! What became of dumps in a range of time, in one pass over the records and one over what ended without an image.
//!
//! Both read indexes only, and what is kept meanwhile does not grow with the number of records.

use memdeck_model::{
    ByteCount, CaptureMode, Durations, Growth, GuestName, Millis, Reach, StoredByGuest, Timestamp,
    TrendRange, TrendStep,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::column::instant;
use crate::{Catalog, CatalogError, within};

/// Guests whose stored bytes are told one by one.
const MOST_GUESTS: u32 = 8;
/// Hosts whose growth is told.
const MOST_HOSTS: usize = 256;

/// What became of dumps in a range.
#[derive(Clone, Debug)]
pub struct DumpTrends {
    /// What happened in each step.
    pub steps: Vec<TrendStep>,
    /// The guests with the most stored bytes at the end, the most first.
    pub guests: Vec<StoredByGuest>,
    /// How long guests stood still for live dumps and for frozen ones.
    pub pauses: [(CaptureMode, Durations); 2],
    /// How long dumps took.
    pub durations: Durations,
    /// What was written and removed on each host, by the name that records have.
    pub growth: Vec<(String, Growth)>,
}

impl Catalog {
    /// What became of dumps of guests within `reach` in `range`: own and imported ones. Completed dumps count when they began,
    /// others when they ended. Those of `own_host` are this catalog's own; on which host others ended is not known.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn trends(
        &self,
        range: TrendRange,
        reach: &Reach,
        own_host: Option<&str>,
    ) -> Result<DumpTrends, CatalogError> {
        self.list("find what became of dumps", |connection| {
            let mut tally = Tally::of(range, largest_guests(connection, range, reach)?);
            count_records(connection, &mut tally, reach)?;
            count_jobs(connection, &mut tally, own_host, reach)?;
            count_remote(connection, &mut tally, reach)?;
            Ok(tally.told())
        })
    }
}

/// The guests with the most stored bytes at the end of the range.
fn largest_guests(
    connection: &Connection,
    range: TrendRange,
    reach: &Reach,
) -> Result<Vec<StoredByGuest>, CatalogError> {
    let records = within::records_within(connection, reach, "INDEXED BY records_guests WHERE TRUE")?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT dom, host, total(gzip_size_bytes) AS kept FROM records {records}
         AND ok = 1 AND timestamp < ?1 AND (deleted_at IS NULL OR deleted_at >= ?1)
         GROUP BY dom, host HAVING kept > 0 ORDER BY kept DESC, dom, host LIMIT ?2"
    ))?;
    let guests = statement.query_map((range.to().unix_micros(), MOST_GUESTS), |row| {
        Ok(StoredByGuest {
            dom: GuestName(row.get("dom")?),
            host: row.get("host")?,
            stored_bytes: Vec::new(),
        })
    })?;
    Ok(guests.collect::<Result<_, _>>()?)
}

/// Records by the time of their beginning; those before the range as far as their images were still kept.
fn count_records(connection: &Connection, tally: &mut Tally, reach: &Reach) -> Result<(), CatalogError> {
    let records = within::records_within(connection, reach, within::LISTING)?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT timestamp, host, mode, ok, dom, duration_sec, gzip_size_bytes, deleted_at, pause_ms
         FROM records {records} AND timestamp < ?2 AND (timestamp >= ?1 OR (ok = 1 AND (deleted_at IS NULL OR deleted_at >= ?1)))
         ORDER BY timestamp"
    ))?;
    let mut rows = statement.query((tally.range.from().unix_micros(), tally.range.to().unix_micros()))?;
    while let Some(row) = rows.next()? {
        tally.count(row)?;
    }
    Ok(())
}

fn count_jobs(
    connection: &Connection,
    tally: &mut Tally,
    own_host: Option<&str>,
    reach: &Reach,
) -> Result<(), CatalogError> {
    let ended = "SELECT finished_at, state = 'cancelled' FROM jobs INDEXED BY jobs_without_image
                 WHERE state IN ('failed', 'cancelled') AND finished_at >= ?1 AND finished_at < ?2";
    count_ends(connection, tally, ended, reach, (own_host, "guest_name", "guest_uuid"))
}

/// Dumps of other services that left no record here. A cancelled one is `failed` to older clients: the exact state is beside it.
fn count_remote(connection: &Connection, tally: &mut Tally, reach: &Reach) -> Result<(), CatalogError> {
    let ended = "SELECT changed_at, coalesce(status ->> '$.job_state', '') = 'cancelled' FROM remote_dumps
                 WHERE is_final = 1 AND changed_at >= ?1 AND changed_at < ?2 AND status ->> '$.state' = 'failed'";
    let (name, uuid) =
        ("coalesce(guest_name, status ->> '$.guest')", "coalesce(guest_uuid, status ->> '$.guest_uuid')");
    count_ends(connection, tally, ended, reach, (None, name, uuid))
}

/// Counts what `ended` selects in the range; of the guests within `reach`, which are of the host and have the name and the UUID
/// that `whose` says.
fn count_ends(
    connection: &Connection,
    tally: &mut Tally,
    ended: &str,
    reach: &Reach,
    whose: (Option<&str>, &str, &str),
) -> Result<(), CatalogError> {
    let (from, to) = (tally.range.from().unix_micros(), tally.range.to().unix_micros());
    let Some(set) = reach.limit() else {
        let mut statement = connection.prepare_cached(ended)?;
        return tally.count_ends(statement.query((from, to))?);
    };
    within::define(connection, set)?;
    let (host, name, uuid) = whose;
    let mut statement = connection.prepare_cached(&format!("{ended} AND is_within(?3, {name}, {uuid})"))?;
    tally.count_ends(statement.query((from, to, host))?)
}

/// What is counted while rows go by.
struct Tally {
    range: TrendRange,
    steps: Vec<TrendStep>,
    /// Bytes that were added in each step, less those that were deleted; at the beginning, what was kept before.
    total: Kept,
    guests: Vec<(StoredByGuest, Kept)>,
    pauses: [(CaptureMode, Durations); 2],
    durations: Durations,
    growth: Vec<(String, Growth)>,
    /// The host of the row before is mostly that of the next.
    last_host: usize,
}

/// Stored bytes over the steps. Sums of other people's numbers may be larger than an integer of a database.
#[derive(Clone, Default)]
struct Kept {
    before: i128,
    net: Vec<i128>,
}

impl Kept {
    fn of(steps: usize) -> Self {
        Self { before: 0, net: vec![0; steps] }
    }

    /// `added` is the step, or `None` before the first one; `deleted` the step of the deletion, if there was one in the range.
    fn count(&mut self, bytes: u64, added: Option<usize>, deleted: Option<usize>) {
        let bytes = i128::from(bytes);
        match added.and_then(|step| self.net.get_mut(step)) {
            Some(net) => *net += bytes,
            None => self.before += bytes,
        }
        if let Some(net) = deleted.and_then(|step| self.net.get_mut(step)) {
            *net -= bytes;
        }
    }

    fn at_ends(&self) -> impl Iterator<Item = ByteCount> + '_ {
        self.net.iter().scan(self.before, |kept, net| {
            *kept += net;
            Some(ByteCount(u64::try_from(*kept).unwrap_or(if *kept < 0 { 0 } else { u64::MAX })))
        })
    }
}

impl Tally {
    fn of(range: TrendRange, guests: Vec<StoredByGuest>) -> Self {
        let at = range.steps();
        let count = at.len();
        let step = |at| TrendStep { at, completed: 0, failed: 0, cancelled: 0, stored_bytes: ByteCount(0) };
        Self {
            range,
            steps: at.into_iter().map(step).collect(),
            total: Kept::of(count),
            guests: guests.into_iter().map(|guest| (guest, Kept::of(count))).collect(),
            pauses: [CaptureMode::Live, CaptureMode::Frozen].map(|mode| (mode, Durations::default())),
            durations: Durations::default(),
            growth: Vec::new(),
            last_host: 0,
        }
    }

    fn step_of(&self, micros: i64) -> Option<usize> {
        self.range.step_of(Timestamp::from_unix_micros(micros).ok()?)
    }

    fn count(&mut self, row: &Row<'_>) -> Result<(), CatalogError> {
        let micros: i64 = row.get(0)?;
        let step = self.step_of(micros);
        if !row.get::<_, bool>(3)? {
            if let Some(step) = step.and_then(|step| self.steps.get_mut(step)) {
                step.failed += 1;
            }
            return Ok(());
        }
        if let Some(step) = step.and_then(|step| self.steps.get_mut(step)) {
            step.completed += 1;
        }
        let host = text(row.get_ref(1)?);
        if step.is_some() {
            self.count_durations(row)?;
        }
        let bytes = row.get::<_, Option<i64>>(6)?.map_or(0, i64::unsigned_abs);
        let deleted = row.get::<_, Option<i64>>(7)?.and_then(|deleted| self.step_of(deleted));
        self.total.count(bytes, step, deleted);
        let dom = text(row.get_ref(4)?).unwrap_or_default();
        let is_of = |guest: &StoredByGuest| guest.dom.0 == dom && guest.host.as_deref() == host;
        if let Some((_, kept)) = self.guests.iter_mut().find(|(guest, _)| is_of(guest)) {
            kept.count(bytes, step, deleted);
        }
        if let Some(host) = host {
            self.grow(host, bytes, step.map(|step| (step, micros)), deleted)?;
        }
        Ok(())
    }

    fn count_durations(&mut self, row: &Row<'_>) -> Result<(), CatalogError> {
        if let Some(seconds) = row.get::<_, Option<f64>>(5)?.filter(|seconds| *seconds >= 0.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
            self.durations.add(Millis((seconds * 1000.0).round() as u64));
        }
        let (Some(mode), Some(pause)) = (text(row.get_ref(2)?), row.get::<_, Option<i64>>(8)?) else {
            return Ok(());
        };
        if let Some((_, pauses)) = self.pauses.iter_mut().find(|(of, _)| of.as_str() == mode) {
            pauses.add(Millis(pause.unsigned_abs()));
        }
        Ok(())
    }

    fn grow(
        &mut self,
        host: &str,
        bytes: u64,
        added: Option<(usize, i64)>,
        deleted: Option<usize>,
    ) -> Result<(), CatalogError> {
        if self.growth.get(self.last_host).is_none_or(|(of, _)| of != host) {
            self.last_host = match self.growth.iter().position(|(of, _)| of == host) {
                Some(known) => known,
                None if self.growth.len() == MOST_HOSTS => return Ok(()),
                None => {
                    let growth = Growth { net: vec![0; self.steps.len()], ..Growth::default() };
                    self.growth.push((host.to_owned(), growth));
                    self.growth.len() - 1
                }
            };
        }
        let Some((_, growth)) = self.growth.get_mut(self.last_host) else { return Ok(()) };
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if let Some((step, micros)) = added {
            let at = instant("timestamp", micros)?;
            growth.dumps += 1;
            growth.first.get_or_insert(at);
            growth.last = Some(at);
            if let Some(net) = growth.net.get_mut(step) {
                *net = net.saturating_add(bytes);
            }
        }
        if let Some(net) = deleted.and_then(|step| growth.net.get_mut(step)) {
            *net = net.saturating_sub(bytes);
        }
        Ok(())
    }

    fn count_ends(&mut self, mut rows: rusqlite::Rows<'_>) -> Result<(), CatalogError> {
        while let Some(row) = rows.next()? {
            let Some(step) = self.step_of(row.get(0)?).and_then(|step| self.steps.get_mut(step)) else {
                continue;
            };
            if row.get(1)? {
                step.cancelled += 1;
            } else {
                step.failed += 1;
            }
        }
        Ok(())
    }

    fn told(self) -> DumpTrends {
        let stored = self.total.at_ends();
        let steps =
            self.steps.iter().zip(stored).map(|(step, stored_bytes)| TrendStep { stored_bytes, ..*step });
        let guests = self
            .guests
            .iter()
            .map(|(guest, kept)| StoredByGuest { stored_bytes: kept.at_ends().collect(), ..guest.clone() });
        DumpTrends {
            steps: steps.collect(),
            guests: guests.collect(),
            pauses: self.pauses,
            durations: self.durations,
            growth: self.growth,
        }
    }
}

fn text(value: ValueRef<'_>) -> Option<&str> {
    value.as_str_or_null().ok().flatten()
}
