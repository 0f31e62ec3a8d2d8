//! Removes what processes that died left and nobody knows of.

use std::path::{Path, PathBuf};

use memdeck_model::DumpId;
use rustix::fs::{FlockOperation, flock};

use super::directory::process_of_spool;
use super::{ImageStore, StoreError, remove};
use crate::format::companions::{
    IMAGE_SUFFIX, PARTIAL_INSIDE_SUFFIX, PARTIAL_SUFFIX, PARTIAL_TIME_STAMP_SUFFIX, dump_id_in,
};

/// A file that nobody works on any more.
enum LeftOver {
    /// Of a dump that was never sealed.
    Partial(DumpId),
    /// A file alone: memory that waited to be stored, or what was to come beside an image and is not whole.
    Alone,
}

impl ImageStore {
    /// The files of dumps that were never sealed, spool files, and what was not written to its end beside an image, as far as
    /// nobody works on them: neither a dump that `is_active` knows, nor another process. Only files that have memdeck's own names are looked at; a sealed image and a
    /// manifest without one are none. Changes nothing.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn left_over(&self, is_active: &dyn Fn(&DumpId) -> bool) -> Result<Vec<PathBuf>, StoreError> {
        let found = self.find_left_over(is_active)?;
        Ok(found.into_iter().map(|(name, _)| self.dir().join(name)).collect())
    }

    /// Removes what [`left_over`](Self::left_over) finds, with the files beside partial images. Returns what it removed.
    ///
    /// # Errors
    /// The directory cannot be listed, or a file cannot be removed; files before it are.
    pub fn sweep(&self, is_active: &dyn Fn(&DumpId) -> bool) -> Result<Vec<PathBuf>, StoreError> {
        let mut removed = Vec::new();
        for (name, left) in self.find_left_over(is_active)? {
            match left {
                LeftOver::Partial(dump_id) => removed.extend(remove::remove_all(&self.directory, &dump_id)?),
                LeftOver::Alone => {
                    let path = self.dir().join(&name);
                    let error = |source| StoreError::Remove { path: path.clone(), source };
                    self.directory.remove(&name).map_err(error)?;
                    removed.push(path);
                }
            }
        }
        Ok(removed)
    }

    fn find_left_over(
        &self,
        is_active: &dyn Fn(&DumpId) -> bool,
    ) -> Result<Vec<(String, LeftOver)>, StoreError> {
        let list_error = |source| StoreError::List { path: self.dir().to_owned(), source };
        let mut found = Vec::new();
        for name in self.directory.names().map_err(list_error)? {
            let Some(name) = name.to_str() else { continue };
            if let Some(dump_id) = dump_id_in(name, PARTIAL_SUFFIX) {
                let sealed = name.replace(PARTIAL_SUFFIX, IMAGE_SUFFIX);
                let is_sealed = self.directory.has(&sealed).map_err(list_error)?;
                if !is_sealed && !is_active(&dump_id) && !self.is_in_use(name) {
                    found.push((name.to_owned(), LeftOver::Partial(dump_id)));
                }
            } else if let Some(process) = process_of_spool(name)
                && !Path::new("/proc").join(process.to_string()).exists()
            {
                found.push((name.to_owned(), LeftOver::Alone));
            } else if [PARTIAL_INSIDE_SUFFIX, PARTIAL_TIME_STAMP_SUFFIX]
                .iter()
                .any(|suffix| dump_id_in(name, suffix).is_some())
                && !self.is_in_use(name)
            {
                found.push((name.to_owned(), LeftOver::Alone));
            }
        }
        Ok(found)
    }

    /// Whether a process holds a partial file; one that cannot be asked is left alone.
    fn is_in_use(&self, name: &str) -> bool {
        let file = self.directory.open_file(name);
        !file.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
    }
}
