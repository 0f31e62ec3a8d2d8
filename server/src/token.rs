//! The token of this memdeck. If nobody set one, it is made at the first start and kept in the state directory,
//! where the command line of the same user finds it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustix::fs::{CWD, OFlags, RenameFlags};

use crate::config::Secret;
use crate::ownership::{self, OwnershipError};

/// Its name in the state directory.
pub const FILE_NAME: &str = "token";
const NEW_FILE_NAME: &str = "token.new";
/// More than any token needs.
const LONGEST: u64 = 1024;

/// Why the token's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is not trusted.
    #[error(transparent)]
    Ownership(#[from] OwnershipError),
    /// It cannot be read or written.
    #[error("the token in {} cannot be used", path.display())]
    Io {
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It holds no token.
    #[error("{} holds no token: delete it, and the next start makes a new one", path.display())]
    Empty { path: PathBuf },
}

/// The token in `state_dir`, which is made if there is none. Only for the process that holds the directory's lock.
///
/// # Errors
/// The file cannot be written or is not trusted.
pub fn read_or_make(state_dir: &Path) -> Result<Secret, TokenError> {
    if let Some(token) = read(state_dir)? {
        return Ok(token);
    }
    let path = state_dir.join(FILE_NAME);
    make(state_dir).map_err(|source| TokenError::Io { path: path.clone(), source })?;
    read(state_dir)?.ok_or(TokenError::Empty { path })
}

/// The token in `state_dir`, if there is one.
///
/// # Errors
/// The file cannot be read or is not trusted.
pub fn read(state_dir: &Path) -> Result<Option<Secret>, TokenError> {
    let path = state_dir.join(FILE_NAME);
    let failed = |source| TokenError::Io { path: path.clone(), source };
    let file = match no_follow(OpenOptions::new().read(true)).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    ownership::check_secret(&path, &file)?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    match text.trim() {
        "" => Err(TokenError::Empty { path }),
        token => Ok(Some(Secret::new(token))),
    }
}

/// Written whole before it has its name: a crash leaves no half of a token.
fn make(state_dir: &Path) -> io::Result<()> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let (new, path) = (state_dir.join(NEW_FILE_NAME), state_dir.join(FILE_NAME));
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = no_follow(OpenOptions::new().write(true).create_new(true).mode(0o600)).open(&new)?;
    writeln!(file, "{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))?;
    file.sync_all()?;
    rename_to_new(&new, &path)?;
    File::open(state_dir)?.sync_all()
}

/// Replaces nothing, where the file system can promise that.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => std::fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

fn no_follow(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_can_read_it() {
        let state = tempfile::tempdir().unwrap();
        assert!(read(state.path()).unwrap().is_none());
        let token = read_or_make(state.path()).unwrap();
        assert_eq!(token.expose().len(), 43, "256 bits");
        assert!(read_or_make(state.path()).unwrap() == token, "kept");
        let path = state.path().join(FILE_NAME);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert!(read_or_make(other.path()).unwrap() != token);
    }

    #[test]
    fn what_a_crash_left_of_a_token_is_none() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join(NEW_FILE_NAME), "half").unwrap();
        assert_eq!(read_or_make(state.path()).unwrap().expose().len(), 43);
        assert!(!state.path().join(NEW_FILE_NAME).exists());
    }

    #[test]
    fn a_token_that_others_could_read_or_that_leads_elsewhere_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(FILE_NAME);
        std::fs::write(&path, "a token that everybody knows\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            read_or_make(state.path()),
            Err(TokenError::Ownership(OwnershipError::Readable { .. }))
        ));
        std::fs::rename(&path, state.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(matches!(read(state.path()), Err(TokenError::Io { .. })));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read(state.path()), Err(TokenError::Empty { .. })));
    }
}
