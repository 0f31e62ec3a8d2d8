//! A file that has its name only when it is whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use super::Failure;

/// What a file is called until it is whole.
const PARTIAL_SUFFIX: &str = ".partial";

/// A file that is removed unless it was kept; where memdeck is killed, its name says what it is.
pub struct PartialFile {
    path: PathBuf,
    /// Open to write.
    pub file: File,
    kept: bool,
}

impl PartialFile {
    /// Creates it, for its owner alone.
    pub fn create(output: &Path) -> Result<Self, Failure> {
        let mut path = output.as_os_str().to_owned();
        path.push(PARTIAL_SUFFIX);
        let path = PathBuf::from(path);
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = created.map_err(|error| {
            let advice = if error.kind() == io::ErrorKind::AlreadyExists {
                "; another memdeck writes it, or one was cut off: then remove it"
            } else {
                ""
            };
            Failure::new(format!("cannot create {}: {error}{advice}", path.display()))
        })?;
        Ok(Self { path, file, kept: false })
    }

    /// Gives the file its name, unless somebody else has taken it in the meantime, and makes the name durable. The file
    /// itself must be durable already.
    pub fn keep(mut self, output: &Path) -> Result<(), Failure> {
        let renamed = match rustix::fs::renameat_with(CWD, &self.path, CWD, output, RenameFlags::NOREPLACE) {
            // Not every file system can do that.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                std::fs::hard_link(&self.path, output).and_then(|()| std::fs::remove_file(&self.path))
            }
            other => other.map_err(io::Error::from),
        };
        renamed.map_err(|error| Failure::new(format!("cannot create {}: {error}", output.display())))?;
        self.kept = true;
        let directory =
            output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| {
            let (output, directory) = (output.display(), directory.display());
            Failure::new(format!(
                "{output} is written, but may be gone after a power failure: {directory} cannot be made durable: {error}"
            ))
        })
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.kept {
            // Nobody is left to tell; what stays says by its name that it is not whole.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
