//! Every stored image as files, in the formats that readers of memory images take: read-only, at any offset, with nothing
//! exported.
//!
//! ```text
//! DIR/web-01/20261114T085823Z.elf     the ELF core, as it was taken
//!                            .raw     RAM alone, each byte at its address
//!                            .lime    every range of memory
//! ```
//!
//! ```text
//! source ──every second──► tree        a new image appears, a deleted one vanishes, also for who has it open
//! kernel ──► filesystem ──► reading    frames unpacked by a few threads, kept as long as there is room
//!                              └── a damaged frame is an I/O error, and nothing of it is handed out
//! ```
//!
//! What can be seen belongs to who mounted it, and nobody else may look.

mod cache;
mod fair;
mod filesystem;
mod images;
mod mountpoint;
mod names;
mod readers;
mod reading;
mod source;
mod tree;

use std::collections::HashSet;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, INodeNo, MountOption, Notifier, Session};
use memdeck_model::{ByteCount, with_causes};
use parking_lot::{Condvar, Mutex};

use self::filesystem::{ImagesOnMount, Shared, Tell};
use self::tree::Tree;

pub use self::mountpoint::unmount_when_closed;
pub use self::readers::{MayRead, ReadOfImage};
pub use self::source::{DirectoryImages, ImageSource, ListedImage, SourceError};

/// Between two looks at the list of images.
const LIST_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of a mount waits for who still reads.
const END_GRACE: Duration = Duration::from_secs(2);
const FEWEST_DECODERS: usize = 2;
const MOST_DECODERS: usize = 16;
/// More complaints than this are not told apart.
const MOST_COMPLAINTS: usize = 1000;

/// How a mount is made.
pub struct MountOptions {
    /// Bytes of unpacked frames that are kept.
    pub cache: ByteCount,
    /// Is told what is wrong with an image or the list of them, once for each.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
    /// Is asked before somebody reads an image for the first time.
    pub may_read: MayRead,
}

/// Why there is no mount.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The directory cannot be used.
    #[error("{} {why}", path.display())]
    Directory {
        /// Where images were to be mounted.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The directory cannot be looked at.
    #[error("{} cannot be used as a mount point", path.display())]
    Unusable {
        /// Where images were to be mounted.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The images cannot be listed.
    #[error("the images cannot be listed")]
    Source(#[source] SourceError),
    /// There is no FUSE.
    #[error(
        "images cannot be mounted: /dev/fuse cannot be opened (modprobe fuse; a container needs the device)"
    )]
    NoFuse(#[source] io::Error),
    /// The system refuses the mount.
    #[error("the images cannot be mounted at {}", path.display())]
    Refused {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses to start threads.
    #[error("the threads of the mount cannot be started")]
    Threads(#[source] io::Error),
}

/// Images that are mounted. They are served until [`Self::end`].
pub struct Mounted {
    session: BackgroundSession,
    shared: Arc<Shared>,
    place: PathBuf,
    device: String,
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
}

/// Tells a thread that waits to end.
#[derive(Default)]
struct Stop {
    is_set: Mutex<bool>,
    changed: Condvar,
}

/// Mounts images on an empty directory.
///
/// # Errors
/// The directory cannot be used, the images cannot be listed, or the system refuses.
pub fn mount(
    mountpoint: &Path,
    source: Arc<dyn ImageSource>,
    options: MountOptions,
) -> Result<Mounted, MountError> {
    let unusable = |source| MountError::Unusable { path: mountpoint.to_owned(), source };
    if mountpoint::clear(mountpoint).map_err(unusable)? {
        (options.tell)(&format!(
            "{} was still mounted by a memdeck that is gone; it was unmounted",
            mountpoint.display()
        ));
    }
    if let Some(why) = mountpoint::refusal(mountpoint).map_err(unusable)? {
        return Err(MountError::Directory { path: mountpoint.to_owned(), why });
    }
    let place = mountpoint::real(mountpoint).map_err(unusable)?;
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse").map_err(MountError::NoFuse)?;
    let tell: Arc<dyn Fn(&str) + Send + Sync> = Arc::from(options.tell);
    let cache_bytes = usize::try_from(options.cache.0).unwrap_or(usize::MAX);
    let shared = Shared::new(cache_bytes, complaints(Arc::clone(&tell)), options.may_read);
    let shared = Arc::new(shared);
    let version = source.version().map_err(MountError::Source)?;
    let listed = source.list().map_err(MountError::Source)?;
    *shared.tree.write() = Arc::new(Tree::new(listed, &Tree::default()));

    let refused = |source| MountError::Refused { path: mountpoint.to_owned(), source };
    let session =
        Session::new(ImagesOnMount(Arc::clone(&shared)), &place, &fuse_config()).map_err(refused)?;
    let notifier = session.notifier();
    let session = session.spawn().map_err(MountError::Threads)?;
    let stop = Arc::new(Stop::default());
    let mut mounted = Mounted { session, shared, place, device: String::new(), stop, threads: Vec::new() };
    if let Err(error) = mounted.start(source, version, notifier, tell) {
        mounted.end();
        return Err(error);
    }
    Ok(mounted)
}

fn fuse_config() -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(mountpoint::NAME.to_owned()),
        MountOption::RO,
        MountOption::NoAtime,
        MountOption::NoDev,
        MountOption::NoExec,
        MountOption::NoSuid,
        MountOption::DefaultPermissions,
    ];
    config
}

/// Tells what is wrong with images, once for each sentence.
fn complaints(tell: Arc<dyn Fn(&str) + Send + Sync>) -> Tell {
    let told = Mutex::new(HashSet::new());
    Arc::new(move |image, error| {
        let sentence = format!("{}: {}", image.listed.path.display(), with_causes(error));
        let mut told = told.lock();
        if told.len() < MOST_COMPLAINTS && told.insert(sentence.clone()) {
            drop(told);
            tell(&sentence);
        }
    })
}

impl Mounted {
    fn start(
        &mut self,
        source: Arc<dyn ImageSource>,
        version: u64,
        notifier: Notifier,
        tell: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Result<(), MountError> {
        let cores = std::thread::available_parallelism().map_or(FEWEST_DECODERS, NonZero::get);
        for number in 0..cores.clamp(FEWEST_DECODERS, MOST_DECODERS) {
            let shared = Arc::clone(&self.shared);
            let decoder = Builder::new().name(format!("mount-decode-{number}"));
            self.threads.push(decoder.spawn(move || shared.reading.decode()).map_err(MountError::Threads)?);
        }
        self.device = mountpoint::device_of(&self.place)
            .map_err(|source| MountError::Unusable { path: self.place.clone(), source })?;
        let (shared, stop) = (Arc::clone(&self.shared), Arc::clone(&self.stop));
        let list = move || keep_listed(&shared, source.as_ref(), version, &notifier, &stop, tell.as_ref());
        let lister = Builder::new().name("mount-list".to_owned()).spawn(list);
        self.threads.push(lister.map_err(MountError::Threads)?);
        Ok(())
    }

    /// Where the images are mounted, without links.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Which mount it is: its device, `major:minor`.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// How many images are there now.
    #[must_use]
    pub fn images(&self) -> usize {
        self.shared.tree.read().images()
    }

    /// Whether somebody has unmounted it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.session.guard.is_finished()
    }

    /// Takes the mount off, and waits a moment for who is still reading. What they read after that fails. Returns how much was
    /// read of each image that somebody opened.
    pub fn end(self) -> Vec<ReadOfImage> {
        if !self.is_over() {
            // One that somebody took off meanwhile is what was wanted.
            let _ = mountpoint::detach(&self.place);
        }
        let begun = Instant::now();
        while !self.is_over() && begun.elapsed() < END_GRACE {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.shared.reading.close();
        *self.stop.is_set.lock() = true;
        self.stop.changed.notify_all();
        let is_over = self.is_over();
        // The library would unmount whatever is at that place now, which may be somebody else's.
        std::mem::forget(self.session);
        if is_over {
            for thread in self.threads {
                // One that panicked has nothing more to say.
                let _ = thread.join();
            }
        }
        self.shared.readers.read()
    }
}

/// Follows the list of images until it is stopped.
fn keep_listed(
    shared: &Shared,
    source: &dyn ImageSource,
    mut version: u64,
    notifier: &Notifier,
    stop: &Stop,
    tell: &(dyn Fn(&str) + Send + Sync),
) {
    let mut has_failed = false;
    let mut is_stopped = stop.is_set.lock();
    while !*is_stopped {
        if !stop.changed.wait_for(&mut is_stopped, LIST_INTERVAL).timed_out() {
            continue;
        }
        parking_lot::MutexGuard::unlocked(&mut is_stopped, || {
            match source.version().and_then(|now| Ok((now, changed(source, version, now)?))) {
                Ok((now, listed)) => {
                    version = now;
                    has_failed = false;
                    if let Some(listed) = listed {
                        show(shared, listed, notifier);
                    }
                }
                Err(error) if !has_failed => {
                    has_failed = true;
                    tell(&format!("the list of images stays as it is: {error}"));
                }
                Err(_) => {}
            }
        });
    }
}

/// The images, if there may be others than before.
fn changed(source: &dyn ImageSource, before: u64, now: u64) -> Result<Option<Vec<ListedImage>>, SourceError> {
    if before == now { Ok(None) } else { source.list().map(Some) }
}

/// Shows these images from now on. Those that are gone are closed, also for who reads them, and the kernel forgets them.
fn show(shared: &Shared, listed: Vec<ListedImage>, notifier: &Notifier) {
    let before = Arc::clone(&shared.tree.read());
    let tree = Arc::new(Tree::new(listed, &before));
    *shared.tree.write() = Arc::clone(&tree);
    for image in before.gone_from(&tree) {
        shared.images.close(&image);
        shared.reading.forget(image.id);
        for inode in tree::inodes_of(&image) {
            // A kernel that knows nothing of it has nothing to forget.
            let _ = notifier.inval_inode(INodeNo(inode), 0, 0);
        }
    }
}

#[cfg(test)]
mod tests;
