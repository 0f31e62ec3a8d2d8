//! Reads entries.

use memdeck_model::audit::{AuditEntry, AuditHash, AuditPage, AuditQuery, AuditRow};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use super::append;
use crate::column::integer;
use crate::{Catalog, CatalogError};

/// Every column, in the order in which [`read`] expects them.
pub(super) const COLUMNS: &str = "seq, at, actor, address, action, object, result, details, previous, hash";

/// Rows that one call looks at: who searches further asks again. A call takes no longer than that.
const MOST_LOOKED_AT: u32 = 200_000;

impl Catalog {
    /// Entries that a query means, newest first. Where there may be more, [`AuditPage::next`] says where to go on; a page
    /// may then have fewer entries than were asked for, or none.
    ///
    /// # Errors
    /// `SQLite` refused, or a row holds what no version of memdeck writes.
    pub fn audit_page(&self, query: &AuditQuery) -> Result<AuditPage, CatalogError> {
        let filter = &query.filter;
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        self.list("read the audit", |connection| {
            let head = append::head(connection)?;
            // What SQL can compare exactly; texts that people read are compared below.
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM audit
                 WHERE seq < :before
                   AND (:action IS NULL OR action = :action) AND (:result IS NULL OR result = :result)
                   AND (:from IS NULL OR at >= :from) AND (:to IS NULL OR at < :to)
                 ORDER BY seq DESC"
            ))?;
            let mut rows = statement.query(named_params! {
                ":before": query.before.map_or(i64::MAX, integer),
                ":action": filter.action.map(memdeck_model::audit::AuditAction::as_str),
                ":result": filter.result.map(memdeck_model::audit::AuditResult::as_str),
                ":from": filter.from.map(memdeck_model::Timestamp::unix_micros),
                ":to": filter.to.map(memdeck_model::Timestamp::unix_micros),
            })?;
            let mut page = AuditPage { head, ..AuditPage::default() };
            let mut looked_at = 0;
            while let Some(row) = rows.next()? {
                let entry = entry(&read(row)?)?;
                if page.entries.len() == limit || looked_at == MOST_LOOKED_AT {
                    page.next = Some(entry.seq + 1);
                    break;
                }
                looked_at += 1;
                if filter.matches(&entry) {
                    page.entries.push(entry);
                }
            }
            Ok(page)
        })
    }

    /// Up to `limit` entries after `seq`, oldest first.
    ///
    /// # Errors
    /// As [`Self::audit_page`].
    pub fn audit_after(&self, seq: u64, limit: u32) -> Result<Vec<AuditEntry>, CatalogError> {
        self.list("read the audit", |connection| {
            let sql = format!("SELECT {COLUMNS} FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([integer(seq), i64::from(limit)])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(entry(&read(row)?)?);
            }
            Ok(entries)
        })
    }
}

pub(super) fn row(connection: &Connection, seq: i64) -> Result<Option<AuditRow>, CatalogError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM audit WHERE seq = ?1"))?;
    Ok(statement.query_row([seq], read).optional()?)
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        at: row.get(1)?,
        actor: row.get(2)?,
        address: row.get(3)?,
        action: row.get(4)?,
        object: row.get(5)?,
        result: row.get(6)?,
        details: row.get(7)?,
        previous: AuditHash(row.get(8)?),
        hash: AuditHash(row.get(9)?),
    })
}

fn entry(row: &AuditRow) -> Result<AuditEntry, CatalogError> {
    row.read().map_err(|error| CatalogError::Undecodable {
        column: error.column,
        value: format!("row {}", error.seq),
    })
}
