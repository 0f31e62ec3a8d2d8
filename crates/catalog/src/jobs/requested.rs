//! Jobs by the key of the request that asked for them.

use memdeck_model::{RequestKey, Timestamp, VmRef};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::of_seq;
use crate::requests::KEPT_FOR;
use crate::{CatalogError, Job};

/// The job that `vm` led to when it was asked for under `key`.
pub(super) fn requested(
    connection: &Connection,
    key: &RequestKey,
    vm: &VmRef,
) -> Result<Option<Job>, CatalogError> {
    let seq: Option<i64> = connection
        .prepare_cached("SELECT job_seq FROM requested_dumps WHERE key = ?1 AND vm = ?2")?
        .query_row([key.as_str(), vm.as_str()], |row| row.get(0))
        .optional()?;
    seq.map(|seq| of_seq(connection, seq)).transpose().map(Option::flatten)
}

/// From now on `vm` under `key` leads to `job`.
pub(super) fn note_requested(
    connection: &Connection,
    key: Option<&RequestKey>,
    vm: &VmRef,
    job: &Job,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let Some(key) = key else { return Ok(()) };
    connection
        .prepare_cached("DELETE FROM requested_dumps WHERE at < ?1")?
        .execute([at.minus(KEPT_FOR).unix_micros()])?;
    let seq = i64::try_from(job.seq).unwrap_or(i64::MAX);
    connection
        .prepare_cached("INSERT INTO requested_dumps (key, vm, job_seq, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![key.as_str(), vm.as_str(), seq, at.unix_micros()])?;
    Ok(())
}
