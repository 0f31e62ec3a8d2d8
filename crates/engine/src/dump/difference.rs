//! Which image a new one is stored as a difference to. It is looked for when the guest runs again.

use std::path::Path;

use memdeck_image::{BaseImage, ElfCore};
use memdeck_model::{DumpId, Record};

use super::attempt::Attempt;
use crate::error::as_error;

/// The newest full image of the guest, if a difference was asked for, it is not time for another full one, and that image is here
/// and of the same layout. What is in the way is no failure: the image is stored whole then.
pub fn base_for(attempt: &Attempt<'_>, core: &ElfCore) -> Option<BaseImage> {
    let Attempt { context, job, .. } = *attempt;
    let guest = job.guest.as_ref().filter(|_| job.options.difference)?;
    let most = context.settings.full_every.get() - 1;
    let store_whole =
        |why: &str| tracing::info!(dump_id = %job.dump_id, vm = %guest.name, why, "stored whole");
    let record = match context.catalog.choose_base(&job.dump_id, &guest.uuid, most) {
        Ok(Some(record)) => record,
        Ok(None) => {
            store_whole("there is no full image of the guest, or enough differences to it");
            return None;
        }
        Err(error) => {
            tracing::warn!(dump_id = %job.dump_id, error = as_error(&error), "no base of a difference can be chosen");
            return None;
        }
    };
    let Record { dump_path: Some(path), dump_id: Some(base), .. } = &record else { return None };
    let path = Path::new(path);
    if path.parent() != Some(context.store.dir()) {
        store_whole("the newest full image is in another directory");
        return None;
    }
    open(path, &record, base, core, store_whole)
}

fn open(
    path: &Path,
    record: &Record,
    base: &DumpId,
    core: &ElfCore,
    store_whole: impl Fn(&str),
) -> Option<BaseImage> {
    match BaseImage::open(path, record) {
        Ok(image) if image.fits(core) => Some(image),
        Ok(_) => {
            store_whole("the newest full image has its memory in other places");
            None
        }
        Err(error) => {
            tracing::warn!(dump_id = %base, error = as_error(&error), "an image cannot be the base of a difference");
            None
        }
    }
}
