//! The state of the simulated hypervisor.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memdeck_model::{ByteCount, Guest, GuestName, GuestState};

use super::core::{RAM_AT, elf_core};
use super::qevm::{LiveStream, live_stream};
use super::{Call, Fault, URI};
use crate::{Aftermath, HypervisorError};

/// QEMU's default.
const MAX_DOWNTIME: Duration = Duration::from_millis(300);

#[derive(Default)]
pub(super) struct World {
    state: Mutex<Scene>,
    changed: Condvar,
}

#[derive(Default)]
struct Scene {
    unavailable: bool,
    machines: Vec<Machine>,
    guests_made: u32,
    lookups: usize,
    calls: Vec<Call>,
    dumps: usize,
    most_dumps: usize,
}

struct Machine {
    guest: Guest,
    /// Of the dumps to come, next first.
    scripts: VecDeque<Vec<Fault>>,
    dump: Option<DumpUnderWay>,
    launch_security: Option<String>,
    exact_iterations: Option<u64>,
    /// QEMU migrates a guest that was paused once, and again only when it has run.
    is_migrated: bool,
    /// Whose pause it is if it stands still and no job has it.
    pause: Aftermath,
    max_downtime: Duration,
    /// Of another program, and how the guest was before.
    foreign_job: Option<(&'static str, GuestState)>,
    /// Nobody is told how it stands after a dump.
    is_silent: bool,
    /// Bytes of RAM that are others than its name says.
    changed_bytes: Vec<usize>,
}

struct DumpUnderWay {
    state_before: GuestState,
    /// The dump has stopped the guest.
    stopped: bool,
    stalled: bool,
    aborted: bool,
    questions: u64,
    /// Dropped to let the dump pass its stall.
    hold: Option<OwnedFd>,
}

impl World {
    pub(super) fn add(&self, name: &str, memory: ByteCount) -> Guest {
        let mut state = self.lock();
        state.guests_made += 1;
        let id = state.guests_made;
        let guest = Guest {
            host: None,
            id: Some(id),
            name: GuestName(name.to_owned()),
            uuid: format!("00000000-0000-4000-8000-{id:012}"),
            state: GuestState::Running,
            vcpus: 1,
            memory_max: memory,
            memory,
            cpu_time_ns: 0,
        };
        state.machines.push(Machine {
            guest: guest.clone(),
            scripts: VecDeque::new(),
            dump: None,
            launch_security: None,
            exact_iterations: None,
            is_migrated: false,
            pause: Aftermath::Stranded,
            max_downtime: MAX_DOWNTIME,
            foreign_job: None,
            is_silent: false,
            changed_bytes: Vec::new(),
        });
        guest
    }

    pub(super) fn set_id(&self, name: &str, id: u32) {
        self.change(name, |machine| machine.guest.id = Some(id));
    }

    pub(super) fn set_cpu_time(&self, name: &str, cpu_time_ns: u64) {
        self.change(name, |machine| machine.guest.cpu_time_ns = cpu_time_ns);
    }

    pub(super) fn remove(&self, name: &str) {
        self.lock().machines.retain(|machine| machine.guest.name.0 != name);
    }

    pub(super) fn set_state(&self, name: &str, state: GuestState) {
        self.change(name, |machine| {
            machine.guest.state = state;
            machine.is_migrated &= state == GuestState::Paused;
            if state != GuestState::Paused {
                machine.pause = Aftermath::Stranded;
            }
        });
    }

    pub(super) fn set_unexplained(&self, name: &str) {
        self.change(name, |machine| machine.pause = Aftermath::Unexplained);
    }

    pub(super) fn suspend(&self, name: &str) {
        self.change(name, |machine| {
            machine.guest.state = GuestState::Paused;
            machine.pause = Aftermath::Settled;
        });
    }

    pub(super) fn begin_foreign_dump(&self, name: &str) {
        self.change(name, |machine| {
            let before = std::mem::replace(&mut machine.guest.state, GuestState::Paused);
            machine.foreign_job = Some(("dump", before));
        });
    }

    pub(super) fn end_foreign_dump(&self, name: &str) {
        self.change(name, |machine| {
            if let Some((_, before)) = machine.foreign_job.take() {
                machine.guest.state = before;
            }
        });
    }

    pub(super) fn job(&self, name: &str) -> Option<&'static str> {
        self.lock().machine(name).and_then(Machine::job)
    }

    pub(super) fn set_silent(&self, name: &str, is_silent: bool) {
        self.change(name, |machine| machine.is_silent = is_silent);
    }

    /// Waits while the guest is silent.
    pub(super) fn aftermath(&self, uuid: &str) -> Result<Aftermath, HypervisorError> {
        let is_silent = |state: &mut Scene| {
            state.machines.iter().any(|machine| machine.guest.uuid == uuid && machine.is_silent)
        };
        let waited = self.changed.wait_while(self.lock(), is_silent);
        let state = waited.unwrap_or_else(PoisonError::into_inner);
        state.reachable()?;
        let machine = state.machines.iter().find(|machine| machine.guest.uuid == uuid);
        Ok(match machine {
            Some(Machine { pause: Aftermath::Settled, .. }) => Aftermath::Settled,
            Some(machine) if machine.guest.state == GuestState::Paused => {
                machine.job().map_or(machine.pause, |job| Aftermath::Busy { job: Some(job) })
            }
            _ => Aftermath::Settled,
        })
    }

    pub(super) fn max_downtime(&self, name: &str) -> Option<Duration> {
        self.lock().machine(name).map(|machine| machine.max_downtime)
    }

    /// Gives the limit that was there before.
    pub(super) fn set_max_downtime(&self, name: &str, limit: Duration) -> Option<Duration> {
        let mut before = None;
        self.change(name, |machine| before = Some(std::mem::replace(&mut machine.max_downtime, limit)));
        before
    }

    pub(super) fn set_launch_security(&self, name: &str, kind: &str) {
        self.change(name, |machine| machine.launch_security = Some(kind.to_owned()));
    }

    pub(super) fn launch_security(&self, name: &str) -> Option<String> {
        self.lock().machine(name).and_then(|machine| machine.launch_security.clone())
    }

    pub(super) fn change_byte(&self, name: &str, place: usize) {
        self.change(name, |machine| machine.changed_bytes.push(place));
    }

    pub(super) fn set_exact_iterations(&self, name: &str, iterations: u64) {
        self.change(name, |machine| machine.exact_iterations = Some(iterations));
    }

    pub(super) fn exact_iterations(&self, name: &str) -> Option<u64> {
        self.lock().machine(name).and_then(|machine| machine.exact_iterations)
    }

    pub(super) fn next_dump(&self, name: &str, faults: &[Fault]) {
        self.change(name, |machine| machine.scripts.push_back(faults.to_vec()));
    }

    pub(super) fn release(&self, name: &str) {
        self.change(name, |machine| {
            if let Some(dump) = &mut machine.dump {
                dump.hold = None;
            }
        });
    }

    pub(super) fn set_available(&self, available: bool) {
        self.lock().unavailable = !available;
    }

    pub(super) fn state(&self, name: &str) -> GuestState {
        self.lock().machine(name).map_or(GuestState::Unknown, |machine| machine.guest.state)
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    pub(super) fn lookups(&self) -> usize {
        self.lock().lookups
    }

    pub(super) fn most_dumps_at_once(&self) -> usize {
        self.lock().most_dumps
    }

    pub(super) fn image(&self, name: &str) -> Vec<u8> {
        let Some(bytes) = self.memory_bytes(name) else { return Vec::new() };
        let mut image = elf_core(name, bytes);
        let changed = self.lock().machine(name).map(|machine| machine.changed_bytes.clone());
        for place in changed.unwrap_or_default() {
            if let Some(byte) = image.get_mut(RAM_AT.saturating_add(place)) {
                *byte = !*byte;
            }
        }
        image
    }

    pub(super) fn live_stream(&self, name: &str) -> LiveStream {
        self.memory_bytes(name).map_or_else(LiveStream::default, |bytes| live_stream(name, bytes))
    }

    fn memory_bytes(&self, name: &str) -> Option<usize> {
        let memory = self.lock().machine(name).map(|machine| machine.guest.memory_max.0)?;
        usize::try_from(memory).ok()
    }

    pub(super) fn guests(&self) -> Result<Vec<Guest>, HypervisorError> {
        let mut state = self.lock();
        state.lookups += 1;
        state.reachable()?;
        let described = state.machines.iter().map(|machine| machine.guest.clone());
        Ok(described
            .map(|guest| Guest { id: guest.id.filter(|_| guest.state.has_memory()), ..guest })
            .collect())
    }

    pub(super) fn resume(&self, guest: &Guest) -> Result<(), HypervisorError> {
        let mut state = self.lock();
        state.reachable()?;
        state.calls.push(Call::Resume(guest.name.clone()));
        drop(state);
        self.change(&guest.name.0, |machine| {
            if machine.guest.state == GuestState::Paused {
                machine.guest.state = GuestState::Running;
                machine.is_migrated = false;
                machine.pause = Aftermath::Stranded;
            }
        });
        Ok(())
    }

    pub(super) fn wait_for_state(&self, name: &str, wanted: GuestState) {
        self.wait(|state| state.machine(name).is_some_and(|machine| machine.guest.state == wanted));
    }

    pub(super) fn wait_until_stalled(&self, name: &str) {
        self.wait(|state| {
            state.machine(name).and_then(|machine| machine.dump.as_ref()).is_some_and(|dump| dump.stalled)
        });
    }

    /// Notes a dump with this `call`, and stops the guest of a frozen one unless the dump is refused. Gives the faults
    /// of this dump.
    pub(super) fn begin_dump(
        &self,
        guest: &Guest,
        call: Call,
        hold: OwnedFd,
    ) -> Result<Vec<Fault>, HypervisorError> {
        let is_live = matches!(call, Call::BeginLiveDump(..));
        let mut state = self.lock();
        if let Some(job) = state.machine(&guest.name.0).and_then(Machine::job) {
            return Err(HypervisorError::Busy { guest: guest.name.clone(), job: Some(job) });
        }
        state.calls.push(call);
        let Some(machine) = state.machines.iter_mut().find(|machine| machine.guest.uuid == guest.uuid) else {
            return Err(super::not_found(&guest.name.0));
        };
        let faults = machine.scripts.pop_front().unwrap_or_default();
        let name = guest.name.clone();
        if faults.contains(&Fault::Refused) {
            return Err(HypervisorError::Dump { guest: name, source: "refused on request".into() });
        }
        if is_live && (machine.is_migrated || faults.contains(&Fault::CannotMigrate)) {
            let source =
                if machine.is_migrated { "paused due to previous migration" } else { "blocked on request" };
            return Err(HypervisorError::CannotMigrate { guest: name, source: source.into() });
        }
        let state_before = machine.guest.state;
        machine.dump = Some(DumpUnderWay {
            state_before,
            stopped: !is_live,
            stalled: false,
            aborted: false,
            questions: 0,
            hold: Some(hold),
        });
        if !is_live {
            machine.guest.state = GuestState::Paused;
        }
        state.dumps += 1;
        state.most_dumps = state.most_dumps.max(state.dumps);
        self.changed.notify_all();
        Ok(faults)
    }

    /// Stops the guest of a live dump.
    pub(super) fn begin_last_pass(&self, name: &GuestName) {
        self.change(&name.0, |machine| {
            let Some(dump) = &mut machine.dump else { return };
            machine.is_migrated = machine.guest.state == GuestState::Paused;
            dump.stopped = dump.state_before == machine.guest.state;
            machine.guest.state = GuestState::Paused;
        });
    }

    /// Ends the live dump of a guest, if there is one, as soon as its thread notices.
    pub(super) fn abort(&self, name: &GuestName) -> Result<(), HypervisorError> {
        let mut state = self.lock();
        state.reachable()?;
        let machine = state.machines.iter_mut().find(|machine| machine.guest.name == *name);
        if let Some(dump) = machine.and_then(|machine| machine.dump.as_mut()) {
            dump.aborted = true;
            dump.hold = None;
            state.calls.push(Call::Abort(name.clone()));
        }
        Ok(())
    }

    pub(super) fn is_aborted(&self, name: &GuestName) -> bool {
        let state = self.lock();
        state.machine(&name.0).and_then(|machine| machine.dump.as_ref()).is_some_and(|dump| dump.aborted)
    }

    /// How often it was asked how far the guest's dump is, this time included; `None` if it has none.
    pub(super) fn question(&self, name: &GuestName) -> Result<Option<u64>, HypervisorError> {
        let mut state = self.lock();
        state.reachable()?;
        let machine = state.machines.iter_mut().find(|machine| machine.guest.name == *name);
        Ok(machine.and_then(|machine| machine.dump.as_mut()).map(|dump| {
            dump.questions += 1;
            dump.questions
        }))
    }

    pub(super) fn dump_stalls(&self, name: &GuestName) {
        self.change(&name.0, |machine| {
            if let Some(dump) = &mut machine.dump {
                dump.stalled = true;
            }
        });
    }

    pub(super) fn end_dump(&self, name: &GuestName, stays_paused: bool) {
        let mut state = self.lock();
        state.calls.push(Call::DumpEnded(name.clone()));
        state.dumps = state.dumps.saturating_sub(1);
        drop(state);
        self.change(&name.0, |machine| {
            // An operator may have changed the state during the dump: then it is the operator's.
            let Some(dump) = machine.dump.take() else { return };
            if stays_paused && machine.guest.state == dump.state_before {
                machine.guest.state = GuestState::Paused;
            } else if !stays_paused && dump.stopped && machine.guest.state == GuestState::Paused {
                machine.guest.state = dump.state_before;
            }
        });
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.lock().machines.iter_mut().find(|machine| machine.guest.name.0 == name) {
            change(machine);
        }
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&Scene) -> bool) {
        let waited = self.changed.wait_while(self.lock(), |state| !until(state));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, Scene> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Machine {
    fn job(&self) -> Option<&'static str> {
        self.dump.as_ref().map(|_| "dump").or(self.foreign_job.map(|(job, _)| job))
    }
}

impl Scene {
    fn reachable(&self) -> Result<(), HypervisorError> {
        if self.unavailable {
            let source = "unavailable on request".into();
            return Err(HypervisorError::Connect { uri: URI.to_owned(), source });
        }
        Ok(())
    }

    fn machine(&self, name: &str) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.guest.name.0 == name)
    }
}
