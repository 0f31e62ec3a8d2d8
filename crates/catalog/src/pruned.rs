//! What is known of dumps whose records were archived and removed.

use memdeck_model::{DumpId, Record};
use rusqlite::{Connection, OptionalExtension as _};

use crate::same_dump::{Traits, is_same_row_as};

/// Whether the record was archived and removed: by its dump's name, or, without one, by guest and start.
pub(crate) fn has(connection: &Connection, record: &Record) -> rusqlite::Result<bool> {
    if let Some(dump_id) = &record.dump_id {
        return has_dump(connection, dump_id);
    }
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM pruned WHERE timestamp = ?1 AND dom = ?2 AND vmid = ?3 AND dump_id IS NULL AND is_foreign = 0",
    )?;
    let values = (record.timestamp.unix_micros(), &record.dom.0, &record.vmid);
    Ok(statement.query_row(values, |_| Ok(())).optional()?.is_some())
}

/// Whether a row of the time-series store is one whose record was archived and removed, or of a dump whose record was.
pub(crate) fn has_row(connection: &Connection, record: &Record) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT sha256, dump_path, host, dom, vmid, is_foreign FROM pruned WHERE timestamp = ?1",
    )?;
    let mut rows = statement.query([record.timestamp.unix_micros()])?;
    let row = Traits::of(record);
    while let Some(pruned) = rows.next()? {
        let traits = Traits::read(pruned)?;
        let is_known =
            if pruned.get("is_foreign")? { is_same_row_as(&traits, &row) } else { row.is_of(&traits) };
        if is_known {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the record of that dump was archived and removed.
pub(crate) fn has_dump(connection: &Connection, dump_id: &DumpId) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM pruned WHERE dump_id = ?1")?;
    Ok(statement.query_row([dump_id.as_str()], |_| Ok(())).optional()?.is_some())
}
