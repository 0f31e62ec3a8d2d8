//! Opening a catalog that may be lost: empty, damaged or gone.
//!
//! ```text
//! sound ──► opened (first backed up, where it is to be migrated)
//! empty or gone, and there was one ─┐
//! damaged ──────────────────────────┴─► kept aside under a dated name ──► newest sound backup in its place ──► opened
//!                                                                    └── none: a new catalog
//! ```
//!
//! A catalog is never replaced silently: what was found and what was done is returned, and kept in the catalog until
//! somebody has seen to it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use memdeck_model::{EndReason, Timestamp};

use crate::backup::{self, Backup, in_name};
use crate::reserve::{For, Reserve};
use crate::schema::{self, MIGRATIONS};
use crate::{Catalog, CatalogError};

/// A file in the state directory that says that there was a catalog: an empty one is a loss then, and no beginning.
const MARKER: &str = "catalog.created";
/// What belongs to a database file.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// What was done because the catalog was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restoration {
    /// When.
    pub at: Timestamp,
    /// What was found, as a part of a sentence: `it was empty`.
    pub found: String,
    /// Where what was found lies now; `None` where there was nothing.
    pub kept_aside: Option<PathBuf>,
    /// The backup that is in its place now; `None` where there was no sound one.
    pub backup: Option<Backup>,
    /// Backups that were passed over because they are not sound.
    pub unsound: Vec<PathBuf>,
}

impl Catalog {
    /// Opens the catalog of `state_dir` as [`Catalog::open`] does. One that is damaged, or that is empty or gone although
    /// there was one, or although `has_images` says that its images are there, is kept aside, and the newest sound backup
    /// is restored. On a full volume the start may use the reserve. Hold the directory's [`crate::StateLock`] while it is open.
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
        let there_was_one = marker.exists() || !Self::backups(state_dir)?.is_empty();
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                there_was_one.then(|| "it was gone".to_owned())
            }
            Ok(metadata) if metadata.is_file() && metadata.len() == 0 => {
                (there_was_one || has_images()).then(|| "it was empty".to_owned())
            }
            // What else may be there, opening it tells.
            Err(_) => None,
            Ok(metadata) if !metadata.is_file() => None,
            Ok(_) => reserve.behind(For::Start, || damage(&path, there_was_one))?,
        };
        let restoration = match found {
            None => None,
            Some(found) => Some(restore(state_dir, at, found)?),
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
    fn begin_anew(&self, restoration: &Restoration) -> Result<(), CatalogError> {
        self.conclude("begin anew from a backup", For::Start, |tx| {
            tx.execute("DELETE FROM settings WHERE key = ?1", [Self::ID_SETTING])?;
            let reason = EndReason::CatalogFailed {
                detail: "the catalog was restored from a backup in which this dump still waited; if it is still \
                         wanted, start it again"
                    .to_owned(),
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
/// damaged catalog only where there was one.
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

fn restore(state_dir: &Path, at: Timestamp, found: String) -> Result<Restoration, CatalogError> {
    let path = state_dir.join(Catalog::FILE_NAME);
    let open_error = |source| CatalogError::Open { path: path.clone(), source };
    let kept_aside = keep_aside(&path, at).map_err(open_error)?;
    let mut unsound = Vec::new();
    for backup in Catalog::backups(state_dir)? {
        if !backup::examine(&backup.path).is_ok_and(|findings| findings.is_empty()) {
            unsound.push(backup.path);
            continue;
        }
        put_in_place(&backup.path, &path).map_err(open_error)?;
        return Ok(Restoration { at, found, kept_aside, backup: Some(backup), unsound });
    }
    Ok(Restoration { at, found, kept_aside, backup: None, unsound })
}

/// Renames the database file and what belongs to it, so that SQLite still reads them together.
fn keep_aside(path: &Path, at: Timestamp) -> io::Result<Option<PathBuf>> {
    let mut kept = None;
    let beside = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = beside(path, &format!(".damaged-{}", in_name(at)));
    for suffix in BESIDE {
        match fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Ok(()) => kept = Some(aside.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    sync_directory_of(path)?;
    Ok(kept)
}

fn put_in_place(backup: &Path, path: &Path) -> io::Result<()> {
    let partial = path.with_extension("db.restored");
    fs::copy(backup, &partial)?;
    fs::set_permissions(&partial, Permissions::from_mode(0o600))?;
    File::open(&partial)?.sync_all()?;
    fs::rename(&partial, path)?;
    sync_directory_of(path)
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

fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
