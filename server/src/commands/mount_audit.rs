//! What `memdeck mount` notes: that images are mounted, which of them somebody opened, and how much was read of each.

use std::path::{Path, PathBuf};

use memdeck_catalog::CatalogError;
use memdeck_image::{dump_id_of, read_manifest};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_study::mount::{ListedImage, ReadOfImage};
use parking_lot::Mutex;

use super::output::say;
use super::taking::{self, TakingAudit};
use super::{Failure, with_causes};
use crate::cli::MountArgs;
use crate::config::Config;

/// Something that was begun: what it is about, and the number of its entry.
type Begun = (AuditObject, u64);

/// The entries of one mount. It may last for days, and the catalog be restored meanwhile: the audit is opened for each.
pub struct MountAudit {
    state_dir: PathBuf,
    /// The mount itself; nothing where it is of a directory that no catalog is about.
    mount: Option<Begun>,
    /// The images that somebody opened; nothing for one that the catalog does not know.
    images: Mutex<Vec<Option<Begun>>>,
}

impl MountAudit {
    /// Notes that images are mounted.
    ///
    /// # Errors
    /// They are those of the catalog, and its audit cannot be written.
    pub fn begin(config: &Config, args: &MountArgs) -> Result<Self, Failure> {
        let audit = TakingAudit::of(&config.state_dir);
        let mut mount = None;
        if args.images.is_none() {
            let object = AuditObject::File { name: args.directory.display().to_string() };
            let begun = begun(&audit, object).map_err(|error| audit.refused(&error))?;
            mount = Some(begun.ok_or_else(|| audit.refused_without())?);
        }
        Ok(Self { state_dir: config.state_dir.clone(), mount, images: Mutex::default() })
    }

    /// Notes that somebody is about to read an image, and gives it a number. `None` if it cannot be noted.
    pub fn may_read(&self, image: &ListedImage) -> Option<usize> {
        let audit = TakingAudit::of(&self.state_dir);
        let path = image.path.display();
        let noted = match known(&audit, image) {
            Ok(Some(object)) => begun(&audit, object),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        let noted = noted.inspect_err(|error| {
            let why = with_causes(error);
            say(format_args!("memdeck: {path} is not read: it cannot be noted in the audit: {why}"));
        });
        let noted = noted.ok()?;
        if noted.is_none() && audit.is_expected() {
            audit.tell_missing(&path.to_string());
        }
        // It was listed by a catalog, whose audit cannot be used now.
        if noted.is_none() && image.record.is_some() {
            return None;
        }
        let mut images = self.images.lock();
        images.push(noted);
        Some(images.len() - 1)
    }

    /// Notes that nothing was mounted.
    pub fn fail(&self, why: &str) {
        let mount =
            self.mount.clone().map(|begun| ended(begun, AuditResult::Failed, AuditDetails::because(why)));
        self.note(mount.into_iter().collect());
    }

    /// Notes that the mount has ended, and what was read.
    pub fn end(&self, read: &[ReadOfImage]) {
        let images = self.images.lock();
        let of_image = |read: &ReadOfImage| {
            let begun = images.get(read.number)?.clone()?;
            let details = AuditDetails { bytes: Some(read.bytes), ..AuditDetails::default() };
            Some(ended(begun, AuditResult::Succeeded, details))
        };
        let mut ends: Vec<_> = read.iter().filter_map(of_image).collect();
        let mount = self.mount.clone();
        ends.extend(mount.map(|begun| ended(begun, AuditResult::Succeeded, AuditDetails::default())));
        self.note(ends);
    }

    fn note(&self, ends: Vec<(AuditObject, AuditResult, AuditDetails)>) {
        if let Err(error) = TakingAudit::of(&self.state_dir).note(AuditAction::ImageRead, ends) {
            say(format_args!("memdeck: how the mount ended is not in the audit: {}", with_causes(&error)));
        }
    }
}

/// The dump of an image, if the catalog knows it.
fn known(audit: &TakingAudit, image: &ListedImage) -> Result<Option<AuditObject>, CatalogError> {
    if let Some(record) = &image.record {
        return audit.known(Some(record));
    }
    let Some(dump_id) = dump_of(&image.path) else { return Ok(None) };
    audit.known_by_id(&dump_id, &image.guest)
}

fn begun(audit: &TakingAudit, object: AuditObject) -> Result<Option<Begun>, CatalogError> {
    let entry = (object.clone(), AuditResult::Begun, taking::by("mount", None));
    let number = audit.note(AuditAction::ImageRead, vec![entry])?.pop();
    Ok(number.map(|number| (object, number)))
}

fn ended(
    (object, seq): Begun,
    result: AuditResult,
    details: AuditDetails,
) -> (AuditObject, AuditResult, AuditDetails) {
    let details = AuditDetails { begun: Some(seq), name: taking::by("mount", None).name, ..details };
    (object, result, details)
}

/// The dump that a file is the image of, as its name says, or else its manifest.
fn dump_of(path: &Path) -> Option<memdeck_model::DumpId> {
    let of_manifest = || read_manifest(path).ok().flatten().map(|file| file.manifest.dump_id);
    dump_id_of(path).or_else(of_manifest)
}
