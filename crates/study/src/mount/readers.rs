//! Which images somebody reads, and how much of each was handed out.

use std::collections::HashMap;
use std::sync::Arc;

use memdeck_model::ByteCount;
use parking_lot::Mutex;

use super::source::ListedImage;
use super::tree::MountedImage;

/// Is asked before somebody reads an image for the first time, on a thread that may wait. `None` keeps the image closed, and it
/// is asked again; a number comes back at the end with how much was read.
pub type MayRead = Box<dyn Fn(&ListedImage) -> Option<usize> + Send + Sync>;

/// How much was read of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOfImage {
    /// What was answered when somebody was about to read it.
    pub number: usize,
    /// Bytes that were handed out. What the kernel still had and gave out again is not counted twice.
    pub bytes: ByteCount,
}

pub(super) struct Readers {
    may_read: MayRead,
    begun: Mutex<HashMap<u64, (usize, Arc<MountedImage>)>>,
}

impl Readers {
    pub(super) fn new(may_read: MayRead) -> Self {
        Self { may_read, begun: Mutex::default() }
    }

    /// Whether somebody may read an image.
    pub(super) fn may_read(&self, image: &Arc<MountedImage>) -> bool {
        let mut begun = self.begun.lock();
        if begun.contains_key(&image.id) {
            return true;
        }
        let Some(number) = (self.may_read)(&image.listed) else { return false };
        begun.insert(image.id, (number, Arc::clone(image)));
        true
    }

    /// Of every image that somebody opened how much was read, in the order in which they were opened first.
    pub(super) fn read(&self) -> Vec<ReadOfImage> {
        let begun = self.begun.lock();
        let of = |(number, image): &(usize, Arc<MountedImage>)| ReadOfImage {
            number: *number,
            bytes: ByteCount(image.read_bytes()),
        };
        let mut read: Vec<_> = begun.values().map(of).collect();
        read.sort_by_key(|read| read.number);
        read
    }
}
