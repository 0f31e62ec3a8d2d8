//! Records that no memdeck wrote: rows of the time-series store, copied so that one list shows them with all others.
//!
//! A row of ours comes back from the store too. It is known by what no two dumps share: the instant at which it began, to the
//! microsecond, together with its hash, its file or its guest.

use memdeck_model::Record;
use rusqlite::Connection;

use crate::import::remember;
use crate::record::{insert, numbered_records};
use crate::{Catalog, CatalogError};

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForeignImported {
    /// New records.
    pub added: u64,
    /// Records of before that the store tells more of now, or something else.
    pub changed: u64,
}

impl Catalog {
    /// Stores records that were made of the rows of `origin`, and remembers that its rows up to `read_until` (microseconds
    /// since 1970) have been read. A row that tells of a dump that is known is passed over: the same call twice changes nothing.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn import_foreign(
        &self,
        origin: &str,
        records: &[Record],
        read_until: i64,
    ) -> Result<ForeignImported, CatalogError> {
        self.write("import rows of others", |tx| {
            let mut imported = ForeignImported::default();
            for record in records {
                let at = [record.timestamp.unix_micros()];
                let known = numbered_records(tx, "WHERE records.timestamp = ?1", at)?;
                if let Some((seq, before)) = known.iter().find(|(_, known)| is_same_row(known, record)) {
                    if before != record {
                        remove(tx, *seq)?;
                        insert(tx, Some(origin), record)?;
                        imported.changed += 1;
                    }
                } else if !known.iter().any(|(_, known)| tells_of(record, known)) {
                    insert(tx, Some(origin), record)?;
                    imported.added += 1;
                }
            }
            remember(tx, origin, read_until.max(0).unsigned_abs())?;
            Ok(imported)
        })
    }
}

/// Removes what a row told of a dump whose own record comes now.
pub(crate) fn give_way(connection: &Connection, to: &Record) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, sha256, dump_path, host, dom, vmid FROM records WHERE timestamp = ?1 AND foreign_row IS NOT NULL",
    )?;
    let mut rows = statement.query([to.timestamp.unix_micros()])?;
    let mut replaced = Vec::new();
    while let Some(row) = rows.next()? {
        let found = Traits {
            sha256: row.get("sha256")?,
            dump_path: row.get("dump_path")?,
            host: row.get("host")?,
            dom: row.get("dom")?,
            vmid: row.get("vmid")?,
        };
        if found.is_of(&Traits::of(to)) {
            replaced.push(row.get::<_, i64>("seq")?.unsigned_abs());
        }
    }
    replaced.into_iter().try_for_each(|seq| remove(connection, seq))
}

fn remove(connection: &Connection, seq: u64) -> rusqlite::Result<()> {
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    connection.execute("DELETE FROM records WHERE seq = ?1 AND foreign_row IS NOT NULL", [seq])?;
    Ok(())
}

/// Whether both are of one row: the store names a row by its tags and its time.
fn is_same_row(known: &Record, row: &Record) -> bool {
    known.foreign.is_some()
        && (known.timestamp, &known.dom, &known.vmid, &known.host)
            == (row.timestamp, &row.dom, &row.vmid, &row.host)
}

/// Whether a row is of a dump of which a memdeck has told.
fn tells_of(row: &Record, known: &Record) -> bool {
    known.foreign.is_none() && Traits::of(row).is_of(&Traits::of(known))
}

/// By what a dump that began at a known microsecond is recognised.
struct Traits {
    sha256: Option<String>,
    dump_path: Option<String>,
    host: Option<String>,
    dom: String,
    vmid: String,
}

impl Traits {
    fn of(record: &Record) -> Self {
        Self {
            sha256: record.sha256.clone(),
            dump_path: record.dump_path.clone(),
            host: record.host.clone(),
            dom: record.dom.0.clone(),
            vmid: record.vmid.clone(),
        }
    }

    /// The name of a guest alone is no proof: a tag cannot hold every name, and older tools write no host.
    fn is_of(&self, other: &Self) -> bool {
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
