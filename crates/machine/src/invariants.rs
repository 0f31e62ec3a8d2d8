//! What must hold on a host whatever happened to it: every finished dump is readable and is the one that was recorded, every
//! image has one record, no file is left over, no guest stands still for a dump that is gone.
//!
//! Looks, and changes nothing; may run beside the service that has the state directory.

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;

use memdeck_catalog::{Catalog, CatalogError, Intent};
use memdeck_hypervisor::{Aftermath, Hypervisor};
use memdeck_image::{ImageStore, StoreError, compare_with_record, verify, verify_sample};
use memdeck_model::{DumpId, GuestName, Record, Timestamp, Verdict, with_causes};
use serde::Serialize;

/// Records that are read at once.
const PAGE: u32 = 500;
/// Frames of an image that are read without [`Depth::Whole`]: the first and the last.
const SAMPLED: NonZeroU64 = NonZeroU64::MIN.saturating_add(1);

/// How much of each image is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Two frames, and what lies beside the image.
    Sampled,
    /// All of it: every hash is computed anew.
    Whole,
}

/// What must hold and does not. `Display` is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Violated {
    /// A record tells of an image that is not there.
    ImageMissing {
        dump_id: DumpId,
        /// Where it should be.
        path: PathBuf,
    },
    /// An image cannot be read, or is not the one that was recorded.
    ImageDamaged {
        dump_id: DumpId,
        path: PathBuf,
        /// What is wrong with it.
        findings: Vec<String>,
    },
    /// A whole image has no record.
    NoRecord { dump_id: DumpId, path: PathBuf },
    /// A manifest cannot be used, or the image beside it is another one.
    ManifestUnusable { path: PathBuf, why: String },
    /// Several records tell of one dump.
    RecordDoubled {
        guest: GuestName,
        /// When the dump began.
        at: Timestamp,
        /// How many there are.
        count: u64,
    },
    /// A record was changed after memdeck wrote it.
    RecordAltered {
        /// Its sequence number.
        seq: u64,
    },
    /// A file of a dump that was cut off, and that nobody works on.
    LeftOver { path: PathBuf },
    /// A deletion was begun and its files are there.
    DeletionUnfinished { dump_id: DumpId },
    /// A guest stands still for a dump that is gone.
    GuestPaused { dump_id: DumpId, uuid: String },
    /// It is not known how a guest stands that a dump has touched.
    GuestUnknown { dump_id: DumpId, uuid: String, why: String },
    /// A dump is under way in the catalog, and nothing runs that could take it.
    DumpAbandoned { dump_id: DumpId },
}

impl fmt::Display for Violated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImageMissing { dump_id, path } => {
                write!(f, "the image of dump {dump_id} is not at {}", path.display())
            }
            Self::ImageDamaged { path, findings, .. } => {
                write!(f, "the image {} is not as it was recorded: {}", path.display(), findings.join("; "))
            }
            Self::NoRecord { path, .. } => write!(f, "no record tells of the image {}", path.display()),
            Self::ManifestUnusable { path, why } => {
                write!(f, "the manifest {} cannot be used: {why}", path.display())
            }
            Self::RecordDoubled { guest, at, count } => {
                write!(f, "{count} records tell of the dump of {guest} that began at {at}")
            }
            Self::RecordAltered { seq } => write!(f, "record {seq} was changed after memdeck wrote it"),
            Self::LeftOver { path } => {
                write!(f, "{} is left over from a dump that was cut off", path.display())
            }
            Self::DeletionUnfinished { dump_id } => {
                write!(f, "the image of dump {dump_id} was deleted, and files of it are left")
            }
            Self::GuestPaused { dump_id, uuid } => {
                write!(f, "the guest {uuid} stands still for dump {dump_id}, which is gone")
            }
            Self::GuestUnknown { dump_id, uuid, why } => {
                write!(
                    f,
                    "how the guest {uuid} stands, which dump {dump_id} has touched, is not known: {why}"
                )
            }
            Self::DumpAbandoned { dump_id } => {
                write!(f, "dump {dump_id} is under way in the catalog, and no memdeck runs that takes it")
            }
        }
    }
}

/// Why the invariants cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum InvariantError {
    /// The catalog cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The directory of images cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is looked at.
pub struct Watched<'a> {
    /// Jobs and records.
    pub catalog: &'a Catalog,
    /// The directory of images, where there is one.
    pub store: Option<&'a ImageStore>,
    /// The hypervisor of the guests, where it can be asked.
    pub hypervisor: Option<&'a dyn Hypervisor>,
    /// Whether a process has the state directory and takes the dumps that are under way.
    pub is_served: bool,
}

/// Everything that must hold and does not.
///
/// # Errors
/// Catalog or directory cannot be read: nothing is known then.
pub fn violations(watched: &Watched<'_>, depth: Depth) -> Result<Vec<Violated>, InvariantError> {
    let mut found = Vec::new();
    images_of_records(watched.catalog, depth, &mut found)?;
    if let Some(store) = watched.store {
        records_of_images(watched, store, &mut found)?;
    }
    let doubled = watched.catalog.doubled_records()?.into_iter();
    found.extend(doubled.map(|(guest, at, count)| Violated::RecordDoubled { guest, at, count }));
    let altered = watched.catalog.altered_records()?.into_iter();
    found.extend(altered.map(|row| Violated::RecordAltered { seq: row.seq }));
    for record in watched.catalog.unsettled_deletions()? {
        // With a service it may be under way.
        if let Some(dump_id) = record.dump_id.filter(|_| !watched.is_served) {
            found.push(Violated::DeletionUnfinished { dump_id });
        }
    }
    guests(watched, &mut found)?;
    Ok(found)
}

fn images_of_records(
    catalog: &Catalog,
    depth: Depth,
    found: &mut Vec<Violated>,
) -> Result<(), InvariantError> {
    let mut read_to = 0;
    loop {
        let records = catalog.records_since(read_to, PAGE)?;
        let Some((last, _)) = records.last() else { return Ok(()) };
        read_to = *last;
        for (_, record) in records {
            // It may have been deleted since the page was read.
            if let Some(violated) = image_of(&record, depth)
                && let Some(dump_id) = &record.dump_id
                && catalog.record_of(dump_id)?.is_some_and(|now| now.deleted_at.is_none())
            {
                found.push(violated);
            }
        }
    }
}

/// What is wrong with the image of a record.
fn image_of(record: &Record, depth: Depth) -> Option<Violated> {
    let (Some(dump_id), Some(path), None) = (&record.dump_id, &record.dump_path, record.deleted_at) else {
        return None;
    };
    let (dump_id, path) = (dump_id.clone(), PathBuf::from(path));
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Some(Violated::ImageMissing { dump_id, path });
        }
        _ => {}
    }
    let report = match depth {
        Depth::Sampled => verify_sample(&path, SAMPLED, &mut |_| {}),
        Depth::Whole => verify(&path, &mut |_| {}),
    };
    let findings = match report {
        Err(error) => vec![with_causes(&error)],
        Ok(mut report) => {
            compare_with_record(&mut report, record);
            if report.verdict != Verdict::Damaged {
                return None;
            }
            report.findings.iter().map(ToString::to_string).collect()
        }
    };
    Some(Violated::ImageDamaged { dump_id, path, findings })
}

fn records_of_images(
    watched: &Watched<'_>,
    store: &ImageStore,
    found: &mut Vec<Violated>,
) -> Result<(), InvariantError> {
    let catalog = watched.catalog;
    let stored = store.stored()?;
    for dump in stored.dumps.into_iter().filter(|dump| dump.sealed.is_some()) {
        let dump_id = dump.manifest.dump_id;
        // Between the seal and the record lies a moment in which the dump is under way.
        if catalog.record_of(&dump_id)?.is_none() && !is_under_way(watched, &dump_id)? {
            found.push(Violated::NoRecord { dump_id, path: dump.image });
        }
    }
    let unusable = stored.unusable.into_iter();
    found.extend(unusable.map(|(path, why)| Violated::ManifestUnusable { path, why }));
    // Whoever is not known for certain to have ended may still write.
    let is_active = |dump_id: &DumpId| is_under_way(watched, dump_id).unwrap_or(true);
    found.extend(store.left_over(&is_active)?.into_iter().map(|path| Violated::LeftOver { path }));
    Ok(())
}

/// Whether a process takes that dump now.
fn is_under_way(watched: &Watched<'_>, dump_id: &DumpId) -> Result<bool, CatalogError> {
    let job = watched.catalog.job(dump_id)?;
    Ok(watched.is_served && job.is_some_and(|job| !job.state.is_final()))
}

fn guests(watched: &Watched<'_>, found: &mut Vec<Violated>) -> Result<(), InvariantError> {
    if !watched.is_served {
        let running = watched.catalog.active_jobs()?.into_iter().filter(|job| job.started_at.is_some());
        found.extend(running.map(|job| Violated::DumpAbandoned { dump_id: job.dump_id }));
    }
    for Intent { dump_id, guest_uuid: uuid, was_running, .. } in watched.catalog.intents()? {
        if !was_running || is_under_way(watched, &dump_id)? {
            continue;
        }
        let Some(hypervisor) = watched.hypervisor else {
            let why = "the hypervisor cannot be asked".to_owned();
            found.push(Violated::GuestUnknown { dump_id, uuid, why });
            continue;
        };
        match hypervisor.aftermath(&uuid) {
            Ok(Aftermath::Settled | Aftermath::Busy { .. }) => {}
            Ok(Aftermath::Stranded) => found.push(Violated::GuestPaused { dump_id, uuid }),
            Ok(Aftermath::Unexplained) => {
                let why = "it is paused, and the hypervisor does not say why".to_owned();
                found.push(Violated::GuestUnknown { dump_id, uuid, why });
            }
            Err(error) => {
                found.push(Violated::GuestUnknown { dump_id, uuid, why: with_causes(&error) });
            }
        }
    }
    Ok(())
}
