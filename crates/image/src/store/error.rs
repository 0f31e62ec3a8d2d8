//! Why an image cannot be stored.

use std::io;
use std::path::PathBuf;

use memdeck_model::DumpId;

/// Why the directory of images refuses.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not exist and cannot be made.
    #[error("the directory for dumps {path} cannot be created")]
    CreateDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It exists and cannot be used.
    #[error("the directory for dumps {path} cannot be opened")]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A link is in its place.
    #[error("the directory for dumps {path} is a symbolic link; name the directory it leads to")]
    DirectoryIsLink {
        /// The link.
        path: PathBuf,
    },
    /// Something else is in its place.
    #[error("{path} is not a directory, so dumps cannot be stored there")]
    NotADirectory {
        /// What is there.
        path: PathBuf,
    },
    /// Others could replace images.
    #[error(
        "the directory for dumps {path} may be written to by its group or by others (mode {mode:o}); \
             run: chmod go-w {path}"
    )]
    WritableByOthers {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The id cannot be part of a file name without doubt.
    #[error("the dump id {0} contains '_', so its files could not be told from those of other dumps")]
    AmbiguousDumpId(DumpId),
    /// The dump has a file already.
    #[error("{path} exists already; it is not overwritten")]
    Exists {
        /// What is there: a file, or a link.
        path: PathBuf,
    },
    /// The file cannot be created.
    #[error("the image {path} cannot be created")]
    CreateImage {
        /// The partial file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file of a live dump's pages cannot be created.
    #[error("a file for the pages of a live dump cannot be created in {path}")]
    CreateSpool {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The directory cannot be listed.
    #[error("the directory for dumps {path} cannot be listed")]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be removed.
    #[error("{path} cannot be removed; remove it by hand")]
    Remove {
        /// What is left.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its files stay, because its volume is read-only or memdeck may not change it.
    #[error("no file can be removed from the directory for dumps {path}")]
    Unremovable {
        /// Where the images are.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing can be written in it.
    #[error("nothing can be stored in the directory for dumps {path}")]
    Unwritable {
        /// Where the images are.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The volume does not tell its free space.
    #[error("the free space of {path} cannot be read")]
    FreeSpace {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why a captured image did not become a stored one. Its files are removed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is nothing to seal.
    #[error("the image {path} was not captured completely, so it is not kept")]
    NotCaptured {
        /// The partial file.
        path: PathBuf,
    },
    /// The manifest cannot be expressed.
    #[error("the manifest of {path} cannot be written as JSON")]
    Manifest {
        /// The partial file.
        path: PathBuf,
        /// serde's reason.
        source: serde_json::Error,
    },
    /// A step failed on a file.
    #[error("{path} cannot be {step}")]
    File {
        /// What was done to it: `written`, `made durable`, ...
        step: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}
