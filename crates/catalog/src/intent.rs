//! Intents: which guests a dump may have left paused.
//!
//! An intent is written before a guest is touched and names the guest and whether it ran. It outlives the end of its
//! job and of the process, for the guest may be paused still when either ends; whoever finds it knows whether the
//! guest has to run again. It never makes a guest run that was paused before.
//!
//! ```text
//!           intend                    settle (the guest runs again, or did not run before)
//! (untouched) ──► may be paused by us ──────────────────────────────────────────────────► (untouched)
//! ```

use memdeck_model::DumpId;
use rusqlite::OptionalExtension;

use crate::record::decode;
use crate::{Catalog, CatalogError, job};

/// A guest that a dump is about to touch or has touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The dump, whatever became of it.
    pub dump_id: DumpId,
    /// The guest's UUID in the hyphenated form.
    pub guest_uuid: String,
    /// Whether the guest ran before the dump touched it; a guest that did not is to be left as it is.
    pub was_running: bool,
}

impl Catalog {
    /// Notes that an active job is about to touch a guest, and whether that guest runs now. When this returns, the
    /// intent survives a power failure.
    ///
    /// Doing it again before [`Self::settle`] keeps what was noted first: since then the guest may be paused by the
    /// dump itself.
    ///
    /// # Errors
    /// [`CatalogError::IntentOfAnotherGuest`] if the dump has an intent for another guest;
    /// [`CatalogError::AlreadyFinal`] if the job has ended; it is unknown; `SQLite` refused.
    pub fn intend(&self, dump_id: &DumpId, guest_uuid: &str, was_running: bool) -> Result<(), CatalogError> {
        self.write("note that a guest is about to be touched", |tx| {
            job::active(tx, dump_id)?;
            let noted: Option<String> = tx
                .query_row("SELECT guest_uuid FROM intents WHERE dump_id = ?1", [dump_id.as_str()], |row| {
                    row.get(0)
                })
                .optional()?;
            match noted {
                None => {
                    tx.execute(
                        "INSERT INTO intents (dump_id, guest_uuid, was_running) VALUES (?1, ?2, ?3)",
                        (dump_id.as_str(), guest_uuid, was_running),
                    )?;
                    Ok(())
                }
                Some(noted) if noted == guest_uuid => Ok(()),
                Some(noted) => {
                    Err(CatalogError::IntentOfAnotherGuest { dump_id: dump_id.clone(), guest_uuid: noted })
                }
            }
        })
    }

    /// Removes a dump's intent: its guest is known to run again, or did not run before. Without one nothing changes.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn settle(&self, dump_id: &DumpId) -> Result<(), CatalogError> {
        self.write("note that a guest needs no more care", |tx| {
            tx.execute("DELETE FROM intents WHERE dump_id = ?1", [dump_id.as_str()])?;
            Ok(())
        })
    }

    /// Every intent that is not settled, oldest first. A guest may be in more than one, when an earlier dump of it
    /// could not be settled.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn intents(&self) -> Result<Vec<Intent>, CatalogError> {
        self.read("list the guests that dumps touched", |connection| {
            let mut statement =
                connection.prepare("SELECT dump_id, guest_uuid, was_running FROM intents ORDER BY seq")?;
            let mut rows = statement.query([])?;
            let mut intents = Vec::new();
            while let Some(row) = rows.next()? {
                intents.push(Intent {
                    dump_id: decode("dump_id", row.get("dump_id")?)?,
                    guest_uuid: row.get("guest_uuid")?,
                    was_running: row.get("was_running")?,
                });
            }
            Ok(intents)
        })
    }
}
