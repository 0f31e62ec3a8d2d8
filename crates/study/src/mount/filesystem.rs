//! The mount as the kernel sees it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, KernelConfig,
    LockOwner, OpenAccMode, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyStatfs, Request,
};
use memdeck_image::ReadError;
use memdeck_model::{ExportFormat, Timestamp};
use parking_lot::{Mutex, RwLock};

use super::images::{Images, OpenImage};
use super::readers::{MayRead, Readers};
use super::reading::{OpenFile, Reading, Refusal};
use super::tree::{MountedImage, Node, ROOT, Tree};

/// How long the kernel may keep names and attributes: as long as a list may be old.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Whose turn it is to look at images; no file that is open has it.
const LOOKING: u64 = 0;
const BLOCK_BYTES: u32 = 4096;
const NAME_BYTES: u32 = 255;
/// More requests of read-ahead than this do not wait at once, so that a single read is never behind many.
const MAX_BACKGROUND: u16 = 12;

/// Is told what is wrong with an image.
pub(super) type Tell = Arc<dyn Fn(&MountedImage, &ReadError) + Send + Sync>;

/// What the parts of a mount share.
pub(super) struct Shared {
    pub(super) tree: RwLock<Arc<Tree>>,
    pub(super) images: Images,
    pub(super) reading: Reading,
    pub(super) readers: Readers,
    /// Is told once of each thing that is wrong with an image.
    pub(super) tell: Tell,
    owner: Owner,
    files: Mutex<HashMap<u64, Arc<OpenFile>>>,
    last_handle: AtomicU64,
}

/// To whom everything belongs.
#[derive(Clone, Copy, Debug)]
struct Owner {
    user: u32,
    group: u32,
}

impl Shared {
    pub(super) fn new(cache_bytes: usize, tell: Tell, may_read: MayRead) -> Self {
        let failed = Arc::clone(&tell);
        Self {
            tree: RwLock::default(),
            images: Images::default(),
            reading: Reading::new(
                cache_bytes,
                Box::new(move |open: &OpenImage, error| failed(&open.image, error)),
            ),
            readers: Readers::new(may_read),
            tell,
            owner: Owner {
                user: rustix::process::getuid().as_raw(),
                group: rustix::process::getgid().as_raw(),
            },
            files: Mutex::default(),
            last_handle: AtomicU64::new(LOOKING),
        }
    }

    fn tree(&self) -> Arc<Tree> {
        Arc::clone(&self.tree.read())
    }

    /// What cannot be read of an image, in the kernel's words.
    fn errno(&self, image: &MountedImage, error: &ReadError) -> Errno {
        match error {
            ReadError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => Errno::ENOENT,
            ReadError::Layout { .. } => Errno::EOPNOTSUPP,
            _ => {
                (self.tell)(image, error);
                Errno::EIO
            }
        }
    }

    fn directory(&self, inode: u64) -> FileAttr {
        let links = if inode == ROOT { self.tree().guests().saturating_add(2) } else { 2 };
        self.attributes(inode, 0, UNIX_EPOCH, FileType::Directory, 0o500, links)
    }

    fn file(&self, inode: u64, image: &MountedImage, length: u64) -> FileAttr {
        self.attributes(inode, length, system_time(image.listed.taken), FileType::RegularFile, 0o400, 1)
    }

    fn attributes(
        &self,
        inode: u64,
        size: u64,
        time: SystemTime,
        kind: FileType,
        perm: u16,
        nlink: u32,
    ) -> FileAttr {
        FileAttr {
            ino: INodeNo(inode),
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm,
            nlink,
            uid: self.owner.user,
            gid: self.owner.group,
            rdev: 0,
            blksize: BLOCK_BYTES,
            flags: 0,
        }
    }

    /// The attributes of what has that number. An image may have to be opened for its length.
    fn look(&self, inode: u64) -> Result<FileAttr, Errno> {
        match self.tree().node(inode) {
            None => Err(Errno::ESTALE),
            Some(Node::Root | Node::Guest(_)) => Ok(self.directory(inode)),
            Some(Node::File(image, format)) => {
                let length =
                    self.images.length(&image, format).map_err(|error| self.errno(&image, &error))?;
                Ok(self.file(inode, &image, length.ok_or(Errno::ESTALE)?))
            }
        }
    }

    /// The same where it is known at once.
    fn look_at_once(&self, inode: u64) -> Option<FileAttr> {
        match self.tree().node(inode)? {
            Node::Root | Node::Guest(_) => Some(self.directory(inode)),
            Node::File(image, format) => {
                let length = self.images.known_length(&image, format)?;
                Some(self.file(inode, &image, length))
            }
        }
    }

    fn open(&self, image: &Arc<MountedImage>, format: ExportFormat) -> Result<u64, Errno> {
        let opened = self.images.open(image).and_then(|open| Ok((open.map(format)?, open)));
        let (map, open) = opened.map_err(|error| self.errno(image, &error))?;
        let map = map.ok_or(Errno::ESTALE)?;
        if !self.readers.may_read(image) {
            return Err(Errno::EACCES);
        }
        let handle = self.last_handle.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.files.lock().insert(handle, Arc::new(OpenFile::new(handle, open, map)));
        Ok(handle)
    }
}

/// Times before 1970 are shown as 1970.
fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(at.unix_micros()).unwrap_or(0))
}

/// Answers the kernel. Requests come on one thread, which waits for nothing.
pub(super) struct ImagesOnMount(pub(super) Arc<Shared>);

impl Filesystem for ImagesOnMount {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // A kernel that wants other numbers keeps its own.
        let _ = config.set_max_background(MAX_BACKGROUND);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let shared = &self.0;
        let Some(inode) = name.to_str().and_then(|name| shared.tree().find(parent.0, name)) else {
            return reply.error(Errno::ENOENT);
        };
        if let Some(attributes) = shared.look_at_once(inode) {
            return reply.entry(&KEPT_FOR, &attributes, Generation(0));
        }
        let shared = Arc::clone(shared);
        self.0.reading.call(LOOKING, move || match shared.look(inode) {
            Ok(attributes) => reply.entry(&KEPT_FOR, &attributes, Generation(0)),
            Err(errno) => reply.error(errno),
        });
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        if let Some(attributes) = self.0.look_at_once(inode.0) {
            return reply.attr(&KEPT_FOR, &attributes);
        }
        let shared = Arc::clone(&self.0);
        self.0.reading.call(LOOKING, move || match shared.look(inode.0) {
            Ok(attributes) => reply.attr(&KEPT_FOR, &attributes),
            Err(errno) => reply.error(errno),
        });
    }

    fn open(&self, _: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            return reply.error(Errno::EROFS);
        }
        let Some(Node::File(image, format)) = self.0.tree().node(inode.0) else {
            return reply.error(Errno::ESTALE);
        };
        let shared = Arc::clone(&self.0);
        self.0.reading.call(LOOKING, move || match shared.open(&image, format) {
            // An image does not change: what the kernel has of it is as good as ever.
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::FOPEN_KEEP_CACHE),
            Err(errno) => reply.error(errno),
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let file = self.0.files.lock().get(&handle.0).cloned();
        let Some(file) = file else { return reply.error(Errno::EBADF) };
        let range = offset..offset.saturating_add(size.into());
        let image = Arc::clone(&file.image.image);
        let answer = move |bytes: Result<&[u8], Refusal>| match bytes {
            Ok(bytes) => {
                image.add_read(bytes.len());
                reply.data(bytes);
            }
            Err(Refusal::Damaged) => reply.error(Errno::EIO),
            Err(Refusal::Gone) => reply.error(Errno::ESTALE),
        };
        self.0.reading.read(&file, range, Box::new(answer));
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        // Nobody reads it any more, so this is the last one, or a decoder has it for a moment longer.
        let file = self.0.files.lock().remove(&handle.0);
        drop(file);
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // The kernel does not ask again.
        reply.error(Errno::ENOSYS);
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        // The places of `.` and `..`, and then the numbers of entries, which are larger.
        const DOTS: [(u64, &str); 2] = [(1, "."), (2, "..")];
        let Some(entries) = self.0.tree().entries_after(inode.0, offset.saturating_sub(2)) else {
            return reply.error(Errno::ENOTDIR);
        };
        for (place, name) in DOTS {
            if offset < place && reply.add(inode, place, FileType::Directory, name) {
                return reply.ok();
            }
        }
        for entry in entries {
            let kind = if entry.is_directory { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(entry.inode), entry.inode.saturating_add(2), kind, &entry.name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let files = u64::try_from(self.0.tree().images()).unwrap_or(u64::MAX);
        reply.statfs(0, 0, 0, files, 0, BLOCK_BYTES, NAME_BYTES, BLOCK_BYTES);
    }
}
