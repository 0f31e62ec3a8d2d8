//! Statistics of guests that do not exist: deterministic counters that grow with every collection, and faults on request.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memdeck_model::telemetry::{
    BalloonStats, DeviceCounters, DeviceStats, DiskCounters, NicCounters, VmTotals,
};
use memdeck_model::{GuestName, GuestState};

use super::URI;
use crate::{Collection, GuestSample, GuestStats, HypervisorError};

/// vCPUs of every guest.
const VCPUS: u64 = 2;

/// Statistics of simulated guests, `vm-0` and up. The first device of a guest is a network interface, all others are disks.
pub struct SimulatedStats {
    state: Mutex<SimulatedHost>,
    released: Condvar,
}

struct SimulatedHost {
    guests: Vec<SimulatedGuest>,
    next_id: u32,
    collections: u64,
    /// The time between two collections, if it is not the real one.
    step: Option<(Instant, Duration)>,
    is_unavailable: bool,
    is_held: bool,
}

struct SimulatedGuest {
    number: u64,
    uuid: String,
    name: String,
    id: u32,
    /// The collection at which it started.
    started: u64,
    devices: usize,
    hangs: bool,
    is_partial: bool,
}

impl SimulatedStats {
    /// `guests` guests with `devices` devices each.
    #[must_use]
    pub fn new(guests: usize, devices: usize) -> Self {
        let mut state = SimulatedHost {
            guests: Vec::new(),
            next_id: 1,
            collections: 0,
            step: None,
            is_unavailable: false,
            is_held: false,
        };
        for number in (0..).take(guests) {
            let id = state.take_id();
            state.guests.push(SimulatedGuest {
                number,
                uuid: format!("00000000-0000-4000-9000-{number:012}"),
                name: format!("vm-{number}"),
                id,
                started: 0,
                devices,
                hangs: false,
                is_partial: false,
            });
        }
        Self { state: Mutex::new(state), released: Condvar::new() }
    }

    /// Lets exactly `step` of monotonic time pass from one collection to the next.
    #[must_use]
    pub fn with_step(self, step: Duration) -> Self {
        self.lock().step = Some((Instant::now(), step));
        self
    }

    /// The guest is gone.
    pub fn remove(&self, name: &str) {
        self.lock().guests.retain(|guest| guest.name != name);
    }

    /// The guest is started anew: another id, counters from 0.
    pub fn restart(&self, name: &str) {
        let mut state = self.lock();
        let (id, started) = (state.take_id(), state.collections);
        state.change(name, |guest| (guest.id, guest.started) = (id, started));
    }

    /// The guest gets another name.
    pub fn rename(&self, name: &str, to: &str) {
        self.lock().change(name, |guest| to.clone_into(&mut guest.name));
    }

    /// Another guest takes the place of this one: same name, another UUID.
    pub fn replace(&self, name: &str) {
        let mut state = self.lock();
        let (id, started) = (state.take_id(), state.collections);
        state.change(name, |guest| {
            guest.uuid = format!("00000000-0000-4000-a000-{id:012}");
            (guest.id, guest.started) = (id, started);
        });
    }

    /// How many devices the guest has from now on.
    pub fn set_devices(&self, name: &str, devices: usize) {
        self.lock().change(name, |guest| guest.devices = devices);
    }

    /// Whether the guest leaves its questions without an answer.
    pub fn set_hanging(&self, name: &str, hangs: bool) {
        self.lock().change(name, |guest| guest.hangs = hangs);
    }

    /// Whether a job has the guest.
    pub fn set_partial(&self, name: &str, is_partial: bool) {
        self.lock().change(name, |guest| guest.is_partial = is_partial);
    }

    /// Whether the hypervisor cannot be reached.
    pub fn set_unavailable(&self, is_unavailable: bool) {
        self.lock().is_unavailable = is_unavailable;
    }

    /// Whether collections wait until this is set back.
    pub fn set_held(&self, is_held: bool) {
        self.lock().is_held = is_held;
        self.released.notify_all();
    }

    /// How often it was asked and answered.
    pub fn collections(&self) -> u64 {
        self.lock().collections
    }

    fn lock(&self) -> MutexGuard<'_, SimulatedHost> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedHost {
    fn take_id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut SimulatedGuest)) {
        if let Some(guest) = self.guests.iter_mut().find(|guest| guest.name == name) {
            change(guest);
        }
    }
}

impl SimulatedGuest {
    /// The values after `age` collections. About half of the counters stand still, as those of real guests do.
    fn sample(&self, age: u64, taken: Instant) -> GuestSample {
        // Busy by its number, and not the same each time.
        let busy = 1 + self.number % 7;
        let noise = age * 7919 + self.number * 104_729;
        let grown = |per_step: u64| age * per_step * busy + noise % per_step;
        let mut totals = VmTotals { state: Some(1), cpus: Some(VCPUS), ..VmTotals::default() };
        totals.cputime = Some(grown(50_000_000));
        totals.timeusr = Some(grown(30_000_000));
        totals.timesys = Some(grown(20_000_000));
        totals.memactual = Some(1 << 20);
        let mut devices = Vec::new();
        if !self.is_partial {
            totals.memrss = Some(500_000 + grown(1) % 4096);
            totals.memavailable = Some(1_000_000);
            totals.memusable = Some(600_000 - grown(3) % 65_536);
            totals.memswap_in = Some(0);
            totals.memswap_out = Some(0);
            totals.memmajor_fault = Some(120);
            totals.memminor_fault = Some(grown(200));
            totals.memdisk_cache = Some(200_000 + grown(2) % 8192);
            devices.extend((0..self.devices).map(|device| match device {
                0 => DeviceStats {
                    device: format!("vnet{}", self.number),
                    counters: DeviceCounters::Nic(NicCounters {
                        rxbytes: Some(grown(40_000)),
                        rxpackets: Some(grown(60)),
                        rxerrors: Some(0),
                        rxdrops: Some(0),
                        txbytes: Some(grown(25_000)),
                        txpackets: Some(grown(40)),
                        txerrors: Some(0),
                        txdrops: Some(0),
                    }),
                },
                _ => DeviceStats {
                    device: format!("vd{}", ('a'..='z').cycle().nth(device - 1).unwrap_or('a')),
                    counters: DeviceCounters::Disk(DiskCounters {
                        rd_req: Some(grown(5)),
                        rd_bytes: Some(grown(5 * 4096)),
                        wr_reqs: Some(grown(12)),
                        wr_bytes: Some(grown(12 * 8192)),
                        errors: None,
                    }),
                },
            }));
        }
        let mut sample = GuestSample {
            uuid: self.uuid.clone(),
            name: GuestName(self.name.clone()),
            id: Some(self.id),
            state: GuestState::Running,
            started_at: None,
            memory_max_kib: Some(1 << 20),
            taken,
            partial: self.is_partial,
            balloon: BalloonStats::Reported,
            totals,
            devices,
        };
        sample.sum_devices(!self.is_partial, !self.is_partial);
        sample
    }
}

impl GuestStats for SimulatedStats {
    fn uri(&self) -> &str {
        URI
    }

    fn collect(&self) -> Result<Collection, HypervisorError> {
        let mut state = self.lock();
        while state.is_held {
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_unavailable {
            return Err(HypervisorError::Connect {
                uri: URI.to_owned(),
                source: "it is switched off".into(),
            });
        }
        state.collections += 1;
        let now = state.collections;
        let taken = match state.step {
            Some((start, step)) => start + step * u32::try_from(now).unwrap_or(u32::MAX),
            None => Instant::now(),
        };
        let mut collection = Collection::default();
        for guest in &state.guests {
            if guest.hangs {
                collection.unanswered.push(guest.uuid.clone());
            } else {
                collection.guests.push(guest.sample(now - guest.started, taken));
            }
        }
        Ok(collection)
    }
}
