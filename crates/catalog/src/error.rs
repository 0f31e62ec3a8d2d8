//! What can go wrong with the catalog.

use std::io;
use std::path::PathBuf;

use memdeck_model::{DumpId, JobState};
use rusqlite::ffi::{self, SQLITE_FULL, SQLITE_IOERR_SHMSIZE};
use rusqlite::{Connection, ErrorCode};

/// Why the catalog could not be opened or did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file or its folder could not be prepared.
    #[error("the catalog {} could not be opened", path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A backup could not be made or listed.
    #[error("the backup {} of the catalog could not be made or read", path.display())]
    Backup {
        /// The backup, or the directory of backups.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is not a catalog of memdeck: move it away, or set STATE_DIR to another directory", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error("the catalog {} is damaged ({finding}): restore it from a backup, or move it away", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// The first thing that was found wrong.
        finding: String,
    },
    /// A newer program wrote the database.
    #[error(
        "the catalog {} was written by a newer memdeck (schema {found}, this program knows {known}): \
         install that version, or set STATE_DIR to another directory",
        path.display()
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Schema version of the database.
        found: i64,
        /// The newest schema version this program knows.
        known: i64,
    },
    /// An older program wrote the database, and it may not be changed now.
    #[error(
        "the catalog {} was written by an older memdeck (schema {found}, this program reads {known}): \
         start memdeck serve or memdeck agent once, which brings it up to date",
        path.display()
    )]
    Older {
        /// The database file.
        path: PathBuf,
        /// Schema version of the database.
        found: i64,
        /// The schema version this program reads.
        known: i64,
    },
    /// Other images, or one that is being stored, are differences to this one.
    #[error(
        "the image of dump {dump_id} is needed by {}, which {} stored as {} to it: delete {} first",
        listed(needed_by),
        if needed_by.len() == 1 { "is" } else { "are" },
        if needed_by.len() == 1 { "a difference" } else { "differences" },
        if needed_by.len() == 1 { "that one" } else { "those" }
    )]
    ImageNeeded {
        dump_id: DumpId,
        /// The dumps of the others, oldest first.
        needed_by: Vec<DumpId>,
    },
    /// Records are removed as they were archived or not at all.
    #[error(
        "the record of dump {dump} changed, or has to stay, since it was archived: nothing was removed; try again"
    )]
    ArchivedRecordChanged {
        /// Which one, by its dump's id, or by guest and start.
        dump: String,
    },
    /// `SQLite` refused.
    #[error("the catalog could not {operation}")]
    Database {
        /// What was to be done, as a verb phrase.
        operation: &'static str,
        /// What `SQLite` said.
        #[source]
        source: rusqlite::Error,
    },
    /// A stored value cannot be read back: something else wrote it.
    #[error("the catalog holds {value:?} in column {column}, which means nothing to this program")]
    Undecodable { column: &'static str, value: String },
    /// The queue takes no more.
    #[error("{limit} dumps wait already, which is the limit; ask again when some have ended")]
    QueueFull { limit: u32 },
    /// The volume has no room for another dump: what is left is for the ends of those that were accepted.
    #[error(
        "the volume of the state directory is full, and no other dump is accepted: make room there, then ask again"
    )]
    NoRoom,
    /// There is no job of that name.
    #[error("there is no dump {0}")]
    UnknownDump(DumpId),
    /// A job of that name exists already.
    #[error("the dump {0} exists already")]
    DumpExists(DumpId),
    /// Another active job dumps the same guest.
    #[error("the guest is already being dumped (dump {dump_id})")]
    GuestBusy {
        /// The other job.
        dump_id: DumpId,
    },
    /// The job has ended already.
    #[error("the dump {dump_id} is already {}", state.as_str())]
    AlreadyFinal {
        dump_id: DumpId,
        /// How it ended.
        state: JobState,
    },
    /// Only a running job can be completed.
    #[error("the dump {dump_id} is {} and cannot be completed", state.as_str())]
    NotRunning { dump_id: DumpId, state: JobState },
    /// The dump's intent names another guest: a dump touches one guest only.
    #[error("the dump {dump_id} is about to touch the guest {guest_uuid} already and cannot touch another")]
    IntentOfAnotherGuest {
        dump_id: DumpId,
        /// The guest that its intent names.
        guest_uuid: String,
    },
    /// The record names another dump than the job it was given for, or none.
    #[error("the record does not name the dump {0}")]
    RecordOfAnotherDump(DumpId),
}

/// Dumps as a part of a sentence.
fn listed(dumps: &[DumpId]) -> String {
    const MOST: usize = 3;
    let named: Vec<&str> = dumps.iter().take(MOST).map(DumpId::as_str).collect();
    match dumps.len().saturating_sub(MOST) {
        0 if dumps.len() == 1 => format!("that of {}", named.join("")),
        0 => format!("those of {}", named.join(", ")),
        more => format!("those of {} and {more} more", named.join(", ")),
    }
}

impl CatalogError {
    /// Whether the volume of the state directory has no room for it. That may pass.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::NoRoom => true,
            Self::Database { source: rusqlite::Error::SqliteFailure(error, _), .. } => {
                // Where the memory that connections share, a file, cannot be made, SQLite says nothing of room.
                error.code == ErrorCode::DiskFull || error.extended_code == SQLITE_IOERR_SHMSIZE
            }
            Self::Open { source, .. } | Self::Backup { source, .. } => no_room(source),
            _ => false,
        }
    }

    /// What failed on this connection just now. `SQLite` itself knows a full volume only by ENOSPC, and only if it
    /// writes: a quota that is used up, and a file that cannot be made, it calls an I/O error.
    pub(crate) fn on(self, connection: &Connection) -> Self {
        match self {
            Self::Database { operation, source: rusqlite::Error::SqliteFailure(error, text) }
                if matches!(error.code, ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) =>
            {
                let system = system_error(connection);
                let source = if no_room(&system) {
                    rusqlite::Error::SqliteFailure(ffi::Error::new(SQLITE_FULL), Some(system.to_string()))
                } else {
                    rusqlite::Error::SqliteFailure(error, text)
                };
                Self::Database { operation, source }
            }
            other => other,
        }
    }

    /// Names the operation that was under way when `SQLite` refused.
    pub(crate) fn during(self, operation: &'static str) -> Self {
        match self {
            Self::Database { source, .. } => Self::Database { operation, source },
            other => other,
        }
    }
}

/// Whether a volume has no room, or its owner may not use more of it.
pub(crate) fn no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What the system said to the last I/O error of a connection.
fn system_error(connection: &Connection) -> io::Error {
    // SAFETY: the handle is open for as long as the connection is borrowed, and nobody else uses it meanwhile.
    io::Error::from_raw_os_error(unsafe { ffi::sqlite3_system_errno(connection.handle()) })
}

impl From<rusqlite::Error> for CatalogError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database { operation: "be used", source }
    }
}
