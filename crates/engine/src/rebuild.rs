//! Records made anew from the manifests of sealed images, where the catalog has lost them.

use std::path::PathBuf;

use memdeck_catalog::{Adopted, Catalog, GuestIdentity};
use memdeck_image::{ImageStore, Sealed, StoredDump};
use memdeck_model::{Actor, DumpId, Record, Timestamp};

use crate::error::EngineError;
use crate::record::record_of;

/// Who counts as having deleted an image that is not beside its manifest.
const FOUND_DELETED: &str = "somebody (a rebuild of the catalog found the manifest without its image)";

/// What a manifest does not hold, in words.
pub const NOT_KNOWN: &str = "Not known from manifests: dumps that failed or were cancelled, who deleted images and when, \
                             records of other hosts, how long sealing took, what InfluxDB has acknowledged.";

/// What a rebuild did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rebuilt {
    /// Records that were added, by an earlier try of the same rebuild or by this one.
    pub added: Vec<Record>,
    /// Dumps whose record was there, or was archived and removed.
    pub known: u64,
    /// Dumps whose record was there, and whose manifest is not the one that was recorded.
    pub differing: Vec<DumpId>,
    /// Manifests that are of no use, and why.
    pub unusable: Vec<(PathBuf, String)>,
}

/// Adds a record for every dump that has a manifest in the directory and none in the catalog. Images are not read: verify
/// them. Doing it again adds nothing; one that was interrupted goes on when it is called with the same `at`.
///
/// # Errors
/// The directory or the catalog cannot be read, or the catalog not written; what was added before stays.
pub fn rebuild(catalog: &Catalog, store: &ImageStore, at: Timestamp) -> Result<Rebuilt, EngineError> {
    let stored = store.stored()?;
    let mut rebuilt = Rebuilt { unusable: stored.unusable, ..Rebuilt::default() };
    for dump in stored.dumps {
        let dump_id = &dump.manifest.dump_id;
        if let Some(record) = catalog.record_of(dump_id)? {
            if record.rebuilt_at == Some(at) {
                rebuilt.added.push(record);
                continue;
            }
            rebuilt.known += 1;
            if record.manifest_sha256.is_some_and(|recorded| recorded != dump.manifest_sha256) {
                rebuilt.differing.push(dump_id.clone());
            }
            continue;
        }
        if catalog.is_pruned(dump_id)? {
            rebuilt.known += 1;
            continue;
        }
        let record = record_anew(&dump, at);
        let manifest = &dump.manifest;
        let guest = GuestIdentity {
            uuid: manifest.guest.uuid.clone(),
            name: manifest.guest.name.clone(),
            vmid: manifest.guest.vmid.clone(),
        };
        catalog.adopt(&Adopted {
            record: &record,
            guest: &guest,
            requested_by: &manifest.asked_by(),
            finished_at: manifest.finished_at,
            message: "Dump completed; its record was made anew from its manifest",
        })?;
        rebuilt.added.push(record);
    }
    Ok(rebuilt)
}

fn record_anew(dump: &StoredDump, at: Timestamp) -> Record {
    let manifest = &dump.manifest;
    let gone = Sealed {
        image: dump.image.clone(),
        manifest: dump.image.clone(),
        manifest_sha256: dump.manifest_sha256.clone(),
        signature: None,
        checksum: dump.image.clone(),
        page_map: None,
        digests: None,
        stored_size: manifest.stored_size_bytes,
        ctime: 0,
        mtime: 0,
        atime: 0,
    };
    // When it was sealed nobody noted.
    let record = record_of(manifest, dump.sealed.as_ref().unwrap_or(&gone), manifest.finished_at);
    let record = Record { rebuilt_at: Some(at), ..record };
    match dump.sealed {
        Some(_) => record,
        None => Record {
            ctime: None,
            mtime: None,
            atime: None,
            deleted_at: Some(at),
            deleted_by: Some(Actor::named(FOUND_DELETED)),
            ..record
        },
    }
}
