//! Opening a catalog that may be lost: empty, damaged or gone.
//!
//! ```text
//! sound ──► opened (first backed up, if it is to be migrated)
//! empty or gone, and there was one ─┐
//! damaged ──────────────────────────┴─► kept aside under a dated name ──► newest sound backup in its place ──► opened
//!                                                                    └── none: a new catalog
//! ```
//!
//! A catalog is never replaced silently: what was found and what was done is returned, and kept in the catalog until
//! somebody has seen to it.
//!
//! A crash or a full volume may interrupt a restoration at any step. It is therefore noted in a file of its own before
//! anything is changed, and the note stays until [`Restoration::finish`]: a start that finds it goes on where the last
//! one stopped, and returns the same restoration.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use memdeck_model::{EndReason, Timestamp};
use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};

use crate::backup::{self, Backup, in_name};
use crate::reserve::{For, Reserve};
use crate::schema::{self, MIGRATIONS};
use crate::{Catalog, CatalogError, audit};

/// A file in the state directory that says that there was a catalog: an empty one is a loss then, and no beginning.
const MARKER: &str = "catalog.created";
/// A file in the state directory that holds the restoration that is not finished.
const UNFINISHED: &str = "catalog.restoring";
/// The setting that holds when the catalog was begun anew from a backup.
const BEGUN_ANEW: &str = "catalog begun anew";
/// What belongs to a database file.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// What was done because the catalog was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoration {
    pub at: Timestamp,
    /// What was found, as a part of a sentence: `it was empty`.
    pub found: String,
    /// Whether an operator asked for it, and the catalog that was there may have been sound.
    #[serde(default)]
    pub was_asked_for: bool,
    /// Where what was found lies now; `None` if there was nothing.
    pub kept_aside: Option<PathBuf>,
    /// The backup that is in its place now; `None` if there was no sound one.
    pub backup: Option<Backup>,
    /// Backups that were passed over because they are not sound.
    pub unsound: Vec<PathBuf>,
}

impl Restoration {
    /// Everything that depends on the restoration is done: the next start does not return it again. Until then each start
    /// does, however the last one ended.
    ///
    /// # Errors
    /// The file that notes it cannot be removed.
    pub fn finish(&self, state_dir: &Path) -> Result<(), CatalogError> {
        forget(state_dir).map_err(|source| CatalogError::Open { path: state_dir.join(UNFINISHED), source })
    }
}

impl Catalog {
    /// Opens the catalog of `state_dir` as [`Catalog::open`] does. One that is damaged, or that is empty or gone although
    /// there was one, or although `has_images` says that its images are there, is kept aside, and the newest sound backup
    /// is restored. On a full volume the start may use the reserve. Hold the directory's [`crate::StateLock`] while it is open.
    ///
    /// A restoration is returned by every start until [`Restoration::finish`].
    ///
    /// # Errors
    /// As [`Catalog::open`], but not because it is damaged; files cannot be moved or written.
    pub fn open_or_restore(
        state_dir: &Path,
        at: Timestamp,
        has_images: impl FnOnce() -> bool,
    ) -> Result<(Self, Option<Restoration>), CatalogError> {
        let path = state_dir.join(Self::FILE_NAME);
        let reserve = Reserve::of(state_dir);
        let marker = state_dir.join(MARKER);
        let unfinished = unfinished(state_dir)?;
        let there_was_one =
            unfinished.is_some() || marker.exists() || !Self::backups(state_dir, at)?.is_empty();
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                there_was_one.then(|| "it was gone".to_owned())
            }
            Ok(metadata) if metadata.is_file() && metadata.len() == 0 => {
                (there_was_one || has_images()).then(|| "it was empty".to_owned())
            }
            // What else may be there shows when it is opened.
            Err(_) => None,
            Ok(metadata) if !metadata.is_file() => None,
            Ok(_) => reserve.behind(For::Start, || damage(&path, there_was_one))?,
        };
        let restoration = match (unfinished, found) {
            (None, None) => None,
            (Some(unfinished), None) if unfinished.has_moved() => Some(unfinished),
            // Somebody else put a sound catalog in its place before anything was moved.
            (Some(_), None) => {
                forget(state_dir).map_err(|source| CatalogError::Open { path: path.clone(), source })?;
                None
            }
            (unfinished, Some(found)) => {
                // What was put in place lies there whole or not at all: if it is damaged, it was lost anew.
                let is_lost_anew = |begun: &Restoration| begun.has_moved() && !is_empty_or_gone(&path);
                let begun = unfinished.filter(|begun| !is_lost_anew(begun)).unwrap_or_else(|| Restoration {
                    at,
                    found,
                    was_asked_for: false,
                    kept_aside: is_anything_at(&path).then(|| aside(&path, at)),
                    backup: None,
                    unsound: Vec::new(),
                });
                Some(reserve.behind(For::Start, || restore(state_dir, begun.clone()))?)
            }
        };
        if restoration.is_none() && is_to_be_migrated(&path) {
            Self::back_up(state_dir, at)?;
        }
        let catalog = reserve.behind(For::Start, || Self::open(state_dir))?;
        if let Some(restoration) = &restoration {
            catalog.begin_anew(restoration)?;
        }
        // On a full volume memdeck starts without it, and the next start makes up for it.
        let _ = mark(&marker);
        Ok((catalog, restoration))
    }

    /// What is true of a backup no longer: sequence numbers after it were given before and will be given again, so whoever
    /// follows them is to begin from the first; and what waited then was asked for by people who know nothing of it now.
    /// Done once for a restoration, however many starts it takes.
    fn begin_anew(&self, restoration: &Restoration) -> Result<(), CatalogError> {
        let at = restoration.at.to_string();
        self.conclude("begin anew from a backup", For::Start, |tx| {
            let done: Option<String> = tx
                .query_row("SELECT value FROM settings WHERE key = ?1", [BEGUN_ANEW], |row| row.get(0))
                .optional()?;
            if done.as_ref() == Some(&at) {
                return Ok(());
            }
            tx.execute(
                "INSERT INTO settings (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [BEGUN_ANEW, &at],
            )?;
            tx.execute("DELETE FROM settings WHERE key = ?1", [Self::ID_SETTING])?;
            audit::begin_anew(tx, restoration.at)?;
            let reason = EndReason::CatalogFailed {
                detail: "the catalog was restored from a backup in which this dump still waited; if it is still \
                         wanted, start it again"
                    .into(),
            };
            tx.execute(
                "UPDATE jobs SET state = ?2, finished_at = ?1, message = ?3, end_reason = ?4 WHERE state = 'queued'",
                (
                    restoration.at.unix_micros(),
                    reason.state().as_str(),
                    reason.to_string(),
                    reason.to_json(),
                ),
            )?;
            Ok(())
        })
    }
}

/// What is wrong with the pages of a database file, if anything. A file that is no database at all is taken for a
/// damaged catalog only if there was one.
fn damage(path: &Path, there_was_one: bool) -> Result<Option<String>, CatalogError> {
    let checked = schema::check(path);
    match checked {
        Ok(()) => Ok(None),
        Err(CatalogError::Damaged { finding, .. }) => Ok(Some(format!("it was damaged ({finding})"))),
        Err(CatalogError::Foreign { .. }) if there_was_one => {
            Ok(Some("it was damaged (its beginning is not that of a catalog)".to_owned()))
        }
        Err(error) => Err(error),
    }
}

fn is_to_be_migrated(path: &Path) -> bool {
    let version = schema::open_reader(path).and_then(|connection| schema::identity(path, &connection));
    version.is_ok_and(|version| version > 0 && version < schema::version_of(MIGRATIONS))
}

impl Restoration {
    /// Whether what was found is out of the way, so that what lies in its place was put there.
    fn has_moved(&self) -> bool {
        self.kept_aside.as_ref().is_none_or(|aside| is_anything_at(aside))
    }
}

/// Keeps aside what was found and puts the newest sound backup in its place. Each step may be done already.
fn restore(state_dir: &Path, begun: Restoration) -> Result<Restoration, CatalogError> {
    let path = state_dir.join(Catalog::FILE_NAME);
    let open_error = |source| CatalogError::Open { path: path.clone(), source };
    note(state_dir, &begun).map_err(open_error)?;
    if let Some(aside) = &begun.kept_aside {
        keep_aside(&path, aside).map_err(open_error)?;
    }
    let mut restoration = Restoration { backup: None, unsound: Vec::new(), ..begun };
    for backup in Catalog::backups(state_dir, restoration.at)? {
        if backup::examine(&backup.path).is_ok_and(|findings| findings.is_empty()) {
            restoration.backup = Some(backup);
            break;
        }
        restoration.unsound.push(backup.path);
    }
    note(state_dir, &restoration).map_err(open_error)?;
    if let Some(backup) = &restoration.backup {
        put_in_place(&backup.path, &path).map_err(open_error)?;
    }
    Ok(restoration)
}

/// Keeps aside what is there, puts `backup` in its place because an operator asked for it, and opens it.
pub(crate) fn restore_asked(
    state_dir: &Path,
    backup: &Backup,
    at: Timestamp,
) -> Result<(Catalog, Restoration), CatalogError> {
    let path = state_dir.join(Catalog::FILE_NAME);
    let open_error = |source| CatalogError::Open { path: path.clone(), source };
    let restoration = Restoration {
        at,
        found: "an operator asked for another one".to_owned(),
        was_asked_for: true,
        kept_aside: is_anything_at(&path).then(|| beside(&path, &format!(".replaced-{}", in_name(at)))),
        backup: Some(backup.clone()),
        unsound: Vec::new(),
    };
    note(state_dir, &restoration).map_err(open_error)?;
    if let Some(aside) = &restoration.kept_aside {
        keep_aside(&path, aside).map_err(open_error)?;
    }
    put_in_place(&backup.path, &path).map_err(open_error)?;
    let catalog = Catalog::open(state_dir)?;
    catalog.begin_anew(&restoration)?;
    mark(&state_dir.join(MARKER)).map_err(open_error)?;
    Ok((catalog, restoration))
}

/// The restoration that an earlier start has begun and not finished.
fn unfinished(state_dir: &Path) -> Result<Option<Restoration>, CatalogError> {
    let path = state_dir.join(UNFINISHED);
    let restoration = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
        Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
    };
    restoration.map(Some).map_err(|source| CatalogError::Open { path, source })
}

/// Notes the restoration, in place of what was noted of it before. When this returns the note is on disk.
fn note(state_dir: &Path, restoration: &Restoration) -> io::Result<()> {
    let path = state_dir.join(UNFINISHED);
    let partial = state_dir.join(format!("{UNFINISHED}.partial"));
    let text = serde_json::to_vec(restoration)?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&partial, &path)?;
    sync_directory_of(&path)
}

fn forget(state_dir: &Path) -> io::Result<()> {
    let path = state_dir.join(UNFINISHED);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_directory_of(&path),
    }
}

/// Where a database file that was found at this time is kept.
fn aside(path: &Path, at: Timestamp) -> PathBuf {
    beside(path, &format!(".damaged-{}", in_name(at)))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether there is a database file, or something that belongs to one.
fn is_anything_at(path: &Path) -> bool {
    BESIDE.iter().any(|suffix| fs::symlink_metadata(beside(path, suffix)).is_ok())
}

fn is_empty_or_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).map_or(true, |metadata| metadata.len() == 0)
}

/// Renames the database file and what belongs to it, so that SQLite still reads them together. What an earlier try has
/// moved is not overwritten by what has taken its place since.
fn keep_aside(path: &Path, aside: &Path) -> io::Result<()> {
    for suffix in BESIDE {
        let kept = beside(aside, suffix);
        if fs::symlink_metadata(&kept).is_ok() {
            continue;
        }
        match fs::rename(beside(path, suffix), kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_directory_of(path)
}

fn put_in_place(backup: &Path, path: &Path) -> io::Result<()> {
    let partial = copy_beside(backup, path)?;
    // Of a catalog that an earlier try had begun there; SQLite would take them for the backup's.
    for suffix in ["-wal", "-shm"] {
        match fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(&partial, path)?;
    sync_directory_of(path)
}

/// A copy of a database file that nobody has, for its owner alone; `to` is there whole or not at all.
pub(crate) fn copy_in_place(from: &Path, to: &Path) -> io::Result<()> {
    let partial = copy_beside(from, to)?;
    fs::rename(&partial, to)?;
    sync_directory_of(to)
}

/// Copies `from` into a file beside `to`.
fn copy_beside(from: &Path, to: &Path) -> io::Result<PathBuf> {
    let partial = to.with_extension("db.restored");
    let copy = || {
        fs::copy(from, &partial)?;
        fs::set_permissions(&partial, Permissions::from_mode(0o600))?;
        File::open(&partial)?.sync_all()
    };
    copy().inspect_err(|_| {
        // A part of it would only take the room that is missing.
        let _ = fs::remove_file(&partial);
    })?;
    Ok(partial)
}

fn mark(marker: &Path) -> io::Result<()> {
    if marker.exists() {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(marker)?;
    file.write_all(
        b"catalog.db was created here. If it is gone or empty, memdeck restores it from backups.\n",
    )?;
    file.sync_all()?;
    sync_directory_of(marker)
}

pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    // The parent of a name alone is empty, and means the working directory.
    let named = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(named.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_named_without_a_directory_is_in_the_working_directory() {
        sync_directory_of(Path::new("memdeck-backup.db")).unwrap();
        assert!(sync_directory_of(Path::new("no-such-directory/memdeck-backup.db")).is_err());
    }
}
