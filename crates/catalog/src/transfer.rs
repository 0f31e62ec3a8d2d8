//! A backup of the catalog in a file that somebody names, and a catalog made of one, also on another machine.
//!
//! ```text
//! back_up_to:   VACUUM INTO FILE.partial ──► who made it ──► read whole ──► fsync ──► FILE, which was not there
//! restore_from: FILE read whole ──► a copy among the backups ──► note ──► the old one aside ──► the copy in its place
//! ```
//!
//! The copy among the backups is the newest one: a crash in the middle leaves a start that restores it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use memdeck_model::{ByteCount, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use crate::backup::{self, Backup};
use crate::restore::{self, Restoration};
use crate::{Catalog, CatalogError, schema};

/// The setting of a backup that says who made it.
const ORIGIN: &str = "backup made by";

/// Who made a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupOrigin {
    pub made_at: Timestamp,
    /// The name of the machine.
    pub host: String,
    /// The version of memdeck.
    pub version: String,
}

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupFacts {
    /// The version of its schema.
    pub schema: i64,
    /// Who made it; `None` for one that memdeck made by itself.
    pub origin: Option<BackupOrigin>,
    pub size_bytes: ByteCount,
    /// Records in all.
    pub records: u64,
    /// Records of dumps that its own service took.
    pub own_records: u64,
    /// When the newest dump began.
    pub newest: Option<Timestamp>,
    /// Points that InfluxDB has not acknowledged.
    pub waiting_points: u64,
}

impl Catalog {
    /// Copies the catalog of `state_dir` as it is now into `file`, beside whoever writes to it.
    ///
    /// # Errors
    /// The file is there already or cannot be written, or the catalog is not sound.
    pub fn back_up_to(
        state_dir: &Path,
        file: &Path,
        origin: &BackupOrigin,
    ) -> Result<BackupFacts, CatalogError> {
        let failed = |source| CatalogError::Backup { path: file.to_owned(), source };
        if fs::symlink_metadata(file).is_ok() {
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "it is there already")));
        }
        let partial = partial(file);
        let written = write(state_dir, &partial, origin).and_then(|()| {
            let facts = Self::backup_facts(&partial)?;
            File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
            // Where a file of that name has come meanwhile, it stays.
            fs::hard_link(&partial, file).map_err(failed)?;
            restore::sync_directory_of(file).map_err(failed)?;
            Ok(facts)
        });
        let _ = fs::remove_file(&partial);
        written
    }

    /// What is in a backup, once it was read whole and found sound.
    ///
    /// # Errors
    /// It cannot be read, is not a catalog, is damaged, or was written by a newer program.
    pub fn backup_facts(file: &Path) -> Result<BackupFacts, CatalogError> {
        let failed = |source| CatalogError::Backup { path: file.to_owned(), source };
        let size_bytes = ByteCount(fs::metadata(file).map_err(failed)?.len());
        if let Some(finding) = backup::examine(file)?.into_iter().next() {
            return Err(CatalogError::Damaged { path: file.to_owned(), finding });
        }
        let connection = backup::open_unshared(file)?;
        let schema = schema::identity(file, &connection)?;
        let number = |sql: &str| -> rusqlite::Result<u64> {
            connection.query_row(sql, [], |row| Ok(row.get::<_, i64>(0)?.unsigned_abs()))
        };
        let newest: Option<i64> =
            connection.query_row("SELECT max(timestamp) FROM records", [], |row| row.get(0))?;
        let origin: Option<String> = connection
            .query_row("SELECT value FROM settings WHERE key = ?1", [ORIGIN], |row| row.get(0))
            .optional()?;
        Ok(BackupFacts {
            schema,
            origin: origin.and_then(|text| serde_json::from_str(&text).ok()),
            size_bytes,
            records: number("SELECT count(*) FROM records")?,
            own_records: number("SELECT count(*) FROM records WHERE origin IS NULL")?,
            newest: newest.and_then(|micros| Timestamp::from_unix_micros(micros).ok()),
            waiting_points: number("SELECT count(*) FROM outbox")?,
        })
    }

    /// Puts a backup in the place of the catalog of `state_dir`, which is kept aside, and opens it. As after every
    /// restoration, what is true of it no longer is corrected, and its identity is another one. Hold the directory's
    /// [`crate::StateLock`].
    ///
    /// # Errors
    /// As of [`Catalog::backup_facts`]; files cannot be moved or written.
    pub fn restore_from(
        state_dir: &Path,
        file: &Path,
        at: Timestamp,
    ) -> Result<(Self, Restoration), CatalogError> {
        Self::backup_facts(file)?;
        let path = backup::path_of(state_dir, at);
        let failed = |source| CatalogError::Backup { path: path.clone(), source };
        if let Some(directory) = path.parent() {
            schema::create_private_dir(directory).map_err(failed)?;
        }
        restore::copy_in_place(file, &path).map_err(failed)?;
        restore::restore_asked(state_dir, &Backup { path, taken_at: at }, at)
    }
}

fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

fn write(state_dir: &Path, partial: &Path, origin: &BackupOrigin) -> Result<(), CatalogError> {
    let failed = |source| CatalogError::Backup { path: partial.to_owned(), source };
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // Before SQLite would, so that nobody else can read it even for a moment.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial).map_err(failed)?;
    let source = schema::open_as_is(&state_dir.join(Catalog::FILE_NAME))?;
    let copied = source.execute("VACUUM INTO ?1", [partial.to_string_lossy()]);
    copied.map_err(|error| CatalogError::from(error).on(&source).during("be copied"))?;
    drop(source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(partial, flags)?;
    let text = serde_json::to_string(origin).map_err(|error| failed(error.into()))?;
    copy.execute(
        "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [ORIGIN, &text],
    )?;
    Ok(())
}
