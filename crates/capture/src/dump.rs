//! One dump from its start to its end.
//!
//! ```text
//! resolve ─ admit ─ create partial file ─ ask libvirt ─ read ─ (guest runs again?) ─ seal ─ record
//! ```
//!
//! The order is the promise: the record appears only after the seal, the seal only after the last byte, its hash and
//! libvirt's own word that the dump succeeded.

use std::time::Duration;

use memdeck_catalog::{CatalogError, Job};
use memdeck_hypervisor::{DumpOutcome, FrozenDump, Host, Hypervisor, HypervisorError};
use memdeck_image::{
    CaptureError, Captured, GuestFacts, HypervisorFacts, Manifest, PartialImage, Provenance, SealError,
    Sealed, StoreError,
};
use memdeck_model::{ByteCount, DumpId, Event, Guest, GuestState, JobState, Millis, Progress, Timestamp};

use crate::engine::{Shared, identity};
use crate::stream::{StopReason, StopSwitch, StoppableReader};
use crate::{recovery, status};

/// Kept free on the volume beside the largest image a dump can become.
const SPACE_RESERVE: ByteCount = ByteCount::from_mib(64);

/// Between two attempts to record a sealed image.
const RECORD_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Why a dump ended without an image.
#[derive(Debug, thiserror::Error)]
enum DumpError {
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    #[error("another dump of this guest ({other}) is running already")]
    GuestBusy { other: DumpId },
    #[error("{guest} is {state}: it has no memory to dump; start it first", state = .state.as_str())]
    NoMemory { guest: String, state: GuestState },
    #[error(
        "not enough space in {dir}: the image may need {needed}, {free} are free; make room or move DUMP_DIR"
    )]
    NoSpace { dir: String, needed: ByteCount, free: ByteCount },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("memdeck was stopped before it could record the sealed image; the next start records it")]
    Unrecorded,
    #[error("cancelled: it took longer than the limit of {} (DUMP_TIMEOUT)", Millis::from(*.limit))]
    TimeLimit { limit: Duration },
    #[error("cancelled by {by}")]
    Cancelled { by: String },
    #[error("cancelled: memdeck was stopped while the dump was running")]
    Shutdown,
    #[error("the catalog failed")]
    Catalog(#[from] CatalogError),
}

impl DumpError {
    fn end_state(&self) -> JobState {
        match self {
            Self::TimeLimit { .. } | Self::Cancelled { .. } | Self::Shutdown => JobState::Cancelled,
            _ => JobState::Failed,
        }
    }
}

/// Carries out `job` and brings it to its end in the catalog, whatever happens.
pub(crate) fn run(shared: &Shared, job: Job, switch: &StopSwitch) {
    let dump_id = job.dump_id.clone();
    let vm = job.vm.clone();
    let ended = match take(shared, job, switch) {
        Ok(job) => Ok(job),
        Err(error @ DumpError::Unrecorded) => {
            tracing::error!(%dump_id, %vm, %error);
            return;
        }
        Err(error) => {
            tracing::warn!(%dump_id, %vm, error = &error as &dyn std::error::Error, "dump ended without an image");
            shared.catalog.end(&dump_id, error.end_state(), &sentence(&error), shared.clock.now())
        }
    };
    match ended {
        Ok(job) => {
            if let Some(record) = &job.record {
                shared.publish(Event::Record(Box::new(record.clone())));
            }
            shared.publish(Event::Dump(Box::new(status::of(&job, None))));
        }
        Err(error) => {
            tracing::error!(%dump_id, %vm, error = &error as &dyn std::error::Error, "the end of a dump was not recorded");
        }
    }
}

/// An error and its causes in one line.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn take(shared: &Shared, mut job: Job, switch: &StopSwitch) -> Result<Job, DumpError> {
    let begun = shared.clock.monotonic();
    let started_at = job.started_at.unwrap_or_else(|| shared.clock.now());
    let guest = resolve(shared, &job)?;
    let guest_identity = identity(&guest);
    match shared.catalog.identify(&job.dump_id, &guest_identity) {
        Err(CatalogError::GuestBusy { dump_id: other }) => return Err(DumpError::GuestBusy { other }),
        outcome => outcome?,
    }
    job.guest = Some(guest_identity);
    shared.expect(&job, guest.memory_max);

    admit(shared, &guest)?;
    let host = shared.hypervisor.host()?;
    let mut image = shared.store.create(&guest.name, &job.dump_id)?;
    let (captured, outcome) = read(shared, &job, &guest, &mut image, switch, begun)?;

    let finished_at = started_at.plus(shared.clock.monotonic().saturating_sub(begun).into());
    let provenance = provenance(shared, &job, guest, host, (started_at, finished_at), outcome);
    let manifest = Manifest::new(job.dump_id.clone(), provenance.clone(), captured);
    let sealed = image.seal(provenance)?;
    record(shared, &manifest, &sealed)?;
    tracing::info!(
        dump_id = %manifest.dump_id,
        vm = %manifest.guest.name,
        size_bytes = manifest.raw_size_bytes.0,
        stored_bytes = sealed.stored_size.0,
        duration_ms = finished_at.since(started_at).0,
        pause_ms = manifest.pause_ms.map(|pause| pause.0),
        "dump completed"
    );
    Ok(shared.catalog.job(&manifest.dump_id)?.unwrap_or(job))
}

/// Records a sealed image. Its bytes are safe and the guest runs, so a catalog that refuses (full disk, locked file) is
/// asked until it takes the record; where memdeck is stopped before that, the next start finds the sealed image.
fn record(shared: &Shared, manifest: &Manifest, sealed: &Sealed) -> Result<(), DumpError> {
    let record = recovery::record_of(manifest, sealed);
    let message = recovery::completed_message(manifest);
    let mut told = false;
    loop {
        match shared.catalog.complete(&manifest.dump_id, manifest.finished_at, &message, &record) {
            Ok(_) => return Ok(()),
            Err(error @ CatalogError::Database { .. }) => {
                if !told {
                    told = true;
                    tracing::error!(
                        dump_id = %manifest.dump_id,
                        error = &error as &dyn std::error::Error,
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

fn resolve(shared: &Shared, job: &Job) -> Result<Guest, DumpError> {
    let guest = match &job.guest {
        // The id in the request may have gone to another guest while the job waited; the UUID has not.
        Some(known) => shared.hypervisor.guest(&known.uuid)?,
        None => shared.hypervisor.resolve(&job.vm)?,
    };
    if guest.state.has_memory() {
        Ok(guest)
    } else {
        Err(DumpError::NoMemory { guest: guest.name.0, state: guest.state })
    }
}

/// Refuses before the guest is touched what the volume could not hold: memory that does not compress is stored as it is.
fn admit(shared: &Shared, guest: &Guest) -> Result<(), DumpError> {
    let needed = ByteCount(guest.memory_max.0.saturating_add(SPACE_RESERVE.0));
    let free = shared.store.free_bytes()?;
    if free < needed {
        return Err(DumpError::NoSpace { dir: shared.store.dir().display().to_string(), needed, free });
    }
    Ok(())
}

/// Reads the guest once. When this returns, libvirt's call has returned and a guest that ran before runs again.
fn read(
    shared: &Shared,
    job: &Job,
    guest: &Guest,
    image: &mut PartialImage,
    switch: &StopSwitch,
    begun: Duration,
) -> Result<(Captured, DumpOutcome), DumpError> {
    let FrozenDump { stream, call } = shared.hypervisor.begin_frozen_dump(&guest.uuid)?;
    let limit = shared.settings.time_limit;
    let reader =
        StoppableReader::new(stream, switch.clone(), shared.clock.as_ref(), begun.saturating_add(limit));
    let captured = image.capture(reader, &mut |mut progress| {
        if progress.bytes_expected == ByteCount(0) {
            progress.bytes_expected = guest.memory_max;
        }
        shared.report_progress(job, progress);
        hold_point(progress);
    });
    // The read end is closed by now: a dump that was given up has failed in QEMU, and the guest resumes.
    let outcome = call.finish();
    ensure_running_again(shared.hypervisor.as_ref(), guest);
    match (switch.reason(), captured, outcome) {
        // Told to stop after the last byte: the image is whole, and evidence is not thrown away.
        (_, Ok(captured), Ok(outcome)) => Ok((captured, outcome)),
        (Some(StopReason::TimeLimit), ..) => Err(DumpError::TimeLimit { limit }),
        (Some(StopReason::Cancelled { by }), ..) => Err(DumpError::Cancelled { by }),
        (Some(StopReason::Shutdown), ..) => Err(DumpError::Shutdown),
        // A stream that broke off is the consequence of a failed call: the call knows the cause.
        (None, _, Err(error)) => Err(error.into()),
        (None, Err(error), Ok(_)) => Err(error.into()),
    }
}

/// A named point in the middle of reading, where a test can hold the process to kill it there.
#[expect(clippy::cast_precision_loss, reason = "a comparison with one half")]
fn hold_point(progress: Progress) {
    let half = progress.bytes_done.0 as f64 >= progress.bytes_expected.0 as f64 / 2.0;
    fail::fail_point!("capture::half-read", half, |_| ());
    let _ = half;
}

/// libvirt has returned: a guest that ran before the dump and is paused now was left so by the dump, and is resumed.
/// One that an operator had paused before stays paused.
fn ensure_running_again(hypervisor: &dyn Hypervisor, before: &Guest) {
    if before.state != GuestState::Running {
        return;
    }
    match hypervisor.guest(&before.uuid) {
        Ok(now) if now.state == GuestState::Paused => {
            tracing::warn!(vm = %before.name, "the dump left the guest paused; resuming it");
            if let Err(error) = hypervisor.resume(&before.uuid) {
                tracing::error!(vm = %before.name, error = &error as &dyn std::error::Error, "the guest cannot be resumed");
            }
        }
        Ok(_) => {}
        Err(error) => {
            tracing::error!(vm = %before.name, error = &error as &dyn std::error::Error, "the guest's state after its dump is unknown");
        }
    }
}

fn provenance(
    shared: &Shared,
    job: &Job,
    guest: Guest,
    host: Host,
    (started_at, finished_at): (Timestamp, Timestamp),
    outcome: DumpOutcome,
) -> Provenance {
    let vmid = identity(&guest).vmid;
    Provenance {
        guest: GuestFacts { name: guest.name, uuid: guest.uuid, vmid, memory_bytes: guest.memory_max },
        host: host.name,
        hypervisor: HypervisorFacts {
            uri: shared.hypervisor.uri().to_owned(),
            libvirt_version: Some(host.libvirt),
            qemu_version: Some(host.hypervisor),
        },
        memdeck_version: env!("CARGO_PKG_VERSION").to_owned(),
        requested_by: job.requested_by.clone(),
        mode: status::MODE,
        started_at,
        finished_at,
        pause_ms: outcome.pause.map(Millis::from),
    }
}
