//! Checks the whole audit.

use memdeck_model::audit::{AuditReport, ChainCheck, Witness};

use super::{append, listing, sha256};
use crate::{Catalog, CatalogError, schema};

impl Catalog {
    /// Reads the whole audit and says what is not as it was written. It has a connection of its own, so nothing waits for it;
    /// a million rows take some seconds.
    ///
    /// # Errors
    /// `SQLite` refused. What was manipulated is no error.
    pub fn verify_audit(&self, witnesses: Vec<Witness>) -> Result<AuditReport, CatalogError> {
        let mut connection = schema::open_reader(self.path())?;
        let verify = || {
            let transaction = connection.transaction()?;
            let head = append::head(&transaction).unwrap_or_default();
            let mut check = ChainCheck::new(sha256, witnesses);
            // By the rows themselves: an index could be another's.
            let mut statement = transaction
                .prepare(&format!("SELECT {} FROM audit NOT INDEXED ORDER BY seq", listing::COLUMNS))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                match (u64::try_from(row.get::<_, i64>(0)?), listing::read(row)) {
                    (Err(_) | Ok(0), _) => check.before_the_first(),
                    (Ok(_), Ok(row)) => check.row(&row),
                    (Ok(seq), Err(_)) => check.unreadable(seq),
                }
            }
            Ok(check.end(head.as_ref()))
        };
        let verified: Result<AuditReport, CatalogError> = verify();
        verified.map_err(|error| error.during("check the audit"))
    }
}
