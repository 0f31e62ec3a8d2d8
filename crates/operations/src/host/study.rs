//! The port behind which images are read to study them.

use std::ops::ControlFlow;

use memdeck_model::{
    ByteCount, ChangedPages, DrawnComparison, GuestPhysAddr, HuntHit, HuntProgress, MapView, MappedMemory,
    MemoryChanges, MemoryFigures, Message, Problem, Sought,
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

/// What is known of an image among several of its guest.
#[derive(Clone, Debug, Default)]
pub struct FiguredImage {
    pub memory: Option<MemoryFigures>,
    /// Since the image before it.
    pub changes: Option<MemoryChanges>,
    /// Why its page map cannot be used. Says nothing of where it lies.
    pub problem: Option<Message>,
    /// Whether something was not looked at yet, because it would have taken too long.
    pub is_pending: bool,
}

/// As what pages that differ are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PagesForm {
    /// A line for each that says what it was and is.
    Csv,
    /// The bytes that the second dump has, as `LiME` writes memory.
    Lime,
}

impl PagesForm {
    /// The word in requests and in the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Lime => "lime",
        }
    }

    /// Pages that are sent at once, so that an answer fits into memory.
    #[must_use]
    pub const fn most(self) -> u32 {
        match self {
            Self::Csv => 262_144,
            Self::Lime => 16_384,
        }
    }
}

/// Which pages that differ are asked for.
#[derive(Clone, Copy, Debug)]
pub struct AskedPages {
    pub form: PagesForm,
    /// Those at lower addresses are left out.
    pub from: GuestPhysAddr,
    /// How many; [`PagesForm::most`] where nobody says.
    pub most: Option<u32>,
}

/// Pages that differ between two dumps.
#[derive(Clone, Debug)]
pub struct ReadPages {
    pub changed: ChangedPages,
    /// Their bytes in the second dump, where they were asked for.
    pub lime: Option<Vec<u8>>,
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

    /// The pages that differ between two images.
    ///
    /// # Errors
    /// As of [`Self::compare`]; or bytes of the second one cannot be read.
    fn changed(
        &self,
        first: &ImageRef,
        second: &ImageRef,
        asked: AskedPages,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<ReadPages, Problem>;

    /// What the page maps of images of one guest add up to, oldest first, each with what changed since the one before. Takes some
    /// seconds at most, unless one image alone takes longer; what is pending then is known after further calls.
    fn figures(&self, images: &[ImageRef], is_stopped: &dyn Fn() -> bool) -> Vec<FiguredImage>;

    /// The bytes of the page at this address; `None` if the image has no such page.
    ///
    /// # Errors
    /// The image is gone, has no page map, is damaged or is not the one that was recorded.
    fn page(&self, image: &ImageRef, address: GuestPhysAddr) -> Result<Option<Vec<u8>>, Problem>;

    /// Which processes have which pages mapped, where that was read inside of the guest.
    ///
    /// # Errors
    /// There is no such image.
    fn mapped(&self, image: &ImageRef) -> Result<Option<MappedMemory>, Problem>;

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
