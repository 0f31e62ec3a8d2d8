//! Intents: which guests a dump may have left paused.
//!
//! An intent is written before a guest is touched and names the guest and whether it ran. It outlives the end of its
//! job and of the process, for the guest may be paused still when either ends; whoever finds it knows whether the
//! guest has to run again. It never makes a guest run that was paused before. A setting of the guest that a dump changes
//! for its time is in the intent as well.
//!
//! ```text
//!           intend                    settle (the guest is as it was)
//! (untouched) ──► may be paused by us ──────────────────────────────► (untouched)
//! ```

use memdeck_model::{DumpId, Millis};
use rusqlite::OptionalExtension;

use crate::column::{decode, integer};
use crate::reserve::For;
use crate::{Catalog, CatalogError, jobs};

/// A guest that a dump is about to touch or has touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The dump, whatever became of it.
    pub dump_id: DumpId,
    /// The guest's UUID in the hyphenated form.
    pub guest_uuid: String,
    /// Whether the guest ran before the dump touched it; a guest that did not is to be left as it is.
    pub was_running: bool,
    /// The guest's limit for the pause at the end of a migration, where the dump is to change it.
    pub max_downtime: Option<Millis>,
    /// Whether a pause for which the hypervisor knows no reason is the dump's: a live one that fails at its end leaves such a
    /// pause. Not kept in the catalog, because of a guest that nobody has watched since it is not certain.
    pub owns_unexplained_pause: bool,
}

impl Catalog {
    /// Notes that an active job is about to touch a guest, and how that guest is now. When this returns, the intent
    /// survives a power failure.
    ///
    /// Doing it again before [`Self::settle`] keeps what was noted first: since then the guest may be as the dump
    /// itself has made it.
    ///
    /// # Errors
    /// [`CatalogError::IntentOfAnotherGuest`] if the dump has an intent for another guest;
    /// [`CatalogError::AlreadyFinal`] if the job has ended; it is unknown; `SQLite` refused.
    pub fn intend(&self, intent: &Intent) -> Result<(), CatalogError> {
        let Intent { dump_id, guest_uuid, was_running, max_downtime, owns_unexplained_pause: _ } = intent;
        self.write("note that a guest is about to be touched", |tx| {
            jobs::active(tx, dump_id)?;
            let noted: Option<String> = tx
                .query_row("SELECT guest_uuid FROM intents WHERE dump_id = ?1", [dump_id.as_str()], |row| {
                    row.get(0)
                })
                .optional()?;
            match noted {
                None => {
                    tx.execute(
                        "INSERT INTO intents (dump_id, guest_uuid, was_running, max_downtime_ms)
                         VALUES (?1, ?2, ?3, ?4)",
                        (
                            dump_id.as_str(),
                            guest_uuid,
                            was_running,
                            max_downtime.map(|limit| integer(limit.0)),
                        ),
                    )?;
                    Ok(())
                }
                Some(noted) if noted == *guest_uuid => Ok(()),
                Some(noted) => {
                    Err(CatalogError::IntentOfAnotherGuest { dump_id: dump_id.clone(), guest_uuid: noted })
                }
            }
        })
    }

    /// Removes a dump's intent: its guest is known to be as it was. Without one nothing changes.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn settle(&self, dump_id: &DumpId) -> Result<(), CatalogError> {
        self.conclude("note that a guest needs no more care", For::End, |tx| {
            tx.execute("DELETE FROM intents WHERE dump_id = ?1", [dump_id.as_str()])?;
            Ok(())
        })
    }

    /// Every intent that is not settled, oldest first, as another process finds it. A guest may be in more than one, when an earlier dump of it
    /// could not be settled.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn intents(&self) -> Result<Vec<Intent>, CatalogError> {
        self.read("list the guests that dumps touched", |connection| {
            let mut statement = connection.prepare(
                "SELECT dump_id, guest_uuid, was_running, max_downtime_ms FROM intents ORDER BY seq",
            )?;
            let mut rows = statement.query([])?;
            let mut intents = Vec::new();
            while let Some(row) = rows.next()? {
                intents.push(Intent {
                    dump_id: decode("dump_id", row.get("dump_id")?)?,
                    guest_uuid: row.get("guest_uuid")?,
                    was_running: row.get("was_running")?,
                    max_downtime: row
                        .get::<_, Option<i64>>("max_downtime_ms")?
                        .map(|millis| Millis(millis.unsigned_abs())),
                    owns_unexplained_pause: false,
                });
            }
            Ok(intents)
        })
    }
}
