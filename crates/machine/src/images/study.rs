//! Reads stored images to study them.

use memdeck_image::PageMapError;
use memdeck_model::{
    DrawnComparison, GuestPhysAddr, MapView, MappedMemory, Problem, ProblemKind, Sought, with_causes,
};
use memdeck_operations::{
    AskedPages, FiguredImage, HuntWatcher, ImageRef, PagesForm, ReadPages, Searched, Study,
};
use memdeck_study::compare::{CompareError, ComparedImage, Side, as_lime, changed_pages, compare_drawn};
use memdeck_study::inside::kept_beside;
use memdeck_study::page::{PageError, PageReader, read_page};

use super::timeline::{self, KnownFigures};
use super::uses::Uses;
use super::{StoredImage, hunt, unreadable};

/// The images of this machine, to be studied.
pub(super) struct StoredStudy {
    pub(super) uses: Uses,
    pub(super) figures: KnownFigures,
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
        let (comparison, map) = compared.map_err(|error| refused(&error, &first, &second))?;
        Ok(DrawnComparison { comparison, map })
    }

    fn changed(
        &self,
        first: &ImageRef,
        second: &ImageRef,
        asked: AskedPages,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<ReadPages, Problem> {
        let (first, second) = (StoredImage::of(first.clone())?, StoredImage::of(second.clone())?);
        let _in_use = [self.uses.read(&first.dump_id)?, self.uses.read(&second.dump_id)?];
        let most = usize::try_from(asked.most.unwrap_or(asked.form.most())).unwrap_or(usize::MAX);
        let changed =
            changed_pages(compared_image(&first), compared_image(&second), asked.from, most, is_stopped)
                .map_err(|error| refused(&error, &first, &second))?;
        let lime = match asked.form {
            PagesForm::Csv => None,
            PagesForm::Lime => {
                let read = PageReader::open(&second.path, Some(&second.record))
                    .and_then(|mut reader| as_lime(&mut reader, &changed.pages));
                Some(read.map_err(|error| without_page(&second, &error))?)
            }
        };
        Ok(ReadPages { changed, lime })
    }

    fn figures(&self, images: &[ImageRef], is_stopped: &dyn Fn() -> bool) -> Vec<FiguredImage> {
        timeline::figures(&self.uses, &self.figures, images, is_stopped)
    }

    fn page(&self, image: &ImageRef, address: GuestPhysAddr) -> Result<Option<Vec<u8>>, Problem> {
        let image = StoredImage::of(image.clone())?;
        let _in_use = self.uses.read(&image.dump_id)?;
        read_page(&image.path, Some(&image.record), address).map_err(|error| without_page(&image, &error))
    }

    fn mapped(&self, image: &ImageRef) -> Result<Option<MappedMemory>, Problem> {
        let image = StoredImage::of(image.clone())?;
        Ok(kept_beside(&image.path, &image.record).and_then(|inside| inside.mapped))
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

/// Pages of an image cannot be read.
fn without_page(image: &StoredImage, error: &PageError) -> Problem {
    match error {
        PageError::PageMap(source) => without_map(image, source),
        PageError::Read(source) => unreadable(image, source),
    }
}

/// Why two images cannot be compared.
pub(super) fn refused(error: &CompareError, first: &StoredImage, second: &StoredImage) -> Problem {
    match error {
        CompareError::PageMap { side: Side::First, source } => without_map(first, source),
        CompareError::PageMap { side: Side::Second, source } => without_map(second, source),
        CompareError::Overlap { .. } => Problem::new(ProblemKind::Conflict, error.to_string()),
        CompareError::Cancelled => Problem::new(ProblemKind::Unavailable, error.to_string()),
    }
}

pub(super) fn compared_image(image: &StoredImage) -> ComparedImage<'_> {
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
