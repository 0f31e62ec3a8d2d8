//! The images that are open: their frames, and how each format sees them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use memdeck_image::{ExportMap, ReadError, StoredFrames};
use memdeck_model::ExportFormat;
use parking_lot::Mutex;

use super::tree::MountedImage;

/// Images that stay open for a while after their last use, so that listing one and then opening it reads it once.
const KEPT_OPEN: usize = 8;

/// An image that is open. It is closed when nobody uses it any more, or when it is gone from the mount.
pub(super) struct OpenImage {
    pub(super) image: Arc<MountedImage>,
    /// `None` once the image is gone.
    frames: Mutex<Option<Arc<StoredFrames>>>,
    maps: Mutex<HashMap<&'static str, Arc<ExportMap>>>,
}

impl OpenImage {
    fn open(image: Arc<MountedImage>) -> Result<Self, ReadError> {
        let listed = &image.listed;
        let frames = match &listed.record {
            Some(record) => StoredFrames::open_recorded(&listed.path, record)?,
            None => StoredFrames::open(&listed.path)?,
        };
        let frames = Mutex::new(Some(Arc::new(frames)));
        Ok(Self { image, frames, maps: Mutex::default() })
    }

    /// Its frames; `None` once it is gone.
    pub(super) fn frames(&self) -> Option<Arc<StoredFrames>> {
        self.frames.lock().clone()
    }

    /// How a format sees it; `None` once it is gone.
    pub(super) fn map(&self, format: ExportFormat) -> Result<Option<Arc<ExportMap>>, ReadError> {
        let Some(frames) = self.frames() else { return Ok(None) };
        let name = super::names::extension(format);
        if let Some(map) = self.maps.lock().get(name) {
            return Ok(Some(Arc::clone(map)));
        }
        // Two that come at once make the same.
        let map = Arc::new(ExportMap::new(&frames, format)?);
        self.maps.lock().insert(name, Arc::clone(&map));
        Ok(Some(map))
    }
}

/// Every image that is open.
#[derive(Default)]
pub(super) struct Images(Mutex<State>);

#[derive(Default)]
struct State {
    open: HashMap<u64, Weak<OpenImage>>,
    recent: VecDeque<Arc<OpenImage>>,
    /// The lengths of files that were asked for, by image and format.
    lengths: HashMap<(u64, &'static str), u64>,
}

impl Images {
    /// The image, opened if it is not.
    pub(super) fn open(&self, image: &Arc<MountedImage>) -> Result<Arc<OpenImage>, ReadError> {
        if let Some(open) = self.0.lock().open.get(&image.id).and_then(Weak::upgrade) {
            return Ok(open);
        }
        let open = Arc::new(OpenImage::open(Arc::clone(image))?);
        let mut state = self.0.lock();
        // Of two that come at once the second uses what the first opened.
        if let Some(open) = state.open.get(&image.id).and_then(Weak::upgrade) {
            return Ok(open);
        }
        if image.is_gone() {
            *open.frames.lock() = None;
        }
        state.open.retain(|_, open| open.strong_count() > 0);
        state.open.insert(image.id, Arc::downgrade(&open));
        state.recent.push_back(Arc::clone(&open));
        if state.recent.len() > KEPT_OPEN {
            state.recent.pop_front();
        }
        Ok(open)
    }

    /// How long a file is, if that was asked for before.
    pub(super) fn known_length(&self, image: &MountedImage, format: ExportFormat) -> Option<u64> {
        self.0.lock().lengths.get(&(image.id, super::names::extension(format))).copied()
    }

    /// How long a file is; `None` once its image is gone.
    pub(super) fn length(
        &self,
        image: &Arc<MountedImage>,
        format: ExportFormat,
    ) -> Result<Option<u64>, ReadError> {
        if let Some(length) = self.known_length(image, format) {
            return Ok(Some(length));
        }
        let Some(map) = self.open(image)?.map(format)? else { return Ok(None) };
        let length = map.length().0;
        self.0.lock().lengths.insert((image.id, super::names::extension(format)), length);
        Ok(Some(length))
    }

    /// Closes an image that is gone, also for those who are reading it.
    pub(super) fn close(&self, image: &MountedImage) {
        let mut state = self.0.lock();
        image.go();
        state.recent.retain(|open| open.image.id != image.id);
        state.lengths.retain(|(id, _), _| *id != image.id);
        if let Some(open) = state.open.remove(&image.id).and_then(|open| open.upgrade()) {
            *open.frames.lock() = None;
        }
    }
}
