//! The guest of a dump: which one it is, whether it may be dumped, whether the volume can hold it, how it was before.

use std::cell::Cell;
use std::time::Duration;

use memdeck_catalog::{CatalogError, GuestIdentity, Intent, Job};
use memdeck_hypervisor::HypervisorError;
use memdeck_model::{ByteCount, CaptureMode, EndReason, Guest, GuestState, Millis, WaitsFor};

use super::Attempt;
use crate::aftercare::{ForeignJob, Settling, TouchedGuest};
use crate::context::Context;
use crate::error::{DumpError, sentence};
use crate::room::{NoRoom, Promise};

/// Between two looks at a guest that another program's job has.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How often a dump that waits for its guest to be put right looks whether it shall stop.
const SETTLE_INTERVAL: Duration = Duration::from_millis(100);
/// How long the end of another program's job is waited for. So long libvirt waits, too, before it refuses a dump.
const FOREIGN_JOB_WAIT: Duration = Duration::from_secs(30);

/// Finds the guest that `job` means and claims it.
pub fn claim(context: &Context, job: &mut Job) -> Result<Guest, DumpError> {
    let guest = match &job.guest {
        // The id in the request may have gone to another guest while the job waited; the UUID has not.
        Some(known) => context.hypervisor.guest(&known.uuid).map_err(|error| gone(error, known))?,
        None => context.hypervisor.resolve(&job.vm)?,
    };
    if !guest.state.has_memory() {
        return Err(EndReason::NoMemory { guest: guest.name.0, state: guest.state }.into());
    }
    let identity = GuestIdentity::from(&guest);
    match context.catalog.identify(&job.dump_id, &identity) {
        Err(CatalogError::GuestBusy { dump_id }) => return Err(EndReason::GuestBusy { dump_id }.into()),
        outcome => outcome?,
    }
    job.guest = Some(identity);
    Ok(guest)
}

/// The hypervisor knows the guest by its UUID only; operators know it by its name.
fn gone(error: HypervisorError, guest: &GuestIdentity) -> HypervisorError {
    match error {
        HypervisorError::NotFound { uri, .. } => HypervisorError::NotFound { vm: guest.name.0.clone(), uri },
        other => other,
    }
}

/// Refuses encrypted memory that nobody accepted, before the guest is touched. Returns whether the memory is encrypted.
pub fn accept_encryption(context: &Context, job: &Job, guest: &Guest) -> Result<bool, DumpError> {
    let encryption = context.hypervisor.launch_security(&guest.uuid)?;
    if let Some(kind) = &encryption
        && !job.options.accept_encrypted
    {
        return Err(EndReason::Encrypted { guest: guest.name.0.clone(), encryption: kind.clone() }.into());
    }
    Ok(encryption.is_some())
}

/// Has room promised for the largest files that the dump can make, before the guest is touched. Waits for other dumps
/// where only they are in the way.
pub fn make_room<'a>(
    context: &'a Context,
    attempt: &Attempt<'_>,
    guest: &Guest,
) -> Result<Promise<'a>, DumpError> {
    let Attempt { board, job, .. } = *attempt;
    // Memory that does not compress is stored as it is, and held a second time until it is.
    let largest = ByteCount(guest.memory_max.0.saturating_mul(2));
    let waited = Cell::new(false);
    let promised = context.room.promise(largest, &|| attempt.must_stop(), &|| {
        tracing::info!(dump_id = %job.dump_id, vm = %guest.name, "waiting for room");
        board.report_waiting(job, Some(WaitsFor::Room));
        waited.set(true);
    });
    if waited.get() {
        board.report_waiting(job, None);
    }
    promised.map_err(|none| match none {
        NoRoom::Full { needed, free } => EndReason::NoSpace {
            dir: context.store.dir().display().to_string(),
            needed_bytes: needed,
            free_bytes: free,
        }
        .into(),
        NoRoom::Unknown(error) => error.into(),
        NoRoom::Stopped => attempt.stop_error().unwrap_or_else(|| EndReason::Shutdown.into()),
    })
}

/// The guest while nobody's job has it: how it is then, it is by itself or by its operator's will. Waits for what is left
/// of an earlier dump, and for a job of another program, which may be what keeps the earlier dump's guest from being put
/// right: from the moment at which it is seen it is waited for so long, in either case.
pub fn wait_until_at_rest(attempt: &Attempt<'_>, uuid: &str) -> Result<Guest, DumpError> {
    let Attempt { context, board, aftercare, job, .. } = *attempt;
    let stopped = || attempt.stop_error().unwrap_or_else(|| EndReason::Shutdown.into());
    let mut foreign_since = None;
    let mut reported = None;
    loop {
        let mut interval = LOOK_INTERVAL;
        let (waits_for, foreign) = match aftercare.wait_until_settled(uuid, SETTLE_INTERVAL) {
            Settling::Open(foreign) => {
                // That was the wait.
                interval = Duration::ZERO;
                (foreign.map_or(WaitsFor::EarlierDump, |_| WaitsFor::ForeignJob), foreign)
            }
            Settling::Done => match context.hypervisor.guest_at_rest(uuid) {
                Err(HypervisorError::Busy { job, .. }) => (WaitsFor::ForeignJob, Some(ForeignJob(job))),
                Ok(guest) if !guest.state.has_memory() => {
                    return Err(EndReason::NoMemory { guest: guest.name.0, state: guest.state }.into());
                }
                answer => return Ok(answer?),
            },
        };
        if attempt.must_stop() {
            return Err(stopped());
        }
        let now = context.clock.monotonic();
        match foreign {
            None => foreign_since = None,
            Some(ForeignJob(foreign)) => {
                let waited = now.saturating_sub(*foreign_since.get_or_insert(now));
                if waited >= FOREIGN_JOB_WAIT {
                    return Err(EndReason::ForeignJob {
                        guest: name_of(job),
                        job: foreign.map(str::to_owned),
                        waited_ms: Millis::from(waited),
                    }
                    .into());
                }
            }
        }
        if reported.replace(waits_for) != Some(waits_for) {
            let foreign = foreign.and_then(|ForeignJob(job)| job);
            tracing::info!(dump_id = %job.dump_id, vm = name_of(job), job = foreign, ?waits_for, "waiting for the guest");
            board.report_waiting(job, Some(waits_for));
        }
        if !board.pause_unless_closing(interval) {
            return Err(stopped());
        }
    }
}

fn name_of(job: &Job) -> String {
    job.guest.as_ref().map_or_else(|| job.vm.to_string(), |guest| guest.name.0.clone())
}

/// Writes down how the guest is, as it is at rest, before a dump in this mode touches it.
pub fn touch<'a>(
    attempt: &Attempt<'a>,
    guest: &Guest,
    mode: CaptureMode,
) -> Result<TouchedGuest<'a>, DumpError> {
    let Attempt { context, aftercare, job, .. } = *attempt;
    let max_downtime = match mode {
        CaptureMode::Live => max_downtime(context, guest),
        CaptureMode::Frozen => None,
    };
    let intent = Intent {
        dump_id: job.dump_id.clone(),
        guest_uuid: guest.uuid.clone(),
        was_running: guest.state == GuestState::Running,
        max_downtime,
        owns_unexplained_pause: mode == CaptureMode::Live,
    };
    Ok(aftercare.touch(intent)?)
}

/// The limit that a live dump is going to change. If it is not known the dump itself fails or leaves it alone.
fn max_downtime(context: &Context, guest: &Guest) -> Option<Millis> {
    match context.hypervisor.max_downtime(&guest.uuid) {
        Ok(limit) => limit.map(Millis::from),
        Err(error) => {
            let reason = sentence(&error);
            tracing::warn!(vm = %guest.name, reason, "the guest's downtime limit is not known");
            None
        }
    }
}
