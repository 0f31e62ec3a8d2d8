//! Why an image cannot be stored, from the directory up to the seal.

use std::io;
use std::path::PathBuf;

use memdeck_model::{ByteCount, DumpId};

use crate::format::elf::ElfError;

/// Why the directory of images refuses.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not exist and cannot be made.
    #[error("the directory for dumps {path} cannot be created")]
    CreateDirectory {
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It exists and cannot be used.
    #[error("the directory for dumps {path} cannot be opened")]
    OpenDirectory {
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A link is in its place.
    #[error("the directory for dumps {path} is a symbolic link; name the directory it leads to")]
    DirectoryIsLink { path: PathBuf },
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
    WritableByOthers { path: PathBuf, mode: u32 },
    /// The id cannot be part of a file name without doubt.
    #[error(
        "the dump id {0} contains '_', so its files could not be distinguished from those of other dumps"
    )]
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
    /// The file that contains a dump's pages until they are stored cannot be created.
    #[error("a file for the pages of a dump cannot be created in {path}")]
    CreateSpool {
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The directory cannot be listed.
    #[error("the directory for dumps {path} cannot be listed")]
    List {
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
    /// What comes beside an image later cannot be kept there, or be found there.
    #[error("{path}, which stands beside an image, cannot be {step}")]
    Beside {
        /// What was done to it: `written`, `read`, ...
        step: &'static str,
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The volume does not report its free space.
    #[error("the free space of {path} cannot be read")]
    FreeSpace {
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why the memory of a dump could not be kept until it is stored.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file that holds the pages until they are in order.
    #[error("the spool of the dump cannot be created")]
    Create(#[source] StoreError),
    /// A step failed on it.
    #[error("the spool of the dump cannot be {step}")]
    Failed {
        /// What was done to it: `written`, `read`, ...
        step: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The dump was stopped while the disk kept it waiting.
    #[error("the dump was told to stop while it waited for the disk")]
    Stopped,
    /// More pages than the index has numbers for.
    #[error("the guest has more than 8 TiB of memory, which is not supported")]
    TooLarge,
    /// A thread ended without a reason; a defect of memdeck.
    #[error("a thread that receives the dump ended unexpectedly; please report this")]
    Panicked,
}

impl SpoolError {
    pub(crate) fn at(step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Failed { step, source }
    }
}

/// Why a stream did not become an image.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The stream failed, or its reader was stopped.
    #[error("reading the guest's memory failed after {read}")]
    Stream {
        /// Bytes that were read before.
        read: ByteCount,
        /// The reader's error, as it was.
        source: io::Error,
    },
    /// The stream is not an ELF core that memdeck accepts.
    #[error("the hypervisor's stream is not a memory image that memdeck can store")]
    Header(#[source] ElfError),
    /// The stream ended before its headers did.
    #[error("the guest's memory stream ended after {} bytes, before its headers were complete", read.0)]
    HeadersIncomplete {
        /// Bytes that were read.
        read: ByteCount,
    },
    /// The stream ended early.
    #[error("the guest's memory stream ended after {} bytes; its headers promise {}", read.0, expected.0)]
    TooShort {
        /// Bytes that were read.
        read: ByteCount,
        /// Bytes its headers promise.
        expected: ByteCount,
    },
    /// The stream went on.
    #[error("the guest's memory stream goes on after the {} bytes that its headers promise", expected.0)]
    TooLong {
        /// Bytes its headers promise.
        expected: ByteCount,
    },
    /// The image cannot be written.
    #[error("writing the image {path} failed")]
    Write {
        /// The partial file, or one beside it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The pages could not be kept until they are stored.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The pages, which are on the volume of the image until it is stored, could not be read a second time.
    #[error("reading the pages of the dump a second time failed")]
    ReadAgain(#[source] io::Error),
    /// They were others than the first time.
    #[error("the pages of the dump read differently the second time: the volume of {path} is not reliable")]
    ReadsDiffer {
        /// The partial file, which is on the same volume.
        path: PathBuf,
    },
    /// zstd failed.
    #[error("compressing the image failed")]
    Compress(#[source] io::Error),
    /// The system refuses to start threads.
    #[error("the threads that store an image cannot be started")]
    Threads(#[source] io::Error),
    /// A thread of the pipeline ended without a reason; a defect of memdeck.
    #[error("a thread that stores the image ended unexpectedly; please report this")]
    Panicked,
    /// `capture` was called before on the same file.
    #[error("the image {path} was captured before; a new capture needs a new file")]
    AlreadyCaptured {
        /// The partial file.
        path: PathBuf,
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
