//! Reads stored images to study them.

use memdeck_image::PageMapError;
use memdeck_model::{DrawnComparison, GuestPhysAddr, MapView, Problem, ProblemKind, Sought, with_causes};
use memdeck_operations::{HuntWatcher, ImageRef, Searched, Study};
use memdeck_study::compare::{CompareError, ComparedImage, Side, compare_drawn};
use memdeck_study::page::{PageError, read_page};

use super::uses::Uses;
use super::{StoredImage, hunt, unreadable};

/// The images of this machine, to be studied.
pub(super) struct StoredStudy {
    pub(super) uses: Uses,
}

impl Study for StoredStudy {
    fn compare(
        &self,
        first: &ImageRef,
        second: &ImageRef,
        view: MapView,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<DrawnComparison, Problem> {
        let (first, second) = (StoredImage::of(first.clone())?, StoredImage::of(second.clone())?);
        let _in_use = [self.uses.read(&first.dump_id)?, self.uses.read(&second.dump_id)?];
        let compared = compare_drawn(compared_image(&first), compared_image(&second), view, is_stopped);
        let (comparison, map) = compared.map_err(|error| match &error {
            CompareError::PageMap { side: Side::First, source } => without_map(&first, source),
            CompareError::PageMap { side: Side::Second, source } => without_map(&second, source),
            CompareError::Overlap { .. } => Problem::new(ProblemKind::Conflict, error.to_string()),
            CompareError::Cancelled => Problem::new(ProblemKind::Unavailable, error.to_string()),
        })?;
        Ok(DrawnComparison { comparison, map })
    }

    fn page(&self, image: &ImageRef, address: GuestPhysAddr) -> Result<Option<Vec<u8>>, Problem> {
        let image = StoredImage::of(image.clone())?;
        let _in_use = self.uses.read(&image.dump_id)?;
        read_page(&image.path, Some(&image.record), address).map_err(|error| match &error {
            PageError::PageMap(source) => without_map(&image, source),
            PageError::Read(source) => unreadable(&image, source),
        })
    }

    fn check_patterns(&self, sought: &Sought) -> Result<(), Problem> {
        hunt::patterns(sought).map(drop)
    }

    fn hunt(
        &self,
        images: &[ImageRef],
        sought: &Sought,
        limit: u32,
        watcher: &mut dyn HuntWatcher,
    ) -> Result<Searched, Problem> {
        hunt::hunt(&self.uses, images, sought, limit, watcher)
    }
}

fn compared_image(image: &StoredImage) -> ComparedImage<'_> {
    ComparedImage { path: &image.path, record: Some(&image.record) }
}

/// The pages of an image cannot be found.
pub(super) fn without_map(image: &StoredImage, error: &PageMapError) -> Problem {
    let (PageMapError::Open(source) | PageMapError::Manifest { source, .. }) = error else {
        let (dump_id, guest) = (&image.dump_id, &image.record.dom);
        if let PageMapError::None { .. } = error {
            let detail = format!(
                "the image of dump {dump_id} of {guest} has no page map: the version of memdeck that stored it made none"
            );
            return Problem::new(ProblemKind::Conflict, detail);
        }
        tracing::warn!(%dump_id, vm = %guest, error = error as &dyn std::error::Error, "a page map cannot be read");
        if let PageMapError::NotAsRecorded { .. } = error {
            let detail = format!(
                "the page map of dump {dump_id} of {guest} is not the one that was recorded: it was changed or \
                 exchanged; verify the image"
            );
            return Problem::new(ProblemKind::Conflict, detail);
        }
        let detail =
            format!("the page map of dump {dump_id} of {guest} cannot be read: {}", with_causes(error));
        return Problem::new(ProblemKind::Conflict, detail);
    };
    unreadable(image, source)
}
