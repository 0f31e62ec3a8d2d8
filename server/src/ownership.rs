//! Whose files and directories memdeck believes: those of its own user and of root that nobody else can change.
//!
//! A directory counts with the directories above it: a user who may rename one of them can put another in its place. A
//! sticky directory such as `/tmp` is fine above, since it lets nobody rename what belongs to somebody else.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Group or others may write.
const WRITABLE: u32 = 0o022;
/// Group or others may do anything at all.
const ANYTHING: u32 = 0o077;
const STICKY: u32 = 0o1000;

/// Why a file or directory is not believed.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipError {
    /// Somebody else owns it, and could change it at any time.
    #[error("{} belongs to user {owner}, and memdeck trusts only its own user ({user}) and root: {}", path.display(), remedy(*.directory))]
    Foreign {
        /// What is not believed.
        path: PathBuf,
        owner: u32,
        /// Who memdeck runs as.
        user: u32,
        /// Whether it is a directory.
        directory: bool,
    },
    /// Others than its owner may change it.
    #[error("{} can be changed by others (mode {mode:o}): chmod go-w {}", path.display(), path.display())]
    Writable {
        /// What is not believed.
        path: PathBuf,
        mode: u32,
    },
    /// Others than its owner may read it.
    #[error("{} holds a secret that others can read (mode {mode:o}): replace the secret, and chmod 600 {}", path.display(), path.display())]
    Readable { path: PathBuf, mode: u32 },
    /// It cannot be looked at.
    #[error("{} cannot be looked at", path.display())]
    Unknown {
        /// What it is.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn remedy(directory: bool) -> &'static str {
    if directory { "name a directory of its own" } else { "chown it, or name another file" }
}

/// Checks a directory and everything above it.
///
/// # Errors
/// Somebody else owns one of them or may put something else in its place.
pub fn check_directory(directory: &Path) -> Result<(), OwnershipError> {
    let unknown = |source| OwnershipError::Unknown { path: directory.to_owned(), source };
    // Links are followed first: what counts is where the files really are.
    let real = directory.canonicalize().map_err(unknown)?;
    for (depth, path) in real.ancestors().enumerate() {
        let metadata = path.metadata().map_err(unknown)?;
        check(path, &metadata, depth > 0)?;
    }
    Ok(())
}

/// Checks the directory of a file that was checked itself. In a sticky one nobody exchanges what belongs to us.
///
/// # Errors
/// Somebody else owns it, or may put something else in the place of a file.
pub fn check_place(directory: &Path) -> Result<(), OwnershipError> {
    let metadata = directory
        .metadata()
        .map_err(|source| OwnershipError::Unknown { path: directory.to_owned(), source })?;
    check(directory, &metadata, true)
}

/// Checks a file that was opened, so that it cannot be exchanged after the check.
///
/// # Errors
/// Somebody else owns it or may write it.
pub fn check_file(path: &Path, file: &File) -> Result<(), OwnershipError> {
    let metadata =
        file.metadata().map_err(|source| OwnershipError::Unknown { path: path.to_owned(), source })?;
    check(path, &metadata, false)
}

/// Checks a file with a secret: nobody else may even read it.
///
/// # Errors
/// Somebody else owns it, or may write or read it.
pub fn check_secret(path: &Path, file: &File) -> Result<(), OwnershipError> {
    check_file(path, file)?;
    let metadata =
        file.metadata().map_err(|source| OwnershipError::Unknown { path: path.to_owned(), source })?;
    let mode = metadata.mode() & 0o7777;
    if mode & ANYTHING != 0 {
        return Err(OwnershipError::Readable { path: path.to_owned(), mode });
    }
    Ok(())
}

fn check(path: &Path, metadata: &Metadata, sticky_is_fine: bool) -> Result<(), OwnershipError> {
    check_as(own_user(), path, metadata, sticky_is_fine)
}

fn check_as(user: u32, path: &Path, metadata: &Metadata, sticky_is_fine: bool) -> Result<(), OwnershipError> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != user && owner != 0 {
        let directory = metadata.is_dir();
        return Err(OwnershipError::Foreign { path: path.to_owned(), owner, user, directory });
    }
    if mode & WRITABLE != 0 && !(sticky_is_fine && mode & STICKY != 0) {
        return Err(OwnershipError::Writable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// The user this process acts as.
pub fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_write_is_not_believed_and_neither_is_what_lies_below_it() {
        let place = tempfile::tempdir().unwrap();
        let state = place.path().join("above/state");
        std::fs::create_dir_all(&state).unwrap();
        set_mode(&place.path().join("above"), 0o755);
        set_mode(&state, 0o700);
        check_directory(&state).unwrap();
        for (mode, below) in [(0o777, false), (0o770, false), (0o1777, true)] {
            set_mode(&place.path().join("above"), mode);
            assert_eq!(check_directory(&state).is_ok(), below, "{mode:o}");
            assert!(
                check_directory(&place.path().join("above")).is_err(),
                "{mode:o}: sticky helps only above"
            );
        }
    }

    #[test]
    fn a_secret_that_others_can_read_is_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("token");
        std::fs::write(&path, "x").unwrap();
        for (mode, is_secret) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            set_mode(&path, mode);
            assert_eq!(check_secret(&path, &File::open(&path).unwrap()).is_ok(), is_secret, "{mode:o}");
            assert!(check_file(&path, &File::open(&path).unwrap()).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn what_belongs_to_another_user_is_not_believed() {
        let place = tempfile::tempdir().unwrap();
        let metadata = place.path().metadata().unwrap();
        let owner = metadata.uid();
        assert!(check_as(owner, place.path(), &metadata, false).is_ok());
        let error = check_as(owner + 1, place.path(), &metadata, false);
        // What belongs to root is believed by everybody.
        assert_eq!(error.is_ok(), owner == 0);
        let slash = Path::new("/");
        assert!(check_as(65_534, slash, &slash.metadata().unwrap(), false).is_ok(), "of root");
    }
}
