//! A live dump of a simulated guest. As at a real hypervisor, the pipe stays open until the dump has ended.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use memdeck_model::{ByteCount, Guest, GuestName, GuestState};
use rustix::pipe::{PipeFlags, pipe_with};

use super::dump::{failed, pause, stream, wait_for_release};
use super::qevm::LiveStream;
use super::world::World;
use super::{Call, Fault};
use crate::stream::Ending;
use crate::{
    DumpOutcome, DumpSigns, HypervisorError, LiveCall, LiveControl, LiveDump, LiveOptions, LiveOutcome,
    LiveStats, Valve,
};

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// How often an abort is looked for.
const WRITE_BYTES: usize = 16 << 10;

/// What the statistics say of a guest that converges, and of one that does not.
const CALM: LiveStats = LiveStats {
    iteration: 1,
    dirty_rate_per_s: Some(ByteCount::from_mib(1)),
    expected_downtime: Some(super::PAUSE),
    data_processed: ByteCount(0),
    data_remaining: ByteCount::from_mib(1),
    rate_per_s: Some(ByteCount::from_mib(1000)),
    elapsed: Duration::ZERO,
};
const HOT: LiveStats = LiveStats {
    dirty_rate_per_s: Some(ByteCount::from_mib(1000)),
    expected_downtime: Some(Duration::from_secs(4)),
    rate_per_s: Some(ByteCount::from_mib(100)),
    ..CALM
};

type Outcome = Result<DumpOutcome, HypervisorError>;

pub(super) fn begin(
    world: &Arc<World>,
    guest: &Guest,
    options: LiveOptions,
) -> Result<LiveDump, HypervisorError> {
    let failure = |error: io::Error| failed(&guest.name, error);
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from).map_err(failure);
    let (reader, writer) = pipe()?;
    let (released, hold) = pipe()?;
    let faults = world.begin_dump(guest, Call::BeginLiveDump(guest.name.clone(), options), hold)?;

    let stats = if faults.contains(&Fault::DoesNotConverge) { HOT } else { CALM };
    let signs = DumpSigns::default();
    let stream = stream(reader, Ending::Drain, &signs).map_err(failure)?;
    let job = Job { world: Arc::clone(world), guest: guest.name.clone(), faults, signs: signs.clone() };
    let own_downtime = options.pause_budget.and_then(|budget| world.set_max_downtime(&guest.name.0, budget));
    let (send, outcome) = sync_channel(1);
    let before = guest.state;
    let thread = std::thread::Builder::new().name("simulated-live".into()).spawn(move || {
        let outcome = job.run(before, writer, &released).inspect_err(|_| job.signs.fail());
        if let Some(limit) = own_downtime {
            job.world.set_max_downtime(&job.guest.0, limit);
        }
        job.signs.guest_stopped(false);
        let stays_paused = job.faults.contains(&Fault::StaysPaused);
        if stays_paused {
            // QEMU has stopped it, and libvirt did not tell it to.
            job.world.set_unexplained(&job.guest.0);
        }
        job.world.end_dump(&job.guest, stays_paused);
        job.signs.call_returned();
        // The reader may have gone.
        let _ = send.send(outcome);
    });
    if let Err(error) = thread {
        world.end_dump(&guest.name, false);
        return Err(failure(error));
    }
    let valve = stream.valve();
    let control = SimulatedControl {
        world: Arc::clone(world),
        guest: guest.name.clone(),
        stats,
        signs: signs.clone(),
        valve,
    };
    let call = SimulatedLive { signs, control: Arc::new(control), rest: Some(stream.valve()), outcome };
    Ok(LiveDump { stream, call: Box::new(call) })
}

/// What happens in the middle of the stream.
enum Step {
    Stall,
    Abort,
    LastPass,
}

/// The hypervisor's side, on its own thread.
struct Job {
    world: Arc<World>,
    guest: GuestName,
    faults: Vec<Fault>,
    signs: DumpSigns,
}

impl Job {
    /// Writes the stream; closes it before it returns.
    fn run(&self, before: GuestState, writer: OwnedFd, released: &OwnedFd) -> Outcome {
        let LiveStream { mut bytes, last_pass_at } = self.world.live_stream(&self.guest.0);
        let size = ByteCount(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let steps = self.spoil(&mut bytes, last_pass_at);
        let mut writer = File::from(writer);
        let mut written = 0;
        for (at, step) in steps {
            let Some(part) = bytes.get(written..at) else { break };
            self.write(&mut writer, part)?;
            written = at;
            match step {
                Step::Stall => {
                    self.world.dump_stalls(&self.guest);
                    wait_for_release(&writer, released).map_err(|error| failed(&self.guest, error))?;
                }
                Step::Abort => return Err(self.aborted()),
                Step::LastPass => {
                    self.signs.guest_stopped(true);
                    self.world.begin_last_pass(&self.guest);
                }
            }
        }
        self.write(&mut writer, bytes.get(written..).unwrap_or_default())?;
        if self.faults.contains(&Fault::Fails) {
            return Err(failed(&self.guest, "failed on request"));
        }
        let pause = pause(before, &self.faults);
        let live = LiveOutcome {
            downtime: pause,
            elapsed: Some(Duration::from_millis(200)),
            iterations: Some(2),
            dirty_rate_per_s: CALM.dirty_rate_per_s,
            data_processed: Some(size),
        };
        Ok(DumpOutcome { pause, pause_source: None, stopped_at: None, live: Some(live) })
    }

    /// Does to the stream what the faults say, and gives what happens on the way, in order.
    fn spoil(&self, bytes: &mut Vec<u8>, last_pass_at: usize) -> Vec<(usize, Step)> {
        let offset = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut steps = Vec::new();
        for fault in &self.faults {
            match *fault {
                Fault::EndsAt(end) => bytes.truncate(offset(end)),
                Fault::ExtraBytes(extra) => bytes.resize(bytes.len().saturating_add(offset(extra)), 0xee),
                Fault::StallsAt(at) => steps.push((offset(at), Step::Stall)),
                Fault::DoesNotConverge => steps.push((last_pass_at, Step::Stall)),
                Fault::Aborted => steps.push((last_pass_at, Step::Abort)),
                Fault::Compressed => bytes.iter_mut().zip(ZSTD_MAGIC).for_each(|(byte, other)| *byte = other),
                Fault::Refused
                | Fault::CannotMigrate
                | Fault::Fails
                | Fault::StaysPaused
                | Fault::PauseMissed => {}
            }
        }
        steps.push((last_pass_at, Step::LastPass));
        // Steps at the same place keep their order: the guest still runs in a stall before its last pass.
        steps.sort_by_key(|(at, _)| *at);
        steps
    }

    fn write(&self, writer: &mut File, bytes: &[u8]) -> Result<(), HypervisorError> {
        for part in bytes.chunks(WRITE_BYTES) {
            if self.world.is_aborted(&self.guest) {
                return Err(self.aborted());
            }
            writer.write_all(part).map_err(|error| failed(&self.guest, error))?;
        }
        Ok(())
    }

    fn aborted(&self) -> HypervisorError {
        HypervisorError::Aborted { guest: self.guest.clone() }
    }
}

struct SimulatedLive {
    signs: DumpSigns,
    control: Arc<SimulatedControl>,
    /// Throws away what is left of the stream; `None` when the dump has ended.
    rest: Option<Valve>,
    outcome: Receiver<Outcome>,
}

impl SimulatedLive {
    /// Throws away what is left of the stream and waits.
    fn end(&mut self) -> Outcome {
        let guest = &self.control.guest;
        if let Some(rest) = self.rest.take() {
            rest.release();
            rest.give_up();
        }
        self.outcome.recv().unwrap_or_else(|error| Err(failed(guest, error)))
    }
}

impl LiveCall for SimulatedLive {
    fn signs(&self) -> DumpSigns {
        self.signs.clone()
    }

    fn control(&self) -> Arc<dyn LiveControl> {
        Arc::clone(&self.control) as Arc<dyn LiveControl>
    }

    fn finish(mut self: Box<Self>) -> Outcome {
        self.end()
    }
}

impl Drop for SimulatedLive {
    fn drop(&mut self) {
        if self.rest.is_some() {
            // An unreachable hypervisor cannot be told, at a real one neither: then the dump ends by itself.
            let _ = self.control.abort();
            let _ = self.end();
        }
    }
}

struct SimulatedControl {
    world: Arc<World>,
    guest: GuestName,
    stats: LiveStats,
    signs: DumpSigns,
    valve: Valve,
}

impl LiveControl for SimulatedControl {
    fn stats(&self) -> Result<Option<LiveStats>, HypervisorError> {
        // Every question meets the next pass.
        let question = self.world.question(&self.guest)?;
        Ok(question.map(|number| LiveStats { iteration: number, ..self.stats }))
    }

    fn abort(&self) -> Result<(), HypervisorError> {
        self.valve.abort(&self.signs, |_| self.world.abort(&self.guest))
    }
}
