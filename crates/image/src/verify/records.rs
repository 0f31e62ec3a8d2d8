//! The manifest and the checksum file beside an image, and what they say against what it is.

use std::io;
use std::path::{Path, PathBuf};

use memdeck_model::{Companion, Finding, Manifest, with_causes};

use super::Contents;
use crate::format::checksum::read_checksum_file;
use crate::format::companions::{CHECKSUM_SUFFIX, MANIFEST_SUFFIX, companion};
use crate::format::manifest::{ManifestError, ManifestFile};
use crate::format::regular::open_regular;

pub(super) struct Records {
    manifest_path: PathBuf,
    manifest: Result<ManifestFile, ManifestError>,
    checksum_path: PathBuf,
    /// The digest, and whether the file is as memdeck writes it.
    checksum: io::Result<(String, bool)>,
}

impl Records {
    pub(super) fn beside(image: &Path) -> Self {
        let manifest_path = companion(image, MANIFEST_SUFFIX);
        let checksum_path = companion(image, CHECKSUM_SUFFIX);
        Self {
            manifest: ManifestFile::read(&manifest_path),
            checksum: open_regular(&checksum_path).and_then(read_checksum_file),
            manifest_path,
            checksum_path,
        }
    }

    pub(super) fn into_manifest(self) -> Option<ManifestFile> {
        self.manifest.ok()
    }

    /// What these records say against the contents. `is_sound`: the contents agree with themselves.
    pub(super) fn compare(&self, contents: &mut Contents, is_sound: bool) -> Vec<Finding> {
        let mut findings = match self.manifest.as_ref().map(|file| &file.manifest) {
            Ok(manifest) if is_sound && is_of_another_image(manifest, contents) => {
                let (dump_id, guest) = (manifest.dump_id.clone(), manifest.guest.name.clone());
                vec![Finding::ManifestOfAnotherImage { path: self.manifest_path.clone(), dump_id, guest }]
            }
            Ok(manifest) => {
                let mut findings = compare_manifest(manifest, contents);
                findings.extend(compare_page_map(manifest, contents));
                findings.extend(compare_digests(manifest, contents));
                findings
            }
            Err(error) => vec![self.unreadable_manifest(error)],
        };
        findings.extend(self.compare_checksum(contents));
        findings
    }

    fn unreadable_manifest(&self, error: &ManifestError) -> Finding {
        let path = self.manifest_path.clone();
        match error {
            ManifestError::Io(source) if source.kind() == io::ErrorKind::NotFound => {
                Finding::ManifestMissing { path }
            }
            error => Finding::ManifestUnusable { path, reason: with_causes(error) },
        }
    }

    fn compare_checksum(&self, contents: &Contents) -> Option<Finding> {
        let path = self.checksum_path.clone();
        // Where the image was not hashed, the manifest's word has to do.
        let promised = || contents.sample.and(self.manifest.as_ref().ok()).map(|file| &file.manifest.sha256);
        match (&self.checksum, contents.sha256.as_ref().or_else(promised)) {
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
                Some(Finding::ChecksumMissing { path })
            }
            (Err(error), _) => Some(Finding::ChecksumUnusable { path, reason: with_causes(error) }),
            (Ok((recorded, _)), Some(found)) if recorded != found => {
                Some(Finding::ChecksumMismatch { path, recorded: recorded.clone(), found: found.clone() })
            }
            (Ok((_, false)), _) => Some(Finding::ChecksumRewritten { path }),
            _ => None,
        }
    }
}

/// Whether nothing that identifies an image is the same.
fn is_of_another_image(manifest: &Manifest, contents: &Contents) -> bool {
    let promised_root = manifest.frame_digests.as_ref().map(|digests| &digests.root);
    let found = [
        (Some(&manifest.file_sha256), contents.file_sha256.as_ref()),
        (Some(&manifest.sha256), contents.sha256.as_ref()),
        (promised_root, contents.digests.file_root.as_ref().filter(|_| contents.sample.is_some())),
    ];
    let mut known = found.iter().filter(|(promised, found)| promised.is_some() && found.is_some()).peekable();
    known.peek().is_some() && known.all(|(promised, found)| promised != found)
}

fn compare_manifest(manifest: &Manifest, contents: &Contents) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (recorded_bytes, found_bytes) = (manifest.stored_size_bytes.0, contents.stored_size.0);
    if found_bytes < recorded_bytes {
        findings.push(Finding::CutShort { recorded_bytes, found_bytes });
    } else if found_bytes > recorded_bytes {
        findings.push(Finding::TooLong { recorded_bytes, found_bytes });
    }
    let raw_size = contents.raw_size.map(|size| size.0.to_string());
    for (what, recorded, found) in [
        ("size of the image", manifest.raw_size_bytes.0.to_string(), raw_size),
        ("SHA-256 of the image", manifest.sha256.clone(), contents.sha256.clone()),
        ("SHA-256 of the stored file", manifest.file_sha256.clone(), contents.file_sha256.clone()),
    ] {
        if let Some(found) = found.filter(|found| *found != recorded) {
            findings.push(Finding::ManifestMismatch { what: what.into(), recorded, found });
        }
    }
    findings
}

fn compare_page_map(manifest: &Manifest, contents: &mut Contents) -> Vec<Finding> {
    let checked = &mut contents.page_map;
    let Some(promised) = &manifest.page_map else { return Vec::new() };
    if checked.state == Companion::None {
        checked.state = Companion::Missing;
        return vec![Finding::PageMapMissing { path: checked.path.clone() }];
    }
    let promised_totals = format!("{:?} with {} millibits", promised.pages, promised.mean_entropy_millibits);
    let totals = checked.totals.map(|(pages, entropy)| format!("{pages:?} with {entropy} millibits"));
    let compared = [
        ("BLAKE3 hash of the page map", promised.file_blake3.clone(), checked.file_blake3.clone()),
        ("count of pages", promised_totals, totals),
    ];
    mismatches(compared, &mut checked.state)
}

fn compare_digests(manifest: &Manifest, contents: &mut Contents) -> Vec<Finding> {
    let checked = &mut contents.digests;
    let Some(promised) = &manifest.frame_digests else { return Vec::new() };
    let root = promised.root.clone();
    let image = ("root over the digests of the image's frames", root.clone(), checked.image_root.clone());
    if checked.state == Companion::None {
        checked.state = Companion::Missing;
        let missing = Finding::DigestsMissing { path: checked.path.clone() };
        let mut ignored = Companion::Missing;
        return std::iter::once(missing).chain(mismatches([image], &mut ignored)).collect();
    }
    let file = ("root over the recorded digests", root, checked.file_root.clone());
    mismatches([image, file], &mut checked.state)
}

fn mismatches<const N: usize>(
    compared: [(&'static str, String, Option<String>); N],
    state: &mut Companion,
) -> Vec<Finding> {
    let different = compared.into_iter().filter_map(|(what, recorded, found)| {
        let found = found.filter(|found| *found != recorded)?;
        *state = Companion::Damaged;
        Some(Finding::ManifestMismatch { what: what.into(), recorded, found })
    });
    different.collect()
}
