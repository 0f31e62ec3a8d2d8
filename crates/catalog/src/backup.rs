//! Copies of the catalog in `backups` of the state directory, and which of them are kept.
//!
//! ```text
//! back_up: VACUUM INTO .partial ──► integrity_check, rows ──► fsync ──► rename ──► fsync directory ──► prune
//! ```
//!
//! A copy counts only once it was read whole and found sound. It is made on a connection of its own, from one state of
//! the catalog, so no call waits for it.

use std::cmp::Reverse;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use memdeck_model::Timestamp;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use crate::schema::{create_private_dir, open_reader};
use crate::{Catalog, CatalogError, row_digest, schema};

/// Name of the directory within the state directory.
pub(crate) const DIRECTORY: &str = "backups";
const PREFIX: &str = "catalog-";
const SUFFIX: &str = ".db";
const PARTIAL: &str = "partial.db";
/// Of the newest, so many are kept.
const NEWEST_KEPT: usize = 6;
/// Of older ones, the newest of so many days.
const DAYS_KEPT: usize = 7;
/// Never less than this is kept, however large they are.
const LEAST_KEPT: usize = 2;
/// What all backups together may take.
const MOST_BYTES: u64 = 2 << 30;
/// What a backup leaves free on the volume for the catalog itself.
const LEFT_FREE_BYTES: u64 = 64 << 20;

/// A backup of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    pub path: PathBuf,
    /// When it was made.
    pub taken_at: Timestamp,
}

impl Catalog {
    /// Copies the catalog of `state_dir` as it is now, while others write to it, and removes copies that are not to be
    /// kept. `None` if the volume has no room for one.
    ///
    /// # Errors
    /// The copy cannot be made, or is not sound; then it does not count.
    pub fn back_up(state_dir: &Path, at: Timestamp) -> Result<Option<Backup>, CatalogError> {
        let directory = state_dir.join(DIRECTORY);
        let open_error = |path: &Path| {
            let path = path.to_owned();
            move |source| CatalogError::Backup { path, source }
        };
        create_private_dir(&directory).map_err(open_error(&directory))?;
        let source = state_dir.join(Self::FILE_NAME);
        if !has_room(&source, &directory).map_err(open_error(&source))? {
            return Ok(None);
        }
        let partial = directory.join(PARTIAL);
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(open_error(&partial)(error)),
            _ => {}
        }
        // Before SQLite would, so that nobody else can read it even for a moment.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)
            .map_err(open_error(&partial))?;
        let connection = open_reader(&source)?;
        let copied = connection.execute("VACUUM INTO ?1", [partial.to_string_lossy()]);
        let copied = copied.map_err(|error| CatalogError::from(error).on(&connection).during("be copied"));
        drop(connection);
        if let Err(error) = copied {
            // A part of a copy would only take the room that is missing.
            let _ = fs::remove_file(&partial);
            return if error.is_full() { Ok(None) } else { Err(error) };
        }
        let findings = examine(&partial)?;
        if let Some(finding) = findings.into_iter().next() {
            return Err(CatalogError::Damaged { path: source, finding });
        }
        let path = path_of(state_dir, at);
        let keep = || {
            File::open(&partial)?.sync_all()?;
            fs::rename(&partial, &path)?;
            File::open(&directory)?.sync_all()
        };
        let kept: io::Result<()> = keep();
        kept.map_err(open_error(&path))?;
        prune(&directory, at).map_err(open_error(&directory))?;
        Ok(Some(Backup { path, taken_at: at }))
    }

    /// The backups of `state_dir`, the newest first; they may be damaged. Those that are of times after `now` were made while
    /// the clock was wrong: they come last, since nobody knows how old they are.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn backups(state_dir: &Path, now: Timestamp) -> Result<Vec<Backup>, CatalogError> {
        let directory = state_dir.join(DIRECTORY);
        list(&directory, now).map_err(|source| CatalogError::Backup { path: directory, source })
    }
}

/// What is wrong with a database file as a catalog; it is read whole. Changes nothing.
pub(crate) fn examine(path: &Path) -> Result<Vec<String>, CatalogError> {
    let connection = open_unshared(path)?;
    let version = schema::identity(path, &connection)?;
    let mut findings: Vec<String> = {
        let mut statement = connection.prepare("PRAGMA integrity_check")?;
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
    };
    findings.retain(|finding| finding != "ok");
    if version == 0 {
        findings.push("it is empty".to_owned());
    }
    // Rows of another version have other columns.
    if findings.is_empty() && version == schema::version_of(schema::MIGRATIONS) {
        let altered = row_digest::altered(&connection)?;
        findings.extend(altered.iter().map(|row| format!("record {} was changed", row.seq)));
    }
    Ok(findings)
}

/// Opens a database file that nobody else has, to read it; no files beside it are made.
pub(crate) fn open_unshared(path: &Path) -> Result<Connection, CatalogError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let uri = format!("file:{}?immutable=1", escaped(path));
    Ok(Connection::open_with_flags(uri, flags)?)
}

/// Where the backup of that time is.
pub(crate) fn path_of(state_dir: &Path, at: Timestamp) -> PathBuf {
    state_dir.join(DIRECTORY).join(format!("{PREFIX}{}{SUFFIX}", in_name(at)))
}

/// A path as part of a URI.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

fn has_room(catalog: &Path, directory: &Path) -> io::Result<bool> {
    let volume = rustix::fs::statvfs(directory)?;
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    let size = fs::metadata(catalog)?.len();
    Ok(free >= size.saturating_mul(2).saturating_add(LEFT_FREE_BYTES))
}

/// `2026-11-25T21-36-00.123456Z`: sorts by time, and is harmless in a file name.
pub(crate) fn in_name(at: Timestamp) -> String {
    at.to_string().replace(':', "-")
}

fn taken_at(name: &str) -> Option<Timestamp> {
    let text = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let (day, time) = text.split_once('T')?;
    format!("{day}T{}", time.replace('-', ":")).parse().ok()
}

fn list(directory: &Path, now: Timestamp) -> io::Result<Vec<Backup>> {
    let entries = match directory.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut backups = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(taken_at) = entry.file_name().to_str().and_then(taken_at)
            && entry.file_type()?.is_file()
        {
            backups.push(Backup { path: entry.path(), taken_at });
        }
    }
    backups.sort_by_key(|backup| (backup.taken_at > now, Reverse(backup.taken_at)));
    Ok(backups)
}

/// Removes what is not to be kept: all but the newest, the newest of each of the last days, and what is too much.
fn prune(directory: &Path, now: Timestamp) -> io::Result<()> {
    let mut days = Vec::new();
    let mut bytes = 0_u64;
    for (place, backup) in list(directory, now)?.into_iter().enumerate() {
        let day = backup.taken_at.to_string().split('T').next().unwrap_or_default().to_owned();
        let is_first_of_day = days.last() != Some(&day);
        if is_first_of_day {
            days.push(day);
        }
        bytes = bytes.saturating_add(fs::metadata(&backup.path)?.len());
        let is_wanted = place < NEWEST_KEPT || (is_first_of_day && days.len() <= DAYS_KEPT);
        if place >= LEAST_KEPT && (!is_wanted || bytes > MOST_BYTES) {
            fs::remove_file(&backup.path)?;
        }
    }
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(dir: &Path, at: &str) -> Timestamp {
        let at: Timestamp = at.parse().unwrap();
        fs::write(dir.join(format!("{PREFIX}{}{SUFFIX}", in_name(at))), "x").unwrap();
        at
    }

    fn kept(dir: &Path, now: Timestamp) -> Vec<String> {
        list(dir, now).unwrap().iter().map(|backup| backup.taken_at.to_string()[..13].to_owned()).collect()
    }

    #[test]
    fn the_newest_and_one_of_each_of_the_last_days_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut now = None;
        for day in 10..20 {
            for hour in 0..24 {
                now = Some(made(dir.path(), &format!("2026-11-{day}T{hour:02}:00:00Z")));
            }
        }
        fs::write(dir.path().join("notes.txt"), "theirs").unwrap();
        prune(dir.path(), now.unwrap()).unwrap();
        let mut expected: Vec<String> = (18..24).rev().map(|hour| format!("2026-11-19T{hour}")).collect();
        expected.extend((13..19).rev().map(|day| format!("2026-11-{day}T23")));
        assert_eq!(kept(dir.path(), now.unwrap()), expected);
        assert!(dir.path().join("notes.txt").exists());
    }

    #[test]
    fn backups_of_a_clock_that_was_ahead_are_not_taken_for_the_newest_and_go_in_time() {
        let dir = tempfile::tempdir().unwrap();
        for hour in 0..8 {
            made(dir.path(), &format!("2031-01-01T{hour:02}:00:00Z"));
        }
        for day in 1..10 {
            let now = made(dir.path(), &format!("2026-11-{day:02}T12:00:00Z"));
            prune(dir.path(), now).unwrap();
            assert_eq!(kept(dir.path(), now)[0], format!("2026-11-{day:02}T12"), "the newest comes first");
        }
        let now = "2026-11-09T12:00:00Z".parse().unwrap();
        assert!(kept(dir.path(), now).iter().all(|at| at.starts_with("2026")), "{:?}", kept(dir.path(), now));
    }
}
