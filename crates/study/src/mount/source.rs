//! Where the images of a mount come from.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memdeck_image::{dump_id_of, read_manifest};
use memdeck_model::{Record, Timestamp, with_causes};

/// What every stored image ends with.
const IMAGE_SUFFIX: &str = ".elf.zst";
/// A directory that changed more recently than this may change again without another time.
const UNSETTLED: Duration = Duration::from_secs(2);

/// An image that is to be mounted.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedImage {
    /// Whose memory it is.
    pub guest: String,
    /// When the dump began.
    pub taken: Timestamp,
    /// The stored image.
    pub path: PathBuf,
    /// What the image must be, where that is known.
    pub record: Option<Box<Record>>,
}

/// Why the images cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// A list of images that may change.
pub trait ImageSource: Send + Sync + 'static {
    /// A number that is another one whenever [`Self::list`] may have changed. It is asked for every second.
    ///
    /// # Errors
    /// The source cannot be read.
    fn version(&self) -> Result<u64, SourceError>;

    /// The images.
    ///
    /// # Errors
    /// The source cannot be read.
    fn list(&self) -> Result<Vec<ListedImage>, SourceError>;
}

/// The images in a directory, which is only read.
pub struct DirectoryImages {
    directory: PathBuf,
    asked: AtomicU64,
}

impl DirectoryImages {
    /// The images in that directory.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, asked: AtomicU64::new(0) }
    }

    fn failed(&self, error: &std::io::Error) -> SourceError {
        SourceError(format!("{} cannot be listed: {}", self.directory.display(), with_causes(error)))
    }
}

impl ImageSource for DirectoryImages {
    fn version(&self) -> Result<u64, SourceError> {
        let changed = self.directory.metadata().and_then(|metadata| metadata.modified());
        let changed = changed.map_err(|error| self.failed(&error))?;
        let age = SystemTime::now().duration_since(changed).unwrap_or_default();
        if age < UNSETTLED {
            // Different from every other: odd numbers are no times, which are shifted.
            return Ok(self.asked.fetch_add(1, Ordering::Relaxed).wrapping_mul(2) | 1);
        }
        let nanos = changed.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Ok(u64::try_from(nanos).unwrap_or(u64::MAX) << 1)
    }

    fn list(&self) -> Result<Vec<ListedImage>, SourceError> {
        let entries = self.directory.read_dir().map_err(|error| self.failed(&error))?;
        let mut images = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| self.failed(&error))?.path();
            let is_file = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
            if let Some(image) = is_file.then(|| listed(&path)).flatten() {
                images.push(image);
            }
        }
        Ok(images)
    }
}

/// What an image says of itself, or else its name and its file.
fn listed(path: &Path) -> Option<ListedImage> {
    let stem = path.file_name()?.to_str()?.strip_suffix(IMAGE_SUFFIX)?;
    // What is wrong with a manifest is told when the image is opened.
    if let Some(file) = read_manifest(path).ok().flatten() {
        let manifest = file.manifest;
        return Some(ListedImage {
            guest: manifest.guest.name.0,
            taken: manifest.started_at,
            path: path.to_owned(),
            record: None,
        });
    }
    let guest = match dump_id_of(path) {
        Some(_) => stem.rsplit_once('_').map_or(stem, |(guest, _)| guest),
        None => stem,
    };
    let taken = path.metadata().and_then(|metadata| metadata.modified()).ok()?;
    Some(ListedImage {
        guest: guest.to_owned(),
        taken: Timestamp::from(taken),
        path: path.to_owned(),
        record: None,
    })
}
