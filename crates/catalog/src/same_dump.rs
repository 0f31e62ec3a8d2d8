//! Which rows are of one dump. A row of ours comes back from the time-series store, and a dump that others know of may be
//! recorded by its own memdeck later.
//!
//! No two dumps share the instant at which they began, to the microsecond, together with their hash, their file or their
//! guest.

use memdeck_model::Record;
use rusqlite::{Connection, Row};

/// Removes the record that was made of a row, because the dump's own record comes now.
pub(crate) fn give_way(connection: &Connection, to: &Record) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, sha256, dump_path, host, dom, vmid FROM records WHERE timestamp = ?1 AND foreign_row IS NOT NULL",
    )?;
    let mut rows = statement.query([to.timestamp.unix_micros()])?;
    let mut replaced = Vec::new();
    while let Some(row) = rows.next()? {
        if Traits::read(row)?.is_of(&Traits::of(to)) {
            replaced.push(row.get::<_, i64>("seq")?.unsigned_abs());
        }
    }
    replaced.into_iter().try_for_each(|seq| remove(connection, seq))
}

pub(crate) fn remove(connection: &Connection, seq: u64) -> rusqlite::Result<()> {
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    connection.execute("DELETE FROM records WHERE seq = ?1 AND foreign_row IS NOT NULL", [seq])?;
    Ok(())
}

/// Whether both are of one row: the store names a row by its tags and its time.
pub(crate) fn is_same_row(known: &Record, row: &Record) -> bool {
    known.foreign.is_some()
        && (known.timestamp, &known.dom, &known.vmid, &known.host)
            == (row.timestamp, &row.dom, &row.vmid, &row.host)
}

/// Whether a row is of a dump that some memdeck has recorded.
pub(crate) fn tells_of(row: &Record, known: &Record) -> bool {
    known.foreign.is_none() && Traits::of(row).is_of(&Traits::of(known))
}

/// Whether both, of one time, are of one row.
pub(crate) fn is_same_row_as(known: &Traits, row: &Traits) -> bool {
    (&known.dom, &known.vmid, &known.host) == (&row.dom, &row.vmid, &row.host)
}

/// By what a dump that began at a known microsecond is recognised.
pub(crate) struct Traits {
    sha256: Option<String>,
    dump_path: Option<String>,
    host: Option<String>,
    dom: String,
    vmid: String,
}

impl Traits {
    /// Those of a row that has a column for each.
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            sha256: row.get("sha256")?,
            dump_path: row.get("dump_path")?,
            host: row.get("host")?,
            dom: row.get("dom")?,
            vmid: row.get("vmid")?,
        })
    }

    pub(crate) fn of(record: &Record) -> Self {
        Self {
            sha256: record.sha256.clone(),
            dump_path: record.dump_path.clone(),
            host: record.host.clone(),
            dom: record.dom.0.clone(),
            vmid: record.vmid.clone(),
        }
    }

    /// The name of a guest alone is no proof: a tag cannot hold every name, and older tools write no host.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        fn both(one: Option<&String>, other: Option<&String>) -> Option<bool> {
            one.zip(other).map(|(one, other)| one == other)
        }
        if both(self.sha256.as_ref(), other.sha256.as_ref()) == Some(true) {
            return true;
        }
        let may_be_one_host = both(self.host.as_ref(), other.host.as_ref()).unwrap_or(true);
        let is_one_file = both(self.dump_path.as_ref(), other.dump_path.as_ref()) == Some(true);
        may_be_one_host && (is_one_file || (&self.dom, &self.vmid) == (&other.dom, &other.vmid))
    }
}
