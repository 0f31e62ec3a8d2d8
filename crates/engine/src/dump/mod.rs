//! One dump from its start to its end.
//!
//! ```text
//! claim ─ admit ─ make room ─ guest at rest? ─ intend ─ read (live, else frozen) ─ guest as it was? ─ seal ─ record
//! ```
//!
//! The order is the promise: the record appears only after the seal, the seal only after the last byte, its hash and
//! libvirt's own word that the dump succeeded.

mod attempt;
mod difference;
mod failpoints;
mod frozen;
mod guest;
mod live;
mod throttle;

use std::time::Duration;

use memdeck_catalog::{CatalogError, GuestIdentity, Job};
use memdeck_hypervisor::{Host, HypervisorError};
use memdeck_image::{GuestFacts, HypervisorFacts, Manifest, PartialImage, Provenance, Sealed};
use memdeck_model::{
    CaptureMode, EndReason, Event, Guest, GuestState, Message, ModeChoice, Timestamp, WaitsFor,
};

pub use self::attempt::Attempt;
use self::attempt::StoredMemory;
use self::live::LiveError;
use crate::ends::Ends;
use crate::error::{DumpError, as_error};
use crate::{record, status};

/// Between two attempts to record a sealed image.
const RECORD_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Carries out the job of `attempt` and brings it to its end in the catalog, whatever happens.
pub fn run(attempt: Attempt<'_>, ends: &Ends) {
    let Attempt { board, job: Job { dump_id, vm, .. }, .. } = attempt;
    match take_image(attempt) {
        Ok(job) => {
            if let Some(record) = &job.record {
                board.publish(Event::Record(Box::new(record.clone())));
            }
            board.publish(Event::Dump(Box::new(status::of(&job, None))));
        }
        Err(error @ DumpError::Unrecorded) => {
            tracing::error!(%dump_id, %vm, %error);
        }
        Err(error) => {
            tracing::warn!(%dump_id, %vm, error = as_error(&error), "dump ended without an image");
            ends.record(dump_id, error.end_reason());
        }
    }
}

fn take_image(attempt: Attempt<'_>) -> Result<Job, DumpError> {
    let Attempt { context, board, .. } = attempt;
    let mut job = attempt.job.clone();
    let begun = context.clock.monotonic();
    let started_at = job.started_at.unwrap_or_else(|| context.clock.now());
    let guest = guest::claim(context, &mut job)?;
    board.expect(&job, guest.memory_max);
    let encrypted = guest::accept_encryption(context, &job, &guest)?;
    // Given back when nothing of the dump is written any more, whatever becomes of it.
    let room = guest::make_room(context, &attempt.with(&job), &guest)?;
    let host = context.hypervisor.host()?;
    let xml = context.hypervisor.domain_xml(&guest.uuid)?;
    let mut image = context.store.create(&guest.name, &job.dump_id)?;

    let mut stored = loop {
        match read_guest(&attempt, &mut job, &guest.uuid, &mut image) {
            // Another program was first since the guest was looked at.
            Err(DumpError::Hypervisor(HypervisorError::Busy { .. })) => {}
            outcome => break outcome?,
        }
    };
    stored.facts.encrypted = encrypted;

    let time_now = || started_at.plus(context.clock.monotonic().saturating_sub(begun).into());
    let provenance = provenance(&attempt.with(&job), guest, host, &xml, (started_at, time_now()), stored);
    let (manifest, sealed) = image.seal_signed(provenance, &context.signer)?;
    if let Some(why) = &manifest.unsigned_because {
        tracing::error!(dump_id = %manifest.dump_id, vm = %manifest.guest.name, %why, "an image is not vouched for");
    }
    // The manifest is part of what is sealed, so it cannot hold the time of sealing.
    let sealed_at = time_now();
    drop(room);
    record_sealed(&attempt.with(&job), &manifest, &sealed, sealed_at)?;
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
    Ok(context.catalog.job(&manifest.dump_id)?.unwrap_or(job))
}

/// Reads the guest in the mode that was asked for; with `auto` live, and frozen if live is not possible.
/// When this returns, the guest is as it was before, or the keeper sees to it.
fn read_guest(
    attempt: &Attempt<'_>,
    job: &mut Job,
    guest_uuid: &str,
    image: &mut PartialImage,
) -> Result<StoredMemory, DumpError> {
    let mut guest = guest::wait_until_at_rest(&attempt.with(job), guest_uuid)?;
    let fallback = match job.options.mode {
        ModeChoice::Frozen => None,
        // A stopped guest loses nothing by standing still, and QEMU dumps it live only once.
        ModeChoice::Auto if guest.state != GuestState::Running => {
            let state = guest.state.as_str();
            Some(Message::new(format_args!("the guest is {state}, so standing still costs it nothing")))
        }
        choice => {
            *job = attempt.with(job).decide(CaptureMode::Live, None)?;
            let attempt = attempt.with(job);
            let touched = guest::touch(&attempt, &guest, CaptureMode::Live)?;
            match live::capture(&attempt, &guest, touched, image) {
                Ok(stored) => return Ok(stored),
                Err(LiveError::Ended(error)) => return Err(error),
                Err(LiveError::NotThisWay(reason)) if choice == ModeChoice::Live => {
                    return Err(EndReason::NotLive { why: reason.into() }.into());
                }
                Err(LiveError::NotThisWay(reason)) => {
                    tracing::info!(dump_id = %job.dump_id, reason, "not live; taking the guest frozen");
                    guest = guest::wait_until_at_rest(&attempt, guest_uuid)?;
                    Some(Message::from(reason))
                }
            }
        }
    };
    *job = attempt.with(job).decide(CaptureMode::Frozen, fallback.as_ref())?;
    let attempt = attempt.with(job);
    let touched = guest::touch(&attempt, &guest, CaptureMode::Frozen)?;
    let mut stored = frozen::capture(&attempt, &guest, touched, image)?;
    stored.facts.fallback = fallback;
    Ok(stored)
}

/// Records a sealed image. Its bytes are safe and the guest runs, so a catalog that refuses (full disk, locked file) is
/// asked until it takes the record; if memdeck is stopped before that, the next start finds the sealed image.
fn record_sealed(
    attempt: &Attempt<'_>,
    manifest: &Manifest,
    sealed: &Sealed,
    sealed_at: Timestamp,
) -> Result<(), DumpError> {
    let Attempt { context, board, job, .. } = *attempt;
    let record = record::record_of(manifest, sealed, sealed_at);
    let message = record::completed_message(manifest);
    let mut is_reported = false;
    loop {
        match context.catalog.complete(&manifest.dump_id, sealed_at, &message, &record) {
            Ok(_) => return Ok(()),
            Err(error @ CatalogError::Database { .. }) => {
                if !std::mem::replace(&mut is_reported, true) {
                    tracing::error!(
                        dump_id = %manifest.dump_id,
                        error = as_error(&error),
                        "a sealed image is not recorded yet; trying again"
                    );
                    board.report_waiting(job, Some(WaitsFor::Catalog));
                }
                if !board.pause_unless_closing(RECORD_RETRY_INTERVAL) {
                    return Err(DumpError::Unrecorded);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn provenance(
    attempt: &Attempt<'_>,
    guest: Guest,
    host: Host,
    xml: &str,
    (started_at, finished_at): (Timestamp, Timestamp),
    stored: StoredMemory,
) -> Provenance {
    let Attempt { context, job, .. } = *attempt;
    let vmid = GuestIdentity::from(&guest).vmid;
    let StoredMemory { mode, pause, facts, .. } = stored;
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
            uri: context.hypervisor.uri().to_owned(),
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
        // Once the guest runs again. A catalog that fails now takes no record either, and what is sealed is safe.
        audit: context.catalog.audit_head().unwrap_or_default(),
    }
}
