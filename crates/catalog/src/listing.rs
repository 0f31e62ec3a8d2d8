//! Records by search, filter, order and page, and one after the other.
//!
//! What a filter and an order mean is said by [`RecordFilter::matches`] and [`memdeck_model::RecordSort::compare`];
//! this is the same in SQL, but for searched text, which SQL asks [`SearchText::is_in`] about. Without a filter an
//! index has each order. With one, one pass over the narrow index `records_listing` finds and counts: fast enough for
//! hundreds of thousands of records, whatever is searched for.

use std::sync::Arc;

use memdeck_model::{
    HostName, Reach, Record, RecordColumn, RecordFilter, RecordPage, RecordQuery, RecordSort, RecordState,
    Said, SearchText, SortOrder, Timestamp,
};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::column::{RECORD_COLUMNS, unsigned};
use crate::record_row::read_record;
use crate::{Catalog, CatalogError, within};

/// Where a walk through the records has got to. Records that come later lie behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) timestamp: i64,
    pub(crate) seq: i64,
}

impl Place {
    /// Before every record.
    pub(crate) const BEGINNING: Self = Self { timestamp: i64::MIN, seq: i64::MIN };
}

/// The most hosts that are returned.
const MOST_HOSTS: u32 = 1000;

impl Catalog {
    /// A page of the records that a filter means, own and imported, and how many there are in all.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn records(&self, query: &RecordQuery) -> Result<RecordPage, CatalogError> {
        self.records_within(query, &Reach::Everything)
    }

    /// The same of the records of guests that somebody may see.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn records_within(&self, query: &RecordQuery, reach: &Reach) -> Result<RecordPage, CatalogError> {
        let page = self.list("list records", |connection| {
            let asked = (query.clone(), reach.clone());
            self.pages.answer(self.version(connection)?, asked, |(query, reach)| {
                let (seqs, total) = page_of(connection, query, reach)?;
                let records = records_of(connection, &seqs)?;
                let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
                Ok(Arc::new(RecordPage { records, count, limit: query.limit, offset: query.offset, total }))
            })
        })?;
        Ok(Arc::unwrap_or_clone(page))
    }

    /// Up to `limit` of the records within `reach` that `filter` means, newest first, behind `place` (from the newest without one),
    /// and the place behind the last of them; no place if there are no more. Records that are stored between two
    /// calls may be missing, but none comes twice.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn records_behind(
        &self,
        filter: &RecordFilter,
        reach: &Reach,
        place: Option<Place>,
        limit: u32,
    ) -> Result<(Vec<Record>, Option<Place>), CatalogError> {
        self.list("walk through records", |connection| {
            let mut condition = Condition::of(filter, reach, connection)?;
            if let Some(Place { timestamp, seq }) = place {
                condition.add("(timestamp, seq) < (?, ?)", [timestamp.into(), seq.into()]);
            }
            let sql = format!(
                "SELECT {RECORD_COLUMNS} FROM records INDEXED BY records_listing WHERE {}
                 ORDER BY timestamp DESC, seq DESC LIMIT {limit}",
                condition.sql()
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(condition.values))?;
            let (mut records, mut last) = (Vec::new(), None);
            while let Some(row) = rows.next()? {
                last = Some(Place { timestamp: row.get("timestamp")?, seq: row.get("seq")? });
                records.push(read_record(row)?);
            }
            let is_full = u32::try_from(records.len()).is_ok_and(|count| count == limit);
            Ok((records, last.filter(|_| is_full)))
        })
    }

    /// The hosts that records within `reach` name, in alphabetical order; at most 1000.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn hosts(&self, reach: &Reach) -> Result<Vec<String>, CatalogError> {
        self.list("list hosts", |connection| {
            if reach.is_limited() {
                let records = within::records_within(connection, reach, within::LISTING)?;
                let mut statement = connection.prepare_cached(&format!(
                    "SELECT DISTINCT host FROM records {records} AND host <> '' ORDER BY host LIMIT ?1"
                ))?;
                let hosts = statement.query_map([MOST_HOSTS], |row| row.get(0))?;
                return Ok(hosts.collect::<Result<_, _>>()?);
            }
            // From host to host through the index, whatever number of records each has.
            let mut statement = connection.prepare_cached(
                "WITH RECURSIVE hosts (host) AS (
                     SELECT min(host) FROM records
                     UNION ALL
                     SELECT (SELECT min(host) FROM records WHERE host > hosts.host) FROM hosts
                     WHERE hosts.host IS NOT NULL
                 )
                 SELECT host FROM hosts WHERE host IS NOT NULL AND host <> '' LIMIT ?1",
            )?;
            let hosts = statement.query_map([MOST_HOSTS], |row| row.get(0))?;
            Ok(hosts.collect::<Result<_, _>>()?)
        })
    }
}

/// The sequence numbers of the page's records in their order, and how many records the filter means.
fn page_of(
    connection: &Connection,
    query: &RecordQuery,
    reach: &Reach,
) -> Result<(Vec<i64>, u64), CatalogError> {
    let order = order_of(query.sort);
    let page = format!("LIMIT {} OFFSET {}", query.limit, i64::try_from(query.offset).unwrap_or(i64::MAX));
    if query.filter.is_empty() && !reach.is_limited() {
        let mut statement =
            connection.prepare_cached(&format!("SELECT seq FROM records ORDER BY {order} {page}"))?;
        let seqs = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let total = connection.prepare_cached("SELECT count(*) FROM records")?.query_row([], unsigned)?;
        return Ok((seqs, total));
    }
    let condition = Condition::of(&query.filter, reach, connection)?;
    let matching = format!("FROM records INDEXED BY records_listing WHERE {}", condition.sql());
    if query.sort.by == RecordColumn::Timestamp {
        // The index has this order: one pass finds the page and goes on to the end to count.
        let mut statement = connection.prepare_cached(&format!("SELECT seq {matching} ORDER BY {order}"))?;
        let mut rows = statement.query(params_from_iter(&condition.values))?;
        let (mut seqs, mut total) = (Vec::new(), 0_u64);
        while let Some(row) = rows.next()? {
            if total >= query.offset && total - query.offset < u64::from(query.limit) {
                seqs.push(row.get(0)?);
            }
            total += 1;
        }
        return Ok((seqs, total));
    }
    let mut statement = connection
        .prepare_cached(&format!("SELECT seq, count(*) OVER () {matching} ORDER BY {order} {page}"))?;
    let mut rows = statement.query(params_from_iter(&condition.values))?;
    let (mut seqs, mut total) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        seqs.push(row.get(0)?);
        total = Some(row.get::<_, i64>(1)?.unsigned_abs());
    }
    let total = match total {
        Some(total) => total,
        // An empty page has no number.
        None => connection.query_row(
            &format!("SELECT count(*) {matching}"),
            params_from_iter(&condition.values),
            unsigned,
        )?,
    };
    Ok((seqs, total))
}

fn records_of(connection: &Connection, seqs: &[i64]) -> Result<Vec<Record>, CatalogError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {RECORD_COLUMNS} FROM records WHERE records.seq = ?1"))?;
    let mut records = Vec::with_capacity(seqs.len());
    for seq in seqs {
        let mut rows = statement.query([seq])?;
        while let Some(row) = rows.next()? {
            records.push(read_record(row)?);
        }
    }
    Ok(records)
}

/// The terms of `ORDER BY`. They are those of the indexes of migration 4.
fn order_of(sort: RecordSort) -> String {
    let direction = match sort.order {
        SortOrder::Asc => "ASC",
        SortOrder::Desc => "DESC",
    };
    let column = match sort.by {
        RecordColumn::Timestamp => return format!("timestamp {direction}, seq {direction}"),
        RecordColumn::Dom => "dom COLLATE NOCASE",
        RecordColumn::Vmid => {
            return format!(
                "length(nullif(vmid, '')) {direction} NULLS LAST, vmid {direction}, timestamp DESC, seq DESC"
            );
        }
        RecordColumn::DurationSec => "duration_sec",
        RecordColumn::Sha256 => "sha256",
        RecordColumn::DumpPath => "dump_path",
        RecordColumn::GzipSizeBytes => "gzip_size_bytes",
        RecordColumn::RawSizeBytes => "raw_size_bytes",
    };
    format!("{column} {direction} NULLS LAST, timestamp DESC, seq DESC")
}

/// The terms of `WHERE`, all of which must hold, and the values of their `?`. No text of a caller is in the terms.
struct Condition {
    terms: Vec<String>,
    values: Vec<Value>,
}

impl Condition {
    /// What `filter` means to this connection among the records within `reach`, until the next filter.
    fn of(filter: &RecordFilter, reach: &Reach, connection: &Connection) -> Result<Self, CatalogError> {
        let RecordFilter { search, from, to, state, host, mode } = filter;
        let mut condition = Self { terms: Vec::new(), values: Vec::new() };
        if let Some(from) = from {
            condition.add("timestamp >= ?", [Timestamp::unix_micros(*from).into()]);
        }
        if let Some(to) = to {
            condition.add("timestamp < ?", [Timestamp::unix_micros(*to).into()]);
        }
        if let Some(state) = state {
            condition.add("ok = ?", [i64::from(*state == RecordState::Complete).into()]);
        }
        if let Some(host) = host {
            condition.add("host = ?", [HostName::as_str(host).to_owned().into()]);
        }
        if let Some(mode) = mode {
            condition.add("mode = ?", [mode.as_str().to_owned().into()]);
        }
        if let Some(set) = reach.limit() {
            within::define(connection, set)?;
            condition.add("is_within(host, dom, guest_uuid)", []);
        }
        if let Some(search) = search {
            define_is_found(connection, search.clone())?;
            condition.add("is_found(dom, vmid, sha256, case_number, note)", []);
        }
        Ok(condition)
    }

    fn add<const N: usize>(&mut self, term: &str, values: [Value; N]) {
        self.terms.push(term.to_owned());
        self.values.extend(values);
    }

    fn sql(&self) -> String {
        if self.terms.is_empty() { "TRUE".to_owned() } else { self.terms.join(" AND ") }
    }
}

/// Makes `is_found` the SQL function that says whether a row has `search`. One call for a row is much cheaper than the
/// five `LIKE`s that it stands for, and a search means the same everywhere.
fn define_is_found(connection: &Connection, search: SearchText) -> Result<(), CatalogError> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    let is_found = move |row: &Context<'_>| {
        let text = |index| Ok::<_, rusqlite::Error>(row.get_raw(index).as_str_or_null()?);
        Ok(search.is_in(Said {
            dom: text(0)?.unwrap_or_default(),
            vmid: text(1)?.unwrap_or_default(),
            sha256: text(2)?,
            case: text(3)?,
            note: text(4)?,
        }))
    };
    Ok(connection.create_scalar_function("is_found", 5, flags, is_found)?)
}
