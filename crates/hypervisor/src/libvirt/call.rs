//! libvirt's call that dumps a guest, on the dump's own thread and connection, and what comes before and after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use memdeck_model::{Guest, GuestState};
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};
use virt_sys as sys;

use super::aftercare::Aftercare;
use super::connection::Connection;
use super::dump::Way;
use super::failure::{Failure, is_no_domain};
use super::ffi;
use super::ffi::job::{self, Job};
use super::ffi::monitor::watch_monitor;
use super::lifecycle::Lifecycle;
use super::texts::is_refused_migration;
use super::uri::Uri;
use crate::{Cause, DumpOutcome, DumpSigns, GuestEnd, HypervisorError, LiveOptions, LiveOutcome};

/// How long the event that the guest runs may come after the call has returned.
pub(super) const EVENT_DELAY: Duration = Duration::from_secs(2);

pub(super) type Outcome = Result<DumpOutcome, HypervisorError>;

pub(super) struct Call {
    pub(super) uri: Uri,
    /// As it was before the dump.
    pub(super) guest: Guest,
    pub(super) way: Way,
    pub(super) signs: DumpSigns,
}

impl Call {
    /// Dumps into `path`. Returns the outcome, and the aftercare that the guest is still owed, if any.
    pub(super) fn run(&self, path: &str, abandoned: &AtomicBool) -> (Outcome, Option<Aftercare>) {
        let mut aftercare = Aftercare::new(&self.uri, &self.guest, matches!(self.way, Way::Live(_)));
        let outcome = self.dump(path, abandoned, &mut aftercare).inspect_err(|_| self.signs.fail());
        (outcome, Some(aftercare).filter(|aftercare| !aftercare.is_done()))
    }

    fn dump(&self, path: &str, abandoned: &AtomicBool, aftercare: &mut Aftercare) -> Outcome {
        let connection = Connection::open(&self.uri.text)
            .map_err(|source| HypervisorError::Connect { uri: self.uri.shown.clone(), source })?;
        let domain = Domain::lookup_by_uuid_string(&connection, &self.guest.uuid)
            .map_err(|e| self.failed(Failure::from(e)))?;
        let lifecycle = Arc::new(Lifecycle::new(self.signs.clone(), Instant::now()));
        // Both are listened to until the end of this dump.
        let watch = ffi::watch_lifecycle(&connection, &domain, &lifecycle).inspect_err(
            |error| tracing::warn!(%error, vm = %self.guest.name, "nothing is heard of the guest"),
        );
        let monitor = watch_monitor(&connection, &domain, &lifecycle).inspect_err(
            |error| tracing::debug!(%error, vm = %self.guest.name, "the hypervisor's clock is not heard of"),
        );
        // One that began since the guest was looked at would be waited for by libvirt, and its pause counted as ours.
        if let Some(job) = job::job_stats(&domain, Job::Present).map_err(|e| self.failed(Failure::from(e)))? {
            return Err(HypervisorError::Busy { guest: self.guest.name.clone(), job: job.operation });
        }
        // libvirt may have let that question wait.
        if abandoned.load(Ordering::Acquire) {
            return Err(self.failed("its caller no longer waits for it"));
        }
        aftercare.owe_running();
        let dumped = match self.way {
            // Never VIR_DUMP_BYPASS_CACHE: direct I/O and pipes exclude each other.
            Way::Frozen => domain
                .core_dump_with_format(path, sys::VIR_DOMAIN_CORE_DUMP_FORMAT_RAW, sys::VIR_DUMP_MEMORY_ONLY)
                .map(drop)
                .map_err(|error| self.failed(Failure::from(error))),
            // With VIR_DUMP_MEMORY_ONLY the guest would be stopped all the time.
            Way::Live(options) => limit_pause(&domain, options, aftercare)
                .and_then(|()| domain.core_dump(path, sys::VIR_DUMP_LIVE))
                .map(drop)
                .map_err(|error| self.not_live(&domain, error)),
        };
        if dumped.is_err() {
            // The reader need not wait for what comes now.
            self.signs.fail();
        }
        if let Err(error) = aftercare.give(&domain) {
            tracing::warn!(%error, vm = %self.guest.name, "the guest could not be restored yet");
        }
        dumped.map_err(|error| self.explained(&connection, &domain, &lifecycle, error))?;
        let live = match self.way {
            Way::Frozen => None,
            Way::Live(_) => Some(live_outcome(&domain)),
        };
        if !matches!(self.guest.state, GuestState::Running | GuestState::Blocked) {
            return Ok(DumpOutcome {
                pause: Some(Duration::ZERO),
                pause_source: None,
                stopped_at: None,
                live,
            });
        }
        let patience = if watch.is_ok() || monitor.is_ok() { EVENT_DELAY } else { Duration::ZERO };
        let pause = lifecycle.pause(patience, monitor.is_ok());
        Ok(DumpOutcome {
            pause: pause.map(|pause| pause.length),
            pause_source: pause.map(|pause| pause.source),
            stopped_at: pause.and_then(|pause| pause.stopped_at),
            live,
        })
    }

    /// What it means that a live dump failed. It may be too late for a frozen one: the caller knows whether bytes came.
    fn not_live(&self, domain: &Domain, error: Error) -> HypervisorError {
        let guest = self.guest.name.clone();
        if error.code() == ErrorNumber::OperationAborted {
            return HypervisorError::Aborted { guest };
        }
        if cannot_migrate(&error) && domain.is_active().unwrap_or(false) {
            return HypervisorError::CannotMigrate { guest, source: Failure::from(error).into() };
        }
        self.failed(Failure::from(error))
    }

    /// The failure in other words where it is libvirtd's end, or the guest's.
    fn explained(
        &self,
        connection: &Connection,
        domain: &Domain,
        lifecycle: &Lifecycle,
        error: HypervisorError,
    ) -> HypervisorError {
        let is_gone = match domain.is_active() {
            Ok(active) => !active,
            Err(error) => is_no_domain(&error),
        };
        let went_away = !connection.is_open();
        if !is_gone && !went_away {
            return error;
        }
        let guest = self.guest.name.clone();
        let source = match error {
            HypervisorError::Dump { source, .. } => source,
            other => other.into(),
        };
        if went_away {
            return HypervisorError::WentAway { guest, uri: self.uri.shown.clone(), source };
        }
        let end = lifecycle.end(EVENT_DELAY).unwrap_or(GuestEnd::Unknown);
        HypervisorError::GuestEnded { guest, end, source }
    }

    fn failed(&self, source: impl Into<Cause>) -> HypervisorError {
        HypervisorError::Dump { guest: self.guest.name.clone(), source: source.into() }
    }
}

/// Sets the guest's limit for the pause at the end; the present one is owed to it afterwards.
fn limit_pause(domain: &Domain, options: LiveOptions, aftercare: &mut Aftercare) -> Result<(), Error> {
    let Some(budget) = options.pause_budget else { return Ok(()) };
    let budget_ms = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX).clamp(1, MAX_DOWNTIME_MS);
    let present_ms = job::max_downtime_ms(domain)?;
    if present_ms != budget_ms {
        aftercare.owe_max_downtime(present_ms);
        job::set_max_downtime_ms(domain, budget_ms)?;
    }
    Ok(())
}

/// QEMU takes no more.
const MAX_DOWNTIME_MS: u64 = 2_000_000;

/// Whether libvirt refuses to migrate this guest (a blocker, a host device, another driver), or QEMU does.
fn cannot_migrate(error: &Error) -> bool {
    match error.code() {
        ErrorNumber::OperationInvalid
        | ErrorNumber::OperationUnsupported
        | ErrorNumber::OperationFailed
        | ErrorNumber::ConfigUnsupported
        | ErrorNumber::ArgumentUnsupported
        | ErrorNumber::InvalidArg
        | ErrorNumber::NoSupport => true,
        _ => is_refused_migration(error),
    }
}

fn live_outcome(domain: &Domain) -> LiveOutcome {
    let stats = match job::job_stats(domain, Job::Completed) {
        Ok(stats) => stats.filter(|stats| stats.operation == Some(job::DUMP)).unwrap_or_default(),
        Err(error) => {
            tracing::debug!(%error, "no statistics of the finished dump");
            job::JobStats::default()
        }
    };
    LiveOutcome {
        downtime: stats.downtime,
        elapsed: stats.elapsed,
        iterations: stats.iteration,
        dirty_rate_per_s: stats.dirty_rate_per_s,
        data_processed: stats.data_processed,
    }
}
