//! Files that come beside a stored image later: what was read out of it, which is no part of it and can be made again, and the time
//! stamp of its manifest. What they say is not this module's business.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::directory::Directory;
use super::{ImageStore, StoreError};
use crate::format::companions::{
    IMAGE_SUFFIX, INSIDE_SUFFIX, MANIFEST_SUFFIX, PARTIAL_INSIDE_SUFFIX, PARTIAL_TIME_STAMP_SUFFIX,
    TIME_STAMP_SUFFIX, companion,
};

/// Longer ones are not read; what memdeck writes is shorter.
const MAX_BYTES: u64 = 64 << 20;

/// Keeps what was read out of an image beside it, in place of what was kept before. A reader finds all of it or nothing of it, also
/// after a crash.
///
/// # Errors
/// The directory cannot be used, or the file cannot be written. Then what was kept before is still there.
pub fn keep_inside(image: &Path, content: &[u8]) -> Result<(), StoreError> {
    keep(image, INSIDE_SUFFIX, PARTIAL_INSIDE_SUFFIX, content)
}

/// What [`keep_inside`] kept beside an image; `None` if there is nothing.
///
/// # Errors
/// It cannot be read, or is longer than anything that memdeck writes.
pub fn kept_inside(image: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let path = companion(image, INSIDE_SUFFIX);
    if let Err(source) = path.symlink_metadata() {
        return match source.kind() {
            // Opening the directory would create it.
            io::ErrorKind::NotFound => Ok(None),
            _ => Err(StoreError::Beside { step: "read", path, source }),
        };
    }
    let directory = Directory::open(directory_of(image))?;
    let read = || {
        let mut content = Vec::new();
        let file = directory.open_file(&name_of(image, INSIDE_SUFFIX))?;
        let length = file.take(MAX_BYTES + 1).read_to_end(&mut content)?;
        if u64::try_from(length).is_ok_and(|length| length > MAX_BYTES) {
            return Err(io::Error::other("it is longer than anything that memdeck writes"));
        }
        Ok(content)
    };
    read().map(Some).map_err(|source| StoreError::Beside { step: "read", path, source })
}

/// Keeps the time stamp of an image's manifest beside it, whole or not at all.
///
/// # Errors
/// The directory cannot be used, or the file cannot be written.
pub fn keep_time_stamp(image: &Path, response: &[u8]) -> Result<(), StoreError> {
    keep(image, TIME_STAMP_SUFFIX, PARTIAL_TIME_STAMP_SUFFIX, response)
}

impl ImageStore {
    /// The images whose manifests have no time stamp, by name.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn unstamped(&self) -> Result<Vec<PathBuf>, StoreError> {
        let list_error = |source| StoreError::List { path: self.dir().to_owned(), source };
        let names = self.directory.names().map_err(list_error)?;
        let names: std::collections::BTreeSet<String> =
            names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        let has = |stem: &str, suffix: &str| names.contains(&format!("{stem}{suffix}"));
        let stems = names.iter().filter_map(|name| name.strip_suffix(IMAGE_SUFFIX));
        let waiting = stems.filter(|stem| has(stem, MANIFEST_SUFFIX) && !has(stem, TIME_STAMP_SUFFIX));
        Ok(waiting.map(|stem| self.dir().join(format!("{stem}{IMAGE_SUFFIX}"))).collect())
    }
}

fn keep(image: &Path, suffix: &str, partial_suffix: &str, content: &[u8]) -> Result<(), StoreError> {
    let directory = Directory::open(directory_of(image))?;
    let (kept, partial) = (name_of(image, suffix), name_of(image, partial_suffix));
    let failed = |step| {
        let path = directory.path().join(&kept);
        move |source| StoreError::Beside { step, path, source }
    };
    // What a crash left.
    match directory.remove(&partial) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed("written")(source)),
        _ => {}
    }
    let written = directory.create(&partial).and_then(|file| write(file, content));
    let put = written.and_then(|()| directory.rename(&partial, &kept)).and_then(|()| directory.sync());
    put.map_err(|source| {
        // The sweep at the next start finds what stays.
        let _ = directory.remove(&partial);
        failed("written")(source)
    })
}

fn write(mut file: File, content: &[u8]) -> io::Result<()> {
    // Shows the sweep of another process that this one works here. Without working locks it does not see it.
    let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
    file.write_all(content)?;
    file.sync_all()
}

fn directory_of(image: &Path) -> &Path {
    image.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn name_of(image: &Path, suffix: &str) -> String {
    let path: PathBuf = companion(image, suffix);
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::testing::{Lab, core, dump_id};

    #[test]
    fn what_is_kept_is_read_back_whole_and_belongs_to_its_owner() {
        let lab = Lab::new();
        let image = lab.store(&core(b"memory")).image;
        assert_eq!(kept_inside(&image).unwrap(), None);
        for content in [&b"first"[..], b"second, and longer", b""] {
            keep_inside(&image, content).unwrap();
            assert_eq!(kept_inside(&image).unwrap().as_deref(), Some(content));
        }
        let file = companion(&image, INSIDE_SUFFIX);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(kept_inside(Path::new("/nowhere/web_a1.elf.zst")).unwrap(), None);
    }

    #[test]
    fn what_a_crash_left_half_written_is_never_read_and_is_swept() {
        let lab = Lab::new();
        let image = lab.store(&core(b"memory")).image;
        let half = companion(&image, PARTIAL_INSIDE_SUFFIX);
        fs::write(&half, "hal").unwrap();
        assert_eq!(kept_inside(&image).unwrap(), None);
        let held = File::open(&half).unwrap();
        flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(lab.store.sweep(&|_| false).unwrap(), [""; 0].map(PathBuf::from), "somebody writes it");
        drop(held);
        assert_eq!(lab.store.sweep(&|_| false).unwrap(), std::slice::from_ref(&half));
        fs::write(&half, "hal").unwrap();
        keep_inside(&image, b"whole").unwrap();
        assert!(!half.exists());
        assert_eq!(kept_inside(&image).unwrap().as_deref(), Some(&b"whole"[..]));
    }

    #[test]
    fn a_time_stamp_is_waited_for_until_it_is_there_and_stays_with_the_manifest() {
        let lab = Lab::new();
        let sealed = lab.store(&core(b"memory"));
        fs::write(lab.store.dir().join("web_b2.elf.zst"), "an image without a manifest").unwrap();
        assert_eq!(lab.store.unstamped().unwrap(), std::slice::from_ref(&sealed.image));
        keep_time_stamp(&sealed.image, b"response").unwrap();
        assert_eq!(lab.store.unstamped().unwrap(), [""; 0].map(PathBuf::from));
        let stamp = companion(&sealed.image, TIME_STAMP_SUFFIX);
        let half = companion(&sealed.image, PARTIAL_TIME_STAMP_SUFFIX);
        fs::write(&half, "hal").unwrap();
        assert_eq!(lab.store.sweep(&|_| false).unwrap(), std::slice::from_ref(&half));
        let removed = super::super::remove_stored(&sealed.image, &dump_id()).unwrap();
        assert!(!removed.contains(&stamp) && sealed.manifest.exists(), "{removed:?}");
        assert_eq!(fs::read(stamp).unwrap(), b"response");
    }

    #[test]
    fn what_was_kept_goes_with_its_image_and_the_manifest_stays() {
        let lab = Lab::new();
        let sealed = lab.store(&core(b"memory"));
        keep_inside(&sealed.image, b"{}").unwrap();
        let (kept, half) =
            (companion(&sealed.image, INSIDE_SUFFIX), companion(&sealed.image, PARTIAL_INSIDE_SUFFIX));
        fs::write(&half, "hal").unwrap();
        let stored = lab.store.stored().unwrap();
        assert_eq!((stored.dumps.len(), stored.unusable), (1, Vec::new()), "it is not taken for a manifest");
        let removed = super::super::remove_stored(&sealed.image, &dump_id()).unwrap();
        assert!(removed.contains(&kept) && removed.contains(&half), "{removed:?}");
        assert!(sealed.manifest.exists() && !kept.exists());
    }

    #[test]
    fn a_link_is_not_followed() {
        let lab = Lab::new();
        let image = lab.store(&core(b"memory")).image;
        let target = lab.outside().join("target");
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, companion(&image, INSIDE_SUFFIX)).unwrap();
        assert!(kept_inside(&image).unwrap_err().to_string().ends_with("cannot be read"));
        keep_inside(&image, b"whole").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    }
}
