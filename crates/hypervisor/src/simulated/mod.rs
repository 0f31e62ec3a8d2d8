//! A hypervisor without virtual machines, for tests: guests with settable states, dumps through real pipes, and faults
//! on request. It is deterministic and never waits for a clock.
//!
//! ```
//! use memdeck_hypervisor::Hypervisor;
//! use memdeck_hypervisor::simulated::{Fault, Simulated};
//! use memdeck_model::{ByteCount, GuestState};
//!
//! let hypervisor = Simulated::new();
//! let guest = hypervisor.add_guest("db-01", ByteCount::from_mib(1));
//! hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
//!
//! let dump = hypervisor.begin_frozen_dump(&guest.uuid)?;
//! assert_eq!(hypervisor.state("db-01"), GuestState::Paused);
//! drop(dump.stream);
//! assert!(dump.call.finish().is_err());
//! assert_eq!(hypervisor.state("db-01"), GuestState::Running);
//! # Ok::<(), memdeck_hypervisor::HypervisorError>(())
//! ```

mod core;
mod cpu;
mod dump;
mod listing;
mod live;
mod qevm;
mod stats;
mod world;

use std::sync::Arc;
use std::time::Duration;

use memdeck_model::{ByteCount, Guest, GuestName, GuestState, HostClock, VmRef};

use self::listing::Listing;
pub use self::stats::SimulatedStats;
use self::world::World;
use crate::{Aftermath, FrozenDump, Host, Hypervisor, HypervisorError, LiveDump, LiveOptions};

const URI: &str = "simulated:///host";

/// The pause that every dump of a running guest reports.
pub const PAUSE: Duration = Duration::from_millis(40);

/// What is wrong with one dump. Faults of the same dump act together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The hypervisor refuses before the first byte; the guest is not stopped.
    Refused,
    /// The hypervisor refuses a live dump of this guest. Nothing is wrong with a frozen one.
    CannotMigrate,
    /// The stream ends after so many bytes, and the hypervisor calls that a success.
    EndsAt(u64),
    /// So many bytes too many follow the image, and the hypervisor calls that a success.
    ExtraBytes(u64),
    /// The stream stops after so many bytes until [`Simulated::release`] is called, a live dump is aborted, or the
    /// reader closes the stream of a frozen one.
    StallsAt(u64),
    /// A live dump stops before its last pass, until it is released or aborted; its statistics say that the guest
    /// writes faster than the hypervisor copies.
    DoesNotConverge,
    /// A live dump is compressed by the hypervisor, so its stream begins with another magic (zstd's).
    Compressed,
    /// Somebody else aborts a live dump before its last pass.
    Aborted,
    /// The hypervisor says in the end that the dump failed.
    Fails,
    /// The guest stays paused when the dump has ended, however it ended.
    StaysPaused,
    /// Nobody saw how long the guest was stopped.
    PauseMissed,
}

/// A call that changes a guest. Questions are not noted: who asks how often is nobody's promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A frozen dump was asked for.
    BeginDump(GuestName),
    /// A live dump was asked for.
    BeginLiveDump(GuestName, LiveOptions),
    /// A live dump under way was told to end, by a call or because it was dropped.
    Abort(GuestName),
    /// The hypervisor's side of a dump ended, well or not.
    DumpEnded(GuestName),
    /// The guest was told to run.
    Resume(GuestName),
}

/// A simulated hypervisor. Clones are the same hypervisor.
#[derive(Clone, Default)]
pub struct Simulated {
    world: Arc<World>,
    listing: Arc<Listing>,
}

impl Simulated {
    /// A hypervisor without guests.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a running guest whose memory is `memory`, whole pages. Its id is the next number from 1, its UUID follows
    /// from the id, and its memory's content from its name.
    #[must_use = "drop it where the guest is only asked for by name"]
    pub fn add_guest(&self, name: &str, memory: ByteCount) -> Guest {
        self.world.add(name, memory)
    }

    /// Gives a guest another id, as a restart of it does.
    pub fn set_id(&self, name: &str, id: u32) {
        self.world.set_id(name, id);
    }

    /// Removes a guest, as if it had been undefined.
    pub fn remove_guest(&self, name: &str) {
        self.world.remove(name);
    }

    /// Encrypts the guest's memory against its host, with `kind` (`sev`). Its content stays as it is.
    pub fn set_launch_security(&self, name: &str, kind: &str) {
        self.world.set_launch_security(name, kind);
    }

    /// Lets live dumps of the guest be exact only up to so many iterations; they have two.
    pub fn set_exact_iterations(&self, name: &str, iterations: u64) {
        self.world.set_exact_iterations(name, iterations);
    }

    /// Lets the guest change the byte of its RAM at that address, as frozen dumps see it from now on.
    pub fn change_byte(&self, name: &str, address: usize) {
        self.world.change_byte(name, address);
    }

    /// Changes how long a guest has had a processor, in nanoseconds.
    pub fn set_cpu_time(&self, name: &str, cpu_time_ns: u64) {
        self.world.set_cpu_time(name, cpu_time_ns);
    }

    /// Changes what a guest does. A guest that is shut off has no id.
    pub fn set_state(&self, name: &str, state: GuestState) {
        self.world.set_state(name, state);
    }

    /// Another program dumps the guest, which stands still for it.
    pub fn begin_foreign_dump(&self, name: &str) {
        self.world.begin_foreign_dump(name);
    }

    /// The other program's dump ends, and the guest is as it was before.
    pub fn end_foreign_dump(&self, name: &str) {
        self.world.end_foreign_dump(name);
    }

    /// Whether lists of all guests have to wait. Sixteen callers may; others are refused meanwhile.
    pub fn hold_lists(&self, are_held: bool) {
        self.listing.hold(are_held);
    }

    /// Whether the question how this guest stands after a dump hangs. It is answered when the guest is not silent any
    /// more.
    pub fn set_silent(&self, name: &str, is_silent: bool) {
        self.world.set_silent(name, is_silent);
    }

    /// Pauses a guest as somebody does who speaks to QEMU behind libvirt's back, or as a live dump that failed at its end.
    pub fn pause_unexplained(&self, name: &str) {
        self.world.set_state(name, GuestState::Paused);
        self.world.set_unexplained(name);
    }

    /// Pauses a guest as an operator does, on purpose.
    pub fn suspend(&self, name: &str) {
        self.world.suspend(name);
    }

    /// What a guest does; [`GuestState::Unknown`] if there is none of that name.
    #[must_use]
    pub fn state(&self, name: &str) -> GuestState {
        self.world.state(name)
    }

    /// Waits until a guest is in this state.
    pub fn wait_for_state(&self, name: &str, state: GuestState) {
        self.world.wait_for_state(name, state);
    }

    /// Says what is wrong with the next dump of a guest. Called again, with the dump after that.
    pub fn next_dump(&self, name: &str, faults: &[Fault]) {
        self.world.next_dump(name, faults);
    }

    /// Waits until the guest's dump has written all bytes before its [`Fault::StallsAt`].
    pub fn wait_until_stalled(&self, name: &str) {
        self.world.wait_until_stalled(name);
    }

    /// Lets the present dump of a guest pass its [`Fault::StallsAt`], also if it has not come there yet.
    pub fn release(&self, name: &str) {
        self.world.release(name);
    }

    /// Whether the hypervisor can be reached. A dump under way goes on.
    pub fn set_available(&self, available: bool) {
        self.world.set_available(available);
    }

    /// The calls so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.world.calls()
    }

    /// How often guests were listed, found or described.
    #[must_use]
    pub fn lookups(&self) -> usize {
        self.world.lookups()
    }

    /// The most dumps that were under way at the same time.
    #[must_use]
    pub fn most_dumps_at_once(&self) -> usize {
        self.world.most_dumps_at_once()
    }

    /// The bytes that a frozen dump of this guest streams when nothing is wrong; none if there is no such guest.
    #[must_use]
    pub fn image(&self, name: &str) -> Vec<u8> {
        self.world.image(name)
    }

    /// The bytes that a live dump of this guest streams when nothing is wrong; none if there is no such guest. Its
    /// blocks `pc.ram` and `pc.bios` hold what the loadable segments of [`image`](Self::image) hold.
    #[must_use]
    pub fn live_stream(&self, name: &str) -> Vec<u8> {
        self.world.live_stream(name).bytes
    }

    /// After how many bytes of [`live_stream`](Self::live_stream) the guest is stopped.
    #[must_use]
    pub fn last_pass_at(&self, name: &str) -> u64 {
        u64::try_from(self.world.live_stream(name).last_pass_at).unwrap_or(u64::MAX)
    }
}

impl Hypervisor for Simulated {
    fn uri(&self) -> &str {
        URI
    }

    fn host(&self) -> Result<Host, HypervisorError> {
        self.world.guests()?;
        let synchronised = HostClock {
            synchronised: Some(true),
            estimated_error_us: Some(120),
            maximum_error_us: Some(4_500),
        };
        Ok(Host {
            name: "simulated".into(),
            hypervisor: "Simulated 1.0.0".into(),
            libvirt: "0.0.0".into(),
            kernel: Some("0.0.0-simulated".into()),
            clock: synchronised,
        })
    }

    fn guests(&self) -> Result<Vec<Guest>, HypervisorError> {
        self.listing.wait()?;
        let mut guests = self.world.guests()?;
        guests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(guests)
    }

    fn resolve(&self, vm: &VmRef) -> Result<Guest, HypervisorError> {
        let guests = self.world.guests()?;
        vm.find_in(&guests).cloned().ok_or_else(|| not_found(vm.as_str()))
    }

    fn guest(&self, uuid: &str) -> Result<Guest, HypervisorError> {
        let found = self.world.guests()?.into_iter().find(|guest| guest.uuid == uuid);
        found.ok_or_else(|| not_found(uuid))
    }

    fn guest_at_rest(&self, uuid: &str) -> Result<Guest, HypervisorError> {
        let guest = self.guest(uuid)?;
        match self.world.job(&guest.name.0) {
            None => self.guest(uuid),
            job => Err(HypervisorError::Busy { guest: guest.name, job }),
        }
    }

    fn domain_xml(&self, uuid: &str) -> Result<String, HypervisorError> {
        let Guest { name, uuid, memory_max, .. } = self.guest(uuid)?;
        let launch_security = self.world.launch_security(&name.0);
        let security = launch_security.map(|kind| format!("<launchSecurity type='{kind}'/>"));
        Ok(format!(
            "<domain type='simulated'><name>{name}</name><uuid>{uuid}</uuid>\
             <memory unit='b'>{}</memory>{}</domain>",
            memory_max.0,
            security.unwrap_or_default()
        ))
    }

    fn launch_security(&self, uuid: &str) -> Result<Option<String>, HypervisorError> {
        Ok(self.world.launch_security(&self.guest(uuid)?.name.0))
    }

    fn exact_iterations(&self, uuid: &str) -> Result<Option<u64>, HypervisorError> {
        Ok(self.world.exact_iterations(&self.guest(uuid)?.name.0))
    }

    fn begin_frozen_dump(&self, uuid: &str) -> Result<FrozenDump, HypervisorError> {
        let guest = self.guest(uuid)?;
        if !guest.state.has_memory() {
            return Err(HypervisorError::NotRunning { guest: guest.name, state: guest.state });
        }
        dump::begin(&self.world, &guest)
    }

    fn begin_live_dump(&self, uuid: &str, options: LiveOptions) -> Result<LiveDump, HypervisorError> {
        let guest = self.guest(uuid)?;
        if !guest.state.has_memory() {
            return Err(HypervisorError::NotRunning { guest: guest.name, state: guest.state });
        }
        live::begin(&self.world, &guest, options)
    }

    fn aftermath(&self, uuid: &str) -> Result<Aftermath, HypervisorError> {
        self.world.aftermath(uuid)
    }

    fn max_downtime(&self, uuid: &str) -> Result<Option<Duration>, HypervisorError> {
        Ok(self.world.max_downtime(&self.guest(uuid)?.name.0))
    }

    fn set_max_downtime(&self, uuid: &str, limit: Duration) -> Result<(), HypervisorError> {
        let name = self.guest(uuid)?.name;
        if let Some(job) = self.world.job(&name.0) {
            return Err(HypervisorError::Busy { guest: name, job: Some(job) });
        }
        self.world.set_max_downtime(&name.0, limit);
        Ok(())
    }

    fn resume(&self, uuid: &str) -> Result<(), HypervisorError> {
        let guest = self.guest(uuid)?;
        self.world.resume(&guest)
    }
}

fn not_found(vm: &str) -> HypervisorError {
    HypervisorError::NotFound { vm: vm.to_owned(), uri: URI.to_owned() }
}

#[cfg(test)]
mod tests;
