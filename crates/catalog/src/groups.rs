//! Groups of people who share guests, as rows. Who may change them is decided above.

use memdeck_model::{AccountName, GuestSelector, Timestamp};
use rusqlite::{Row, params};

use crate::column::{decode, instant};
use crate::{Catalog, CatalogError};

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// Never used again for another one.
    pub id: i64,
    pub name: AccountName,
    /// What names its guests.
    pub guests: Vec<GuestSelector>,
    pub created_at: Timestamp,
}

const GROUP: &str = "SELECT id, name, guests, created_at FROM guest_groups";

impl Catalog {
    /// Every group, by name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn groups(&self) -> Result<Vec<GroupRow>, CatalogError> {
        self.read("read groups", |connection| {
            let mut statement = connection.prepare_cached(&format!("{GROUP} ORDER BY name"))?;
            statement.query_and_then([], group)?.collect()
        })
    }

    /// Adds a group; `None` if there is one of this name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn add_group(
        &self,
        name: &AccountName,
        guests: &[GuestSelector],
        at: Timestamp,
    ) -> Result<Option<GroupRow>, CatalogError> {
        let guests = written(guests)?;
        self.write("add a group", |tx| {
            let added = tx.execute(
                "INSERT INTO guest_groups (name, guests, created_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO NOTHING",
                params![name.as_str(), guests, at.unix_micros()],
            )?;
            if added == 0 {
                return Ok(None);
            }
            let id = tx.last_insert_rowid();
            let row = tx.query_row_and_then(&format!("{GROUP} WHERE id = ?1"), [id], group)?;
            Ok(Some(row))
        })
    }

    /// Gives a group other guests.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn change_group(&self, id: i64, guests: &[GuestSelector]) -> Result<(), CatalogError> {
        let guests = written(guests)?;
        self.write("change a group", |tx| {
            tx.execute("UPDATE guest_groups SET guests = ?2 WHERE id = ?1", params![id, guests])?;
            Ok(())
        })
    }

    /// Removes a group.
    ///
    /// # Errors
    /// An account is in it, which would see every guest then; or `SQLite` refused.
    pub fn remove_group(&self, id: i64) -> Result<(), CatalogError> {
        self.write("remove a group", |tx| {
            tx.execute("DELETE FROM guest_groups WHERE id = ?1", [id])?;
            Ok(())
        })
    }
}

/// A list of selectors as it is kept.
pub(crate) fn written(guests: &[GuestSelector]) -> Result<String, CatalogError> {
    serde_json::to_string(guests)
        .map_err(|error| CatalogError::Undecodable { column: "guests", value: error.to_string() })
}

/// A list of selectors that was kept. One that cannot be read is an error: to leave it out would show more guests, or fewer.
pub(crate) fn read(guests: String) -> Result<Vec<GuestSelector>, CatalogError> {
    serde_json::from_str(&guests).map_err(|_| CatalogError::Undecodable { column: "guests", value: guests })
}

fn group(row: &Row<'_>) -> Result<GroupRow, CatalogError> {
    Ok(GroupRow {
        id: row.get("id")?,
        name: decode("name", row.get("name")?)?,
        guests: read(row.get("guests")?)?,
        created_at: instant("created_at", row.get("created_at")?)?,
    })
}
