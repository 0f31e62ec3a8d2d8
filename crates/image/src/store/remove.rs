//! Removes the files of a dump.

use std::io;
use std::path::{Path, PathBuf};

use memdeck_model::DumpId;

use super::StoreError;
use crate::companions::belongs_to;
use crate::directory::Directory;

/// Removes a stored image and the files beside it, as far as they are there. The directory is the one the image was
/// stored in, whichever is used for new dumps now. Returns what it removed.
///
/// # Errors
/// The directory cannot be opened or listed, or a file cannot be removed; files before it are.
pub fn remove_stored(image: &Path, dump_id: &DumpId) -> Result<Vec<PathBuf>, StoreError> {
    let dir = image.parent().unwrap_or(image);
    match dir.symlink_metadata() {
        // Opening would create it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        _ => remove_all(&Directory::open(dir)?, dump_id),
    }
}

/// Removes every file that belongs to a dump.
pub(super) fn remove_all(directory: &Directory, dump_id: &DumpId) -> Result<Vec<PathBuf>, StoreError> {
    let list_error = |source| StoreError::List { path: directory.path().to_owned(), source };
    let mut removed = Vec::new();
    for name in directory.names().map_err(list_error)? {
        let Some(name) = name.to_str().filter(|name| belongs_to(name, dump_id)) else { continue };
        let path = directory.path().join(name);
        match directory.remove(name) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Remove { path, source });
            }
            _ => removed.push(path),
        }
    }
    if !removed.is_empty() {
        directory.sync().map_err(list_error)?;
    }
    removed.sort();
    Ok(removed)
}
