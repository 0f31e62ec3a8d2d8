//! The statistics of all guests, on a connection of their own.
//!
//! One call for all guests that waits for no job (`VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT`). A guest whose process
//! hangs holds the call that meets it first. That call is left behind when its time is over; it is a job of that guest
//! now, so the next call passes the guest by. If the next one does not end either, and if the driver lacks the call,
//! each guest is asked by itself.

mod balloon;
mod bulk;
mod per_guest;
mod starts;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use virt::error::ErrorNumber;
use virt_sys as sys;

use self::balloon::Balloons;
use self::per_guest::PerGuest;
use self::starts::Starts;
use super::control::Control;
use super::failed;
use super::ffi::stats::StatsRecords;
use super::uri::Uri;
use crate::{Collection, GuestSample, GuestStats, HypervisorError};

/// How often the number of vCPUs is asked for. It costs a question to every guest's process, and rarely changes.
const VCPU_REFRESH: Duration = Duration::from_secs(30);

/// How long each guest is asked by itself after the call for all of them did not end.
const BULK_REST: Duration = Duration::from_secs(30);

/// What every collection asks for.
const GROUPS: u32 = sys::VIR_DOMAIN_STATS_STATE
    | sys::VIR_DOMAIN_STATS_CPU_TOTAL
    | sys::VIR_DOMAIN_STATS_BALLOON
    | sys::VIR_DOMAIN_STATS_INTERFACE
    | sys::VIR_DOMAIN_STATS_BLOCK;

/// A driver that has only a part of the groups says so instead of leaving the others out.
const FLAGS: u32 =
    sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT | sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS;

/// How statistics are asked for.
#[derive(Clone, Copy, Debug)]
pub struct StatsOptions {
    /// The longest that one call may take.
    pub time_limit: Duration,
    /// How long the list of a guest's devices is believed, where each device is asked by itself; also how long a driver
    /// that lacks the call for all guests is believed to lack it.
    pub device_cache_ttl: Duration,
    /// How often a guest is to report what its memory is used for, if it does not yet. `None` leaves guests as they are.
    pub balloon_period: Option<Duration>,
}

/// Statistics of the guests behind a libvirt URI.
pub struct LibvirtStats {
    control: Control,
    options: StatsOptions,
    per_guest: PerGuest,
    balloons: Balloons,
    starts: Starts,
    state: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// When the driver refused the call for all guests.
    bulk_refused: Option<Instant>,
    /// When the call for all guests was last left behind twice.
    bulk_hung: Option<Instant>,
    vcpus: HashMap<String, Vcpus>,
    vcpus_asked: Option<Instant>,
}

/// The vCPUs of a guest since its start.
struct Vcpus {
    id: Option<u32>,
    count: u64,
}

impl LibvirtStats {
    /// The guests of `uri` (`qemu:///system`). Connects when first asked.
    #[must_use]
    pub fn connect(uri: &str, options: StatsOptions) -> Self {
        let uri = Uri::new(uri);
        let starts = Starts::in_dir(uri.process_files());
        Self {
            starts,
            control: Control::new(uri, options.time_limit),
            options,
            per_guest: PerGuest::default(),
            balloons: Balloons::new(options.balloon_period),
            state: Mutex::default(),
        }
    }

    /// The same, as if the driver lacked the call for all guests for as long as `device_cache_ttl`: for comparing both ways
    /// on one hypervisor.
    #[must_use]
    pub fn asking_each(self) -> Self {
        self.state().bulk_refused = Some(Instant::now());
        self
    }

    fn state(&self) -> MutexGuard<'_, Remembered> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All guests in one call; `None` if the driver lacks it.
    fn bulk(&self) -> Result<Option<Vec<GuestSample>>, HypervisorError> {
        let asks_vcpus = self.state().vcpus_asked.is_none_or(|asked| asked.elapsed() >= VCPU_REFRESH);
        let groups = if asks_vcpus { GROUPS | sys::VIR_DOMAIN_STATS_VCPU } else { GROUPS };
        let operation = "give the statistics of the VMs";
        let uri = self.control.uri().shown.clone();
        let ask = move |connection: &super::connection::Connection| {
            let started = Instant::now();
            match StatsRecords::ask(connection, groups, FLAGS) {
                Ok(records) => {
                    // The values were read at some moment of the call.
                    let taken = started + started.elapsed() / 2;
                    Ok(Some(records.iter().filter_map(|record| bulk::sample(&record, taken)).collect()))
                }
                Err(error)
                    if matches!(
                        error.code(),
                        ErrorNumber::NoSupport | ErrorNumber::ArgumentUnsupported | ErrorNumber::InvalidArg
                    ) =>
                {
                    Ok(None)
                }
                Err(error) => Err(failed(operation, &uri, error)),
            }
        };
        // A guest that hangs is passed by when it is asked again: see above.
        let answer = match self.control.call(operation, ask.clone()) {
            Err(HypervisorError::Timeout { .. }) => self.control.call(operation, ask),
            answer => answer,
        }?;
        let Some(mut samples): Option<Vec<GuestSample>> = answer else { return Ok(None) };
        self.fill_in_vcpus(&mut samples, asks_vcpus);
        Ok(Some(samples))
    }

    fn fill_in_vcpus(&self, samples: &mut [GuestSample], asked: bool) {
        let mut state = self.state();
        if asked {
            let known = samples.iter().filter_map(|sample| {
                Some((sample.uuid.clone(), Vcpus { id: sample.id, count: sample.totals.cpus? }))
            });
            state.vcpus = known.collect();
            state.vcpus_asked = Some(Instant::now());
        }
        let mut has_news = false;
        for sample in samples {
            match state.vcpus.get(&sample.uuid) {
                Some(vcpus) if vcpus.id == sample.id => sample.totals.cpus = Some(vcpus.count),
                _ => has_news = !asked,
            }
        }
        if has_news {
            state.vcpus_asked = None;
        }
    }

    fn rests_bulk(&self) -> bool {
        self.state().bulk_hung.is_some_and(|at| at.elapsed() < BULK_REST)
    }

    fn lacks_bulk(&self) -> bool {
        let refused = self.state().bulk_refused;
        refused.is_some_and(|at| at.elapsed() < self.options.device_cache_ttl)
    }
}

impl GuestStats for LibvirtStats {
    fn uri(&self) -> &str {
        &self.control.uri().shown
    }

    fn collect(&self) -> Result<Collection, HypervisorError> {
        let bulk = if self.lacks_bulk() || self.rests_bulk() { Ok(None) } else { self.bulk() };
        let bulk = match bulk {
            Err(HypervisorError::Timeout { .. }) => {
                tracing::warn!(
                    uri = self.uri(),
                    "the call for all VMs does not end; each is asked separately for a while"
                );
                self.state().bulk_hung = Some(Instant::now());
                None
            }
            bulk => bulk?,
        };
        let mut collection = if let Some(guests) = bulk {
            Collection { guests, unanswered: Vec::new() }
        } else {
            if !self.lacks_bulk() && !self.rests_bulk() {
                tracing::info!(
                    uri = self.uri(),
                    "this libvirt driver cannot report all VMs in one call; each is asked separately"
                );
                self.state().bulk_refused = Some(Instant::now());
            }
            self.per_guest.collect(&self.control, self.options.device_cache_ttl)?
        };
        self.starts.fill_in(&mut collection.guests);
        self.balloons.look_at(&self.control, &mut collection.guests);
        Ok(collection)
    }
}

#[cfg(test)]
mod tests;
