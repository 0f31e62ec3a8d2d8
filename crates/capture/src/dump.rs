//! One dump from its start to its end.
//!
//! ```text
//! claim ─ admit ─ make room ─ guest at rest? ─ intend ─ read (live, else frozen) ─ guest as it was? ─ seal ─ record
//! ```
//!
//! The order is the promise: the record appears only after the seal, the seal only after the last byte, its hash and
//! libvirt's own word that the dump succeeded.

use std::time::Duration;

use memdeck_catalog::{CatalogError, Job};
use memdeck_hypervisor::{Host, HypervisorError};
use memdeck_image::{
    CaptureError, GuestFacts, HypervisorFacts, Manifest, PartialImage, Provenance, QevmError, SealError,
    Sealed, StoreError,
};
use memdeck_model::{CaptureMode, EndReason, Event, Guest, GuestState, Message, ModeChoice, Timestamp};

use crate::attempt::{Attempt, Taken};
use crate::engine::{Lines, Shared, identity};
use crate::error::{as_error, sentence};
use crate::live::LiveError;
use crate::{frozen, guest, live, recovery, status};

/// Between two attempts to record a sealed image.
const RECORD_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Why a dump ended without an image.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// The engine itself ends it.
    #[error("{0}")]
    Ended(EndReason),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stream(#[from] QevmError),
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("memdeck was stopped before it could record the sealed image; the next start records it")]
    Unrecorded,
    #[error("the catalog failed")]
    Catalog(#[from] CatalogError),
}

impl DumpError {
    /// What the job ends with.
    fn reason(&self) -> EndReason {
        let detail = Message::new(sentence(self));
        match self {
            Self::Ended(reason) => reason.clone(),
            Self::Hypervisor(HypervisorError::NotFound { vm, uri }) => {
                EndReason::UnknownGuest { vm: vm.clone(), hypervisor: uri.clone() }
            }
            Self::Hypervisor(HypervisorError::NotRunning { guest, state }) => {
                EndReason::NoMemory { guest: guest.0.clone(), state: *state }
            }
            Self::Hypervisor(HypervisorError::GuestEnded { .. }) => EndReason::GuestEnded { detail },
            Self::Hypervisor(_) => EndReason::HypervisorFailed { detail },
            Self::Capture(
                CaptureError::Spool(_)
                | CaptureError::Write { .. }
                | CaptureError::ReadAgain(_)
                | CaptureError::ReadsDiffer { .. },
            )
            | Self::Store(_)
            | Self::Seal(_)
            | Self::Stream(QevmError::Spool(_)) => EndReason::StorageFailed { detail },
            Self::Capture(_) | Self::Stream(_) => EndReason::StreamFailed { detail },
            Self::Catalog(_) | Self::Unrecorded => EndReason::CatalogFailed { detail },
        }
    }
}

impl From<EndReason> for DumpError {
    fn from(reason: EndReason) -> Self {
        Self::Ended(reason)
    }
}

/// Carries out `job` and brings it to its end in the catalog, whatever happens.
pub fn run(shared: &Shared, job: Job, lines: &Lines) {
    let dump_id = job.dump_id.clone();
    let vm = job.vm.clone();
    match take(shared, job, lines) {
        Ok(job) => {
            if let Some(record) = &job.record {
                shared.publish(Event::Record(Box::new(record.clone())));
            }
            shared.publish(Event::Dump(Box::new(status::of(&job, None))));
        }
        Err(error @ DumpError::Unrecorded) => {
            tracing::error!(%dump_id, %vm, %error);
        }
        Err(error) => {
            tracing::warn!(%dump_id, %vm, error = as_error(&error), "dump ended without an image");
            shared.end(&dump_id, error.reason());
        }
    }
}

fn take(shared: &Shared, mut job: Job, lines: &Lines) -> Result<Job, DumpError> {
    let begun = shared.clock.monotonic();
    let started_at = job.started_at.unwrap_or_else(|| shared.clock.now());
    let guest = guest::claim(shared, &mut job)?;
    shared.expect(&job, guest.memory_max);
    let encrypted = guest::admit(shared, &job, &guest)?;
    // Given back when nothing of the dump is written any more, whatever becomes of it.
    let room = guest::make_room(shared, &Attempt { shared, job: &job, lines }, &guest)?;
    let host = shared.hypervisor.host()?;
    let xml = shared.hypervisor.domain_xml(&guest.uuid)?;
    let mut image = shared.store.create(&guest.name, &job.dump_id)?;

    let mut taken = loop {
        match read(shared, &mut job, lines, &guest.uuid, &mut image) {
            // Another program was first since the guest was looked at.
            Err(DumpError::Hypervisor(HypervisorError::Busy { .. })) => {}
            outcome => break outcome?,
        }
    };
    taken.facts.encrypted = encrypted;

    let time_now = || started_at.plus(shared.clock.monotonic().saturating_sub(begun).into());
    let captured = taken.captured.clone();
    let provenance = provenance(shared, &job, guest, host, &xml, (started_at, time_now()), taken);
    let manifest = Manifest::new(job.dump_id.clone(), provenance.clone(), captured);
    let sealed = image.seal(provenance)?;
    // The manifest is part of what is sealed, so it cannot tell when that was done.
    let sealed_at = time_now();
    drop(room);
    record(shared, &manifest, &sealed, sealed_at)?;
    tracing::info!(
        dump_id = %manifest.dump_id,
        vm = %manifest.guest.name,
        mode = manifest.mode.as_str(),
        size_bytes = manifest.raw_size_bytes.0,
        stored_bytes = sealed.stored_size.0,
        duration_ms = sealed_at.since(started_at).0,
        pause_ms = manifest.pause_ms.map(|pause| pause.0),
        "dump completed"
    );
    Ok(shared.catalog.job(&manifest.dump_id)?.unwrap_or(job))
}

/// Reads the guest in the mode that was asked for; with `auto` live, and frozen where live cannot be had.
/// When this returns, the guest is as it was before, or the keeper sees to it.
fn read(
    shared: &Shared,
    job: &mut Job,
    lines: &Lines,
    guest_uuid: &str,
    image: &mut PartialImage,
) -> Result<Taken, DumpError> {
    let mut guest = guest::at_rest(&Attempt { shared, job, lines }, guest_uuid)?;
    let fallback = match job.options.mode {
        ModeChoice::Frozen => None,
        // A stopped guest loses nothing by standing still, and QEMU dumps it live only once.
        ModeChoice::Auto if guest.state != GuestState::Running => {
            Some(format!("the guest is {}, so standing still costs it nothing", guest.state.as_str()))
        }
        choice => {
            *job = shared.decide(job, CaptureMode::Live, None)?;
            let attempt = Attempt { shared, job, lines };
            let touched = guest::touch(&attempt, &guest, CaptureMode::Live)?;
            match live::take(&attempt, &guest, touched, image) {
                Ok(taken) => return Ok(taken),
                Err(LiveError::Ended(error)) => return Err(error),
                Err(LiveError::NotThisWay(reason)) if choice == ModeChoice::Live => {
                    return Err(EndReason::NotLive { why: reason.into() }.into());
                }
                Err(LiveError::NotThisWay(reason)) => {
                    tracing::info!(dump_id = %job.dump_id, reason, "not live; taking the guest frozen");
                    guest = guest::at_rest(&attempt, guest_uuid)?;
                    Some(reason)
                }
            }
        }
    };
    *job = shared.decide(job, CaptureMode::Frozen, fallback.as_deref())?;
    let attempt = Attempt { shared, job, lines };
    let touched = guest::touch(&attempt, &guest, CaptureMode::Frozen)?;
    let mut taken = frozen::take(&attempt, &guest, touched, image)?;
    taken.facts.fallback = fallback;
    Ok(taken)
}

/// Records a sealed image. Its bytes are safe and the guest runs, so a catalog that refuses (full disk, locked file) is
/// asked until it takes the record; where memdeck is stopped before that, the next start finds the sealed image.
fn record(
    shared: &Shared,
    manifest: &Manifest,
    sealed: &Sealed,
    sealed_at: Timestamp,
) -> Result<(), DumpError> {
    let record = recovery::record_of(manifest, sealed, sealed_at);
    let message = recovery::completed_message(manifest);
    let mut told = false;
    loop {
        match shared.catalog.complete(&manifest.dump_id, sealed_at, &message, &record) {
            Ok(_) => return Ok(()),
            Err(error @ CatalogError::Database { .. }) => {
                if !told {
                    told = true;
                    tracing::error!(
                        dump_id = %manifest.dump_id,
                        error = as_error(&error),
                        "a sealed image is not recorded yet; trying again"
                    );
                }
                if !shared.pause_unless_closing(RECORD_RETRY_INTERVAL) {
                    return Err(DumpError::Unrecorded);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn provenance(
    shared: &Shared,
    job: &Job,
    guest: Guest,
    host: Host,
    xml: &str,
    (started_at, finished_at): (Timestamp, Timestamp),
    taken: Taken,
) -> Provenance {
    let vmid = identity(&guest).vmid;
    let Taken { mode, pause, facts, .. } = taken;
    let xml_sha256 = memdeck_image::sha256_hex(xml.as_bytes());
    Provenance {
        guest: GuestFacts {
            name: guest.name,
            uuid: guest.uuid,
            vmid,
            memory_bytes: guest.memory_max,
            domain_xml_sha256: Some(xml_sha256),
            os_banner: None,
        },
        host: host.name,
        host_kernel: host.kernel,
        host_clock: host.clock,
        hypervisor: HypervisorFacts {
            uri: shared.hypervisor.uri().to_owned(),
            libvirt_version: Some(host.libvirt),
            qemu_version: Some(host.hypervisor),
        },
        memdeck_version: env!("CARGO_PKG_VERSION").to_owned(),
        requested_by: job.requested_by.clone(),
        mode,
        started_at,
        finished_at,
        pause_ms: pause,
        capture: facts,
        case: job.options.case.clone(),
        note: job.options.note.clone(),
    }
}
