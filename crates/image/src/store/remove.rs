//! Removes the files of a dump.

use std::io;
use std::path::{Path, PathBuf};

use memdeck_model::DumpId;
use rustix::fs::Access;
use rustix::io::Errno;

use super::StoreError;
use super::directory::Directory;
use crate::format::companions::{
    IMAGE_SUFFIX, MANIFEST_SUFFIX, PARTIAL_SUFFIX, SIGNATURE_SUFFIX, TIME_STAMP_SUFFIX, belongs_to,
    dump_id_in,
};

/// Removes a stored image and the files beside it, as far as they are there, but for its manifest and what vouches for that, which
/// go on telling what was taken. The directory is the one the image was stored in, whichever is used for new dumps now. Returns what it
/// removed.
///
/// # Errors
/// The directory cannot be opened or listed, or a file cannot be removed; files before it are.
pub fn remove_stored(image: &Path, dump_id: &DumpId) -> Result<Vec<PathBuf>, StoreError> {
    let dir = image.parent().unwrap_or(image);
    match dir.symlink_metadata() {
        // Opening would create it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        // What was read out of the image ends in `.json`, too, and goes with it.
        _ => remove(&Directory::open(dir)?, dump_id, |name| {
            let stays = [MANIFEST_SUFFIX, SIGNATURE_SUFFIX, TIME_STAMP_SUFFIX];
            stays.iter().all(|suffix| dump_id_in(name, suffix).is_none())
        }),
    }
}

/// Whether [`remove_stored`] may remove files, as far as that is known without removing one. A full volume is no hindrance.
///
/// # Errors
/// The directory is read-only, or this process may not change it.
pub fn check_removable(image: &Path) -> Result<(), StoreError> {
    let dir = image.parent().unwrap_or(image);
    match rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(StoreError::Unremovable { path: dir.to_owned(), source: errno.into() }),
    }
}

/// Removes every file that belongs to a dump.
pub(super) fn remove_all(directory: &Directory, dump_id: &DumpId) -> Result<Vec<PathBuf>, StoreError> {
    remove(directory, dump_id, |_| true)
}

/// Removes these files of a dump. The image goes first, so that what a crash leaves is not taken for one; a partial file
/// goes last, so that it still shows what is left.
fn remove(
    directory: &Directory,
    dump_id: &DumpId,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Vec<PathBuf>, StoreError> {
    let list_error = |source| StoreError::List { path: directory.path().to_owned(), source };
    let names = directory.names().map_err(list_error)?;
    let is_of_dump = |name: &String| belongs_to(name, dump_id) && is_meant(name);
    let mut names: Vec<String> =
        names.into_iter().filter_map(|name| name.into_string().ok()).filter(is_of_dump).collect();
    names.sort_by_key(|name| (name.ends_with(PARTIAL_SUFFIX), !name.ends_with(IMAGE_SUFFIX)));
    let mut removed = Vec::new();
    for name in names {
        let path = directory.path().join(&name);
        match directory.remove(&name) {
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
