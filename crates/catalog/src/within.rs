//! The limit to some guests, in SQL. What it means is said by [`GuestSet::has`], which is asked about each row.

use std::sync::Arc;

use memdeck_model::{GuestSet, Reach, Whose};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// What goes behind `FROM records` so that those within `reach` are looked at, before further terms behind `AND`: the index that
/// has all that the limit asks for, or `unlimited` where there is no limit.
///
/// # Errors
/// `SQLite` refused.
pub(crate) fn records_within(
    connection: &Connection,
    reach: &Reach,
    unlimited: &'static str,
) -> rusqlite::Result<&'static str> {
    Ok(match reach.limit() {
        None => unlimited,
        Some(set) => {
            define(connection, set)?;
            "INDEXED BY records_listing WHERE is_within(host, dom, guest_uuid)"
        }
    })
}

/// The index in which all records are looked at where there is no limit.
pub(crate) const LISTING: &str = "INDEXED BY records_listing WHERE TRUE";

/// Makes `is_within` the SQL function that says whether a host, a name and a UUID are those of a guest of `set`, until it is
/// defined anew.
pub(crate) fn define(connection: &Connection, set: &Arc<GuestSet>) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    let set = Arc::clone(set);
    connection.create_scalar_function("is_within", 3, flags, move |row| {
        let text = |index| Ok::<_, rusqlite::Error>(row.get_raw(index).as_str_or_null()?);
        let host = text(0)?;
        Ok(set.has(Whose { hosts: host.as_slice(), name: text(1)?, uuid: text(2)? }))
    })
}
