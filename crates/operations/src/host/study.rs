//! The port behind which images are read to study them.

use std::ops::ControlFlow;

use memdeck_model::{
    ByteCount, DrawnComparison, GuestPhysAddr, HuntHit, HuntProgress, MapView, Message, Problem, Sought,
};

use super::ImageRef;

/// Who watches a hunt.
pub trait HuntWatcher: Send {
    /// Is told whose turn it is: the place of the image, from 0.
    fn begins(&mut self, image: usize);
    /// Is told of every hit, image by image.
    fn hit(&mut self, hit: &HuntHit);
    /// Is told how far it is, many times a second. The hunt ends where it breaks off.
    fn progress(&mut self, progress: HuntProgress) -> ControlFlow<()>;
}

/// What a hunt came to.
#[derive(Clone, Debug, Default)]
pub struct Searched {
    /// Of each image that it came to, in order.
    pub images: Vec<SearchedImage>,
    /// Whether it ended at the limit of hits.
    pub is_cut_short: bool,
}

/// What came of an image.
#[derive(Clone, Debug, Default)]
pub struct SearchedImage {
    /// How much of it was unpacked and searched.
    pub bytes: ByteCount,
    /// Why it was not searched to its end. Says nothing of where it lies.
    pub problem: Option<Message>,
}

/// Reads images to study them. Every call blocks.
pub trait Study: Send + Sync {
    /// Compares two images, and draws a map.
    ///
    /// # Errors
    /// One of them is gone, has no page map, is damaged or is not the one that was recorded; or it was stopped.
    fn compare(
        &self,
        first: &ImageRef,
        second: &ImageRef,
        view: MapView,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<DrawnComparison, Problem>;

    /// The bytes of the page at this address; `None` if the image has no such page.
    ///
    /// # Errors
    /// The image is gone, has no page map, is damaged or is not the one that was recorded.
    fn page(&self, image: &ImageRef, address: GuestPhysAddr) -> Result<Option<Vec<u8>>, Problem>;

    /// Whether the patterns that count can be looked for.
    ///
    /// # Errors
    /// One cannot: the sentence says its line, which is its place among all, from 1.
    fn check_patterns(&self, sought: &Sought) -> Result<(), Problem>;

    /// Looks for patterns in images, one after the other, at a low priority. An image that cannot be searched does not keep
    /// it from the others.
    ///
    /// # Errors
    /// The patterns cannot be looked for, or memdeck failed.
    fn hunt(
        &self,
        images: &[ImageRef],
        sought: &Sought,
        limit: u32,
        watcher: &mut dyn HuntWatcher,
    ) -> Result<Searched, Problem>;
}
