//! The port behind which images are read to study them.

use memdeck_model::{DrawnComparison, GuestPhysAddr, MapView, Problem};

use super::ImageRef;

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
}
