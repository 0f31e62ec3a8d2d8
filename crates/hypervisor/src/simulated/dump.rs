//! A dump of a simulated guest: a thread that writes into a real pipe.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use memdeck_model::{Guest, GuestName, GuestState};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use super::world::World;
use super::{Call, Fault, PAUSE};
use crate::stream::{Ending, Pipe, Pump};
use crate::{Cause, DumpCall, DumpOutcome, DumpSigns, DumpStream, FrozenDump, HypervisorError};

type Outcome = Result<DumpOutcome, HypervisorError>;

pub(super) fn begin(world: &Arc<World>, guest: &Guest) -> Result<FrozenDump, HypervisorError> {
    let failed = |error: io::Error| failed(&guest.name, error);
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from).map_err(failed);
    let (reader, writer) = pipe()?;
    let (released, hold) = pipe()?;
    let image = world.image(&guest.name.0);
    let faults = world.begin_dump(guest, Call::BeginDump(guest.name.clone()), hold)?;

    let (send, outcome) = sync_channel(1);
    let (thread_world, name, before) = (Arc::clone(world), guest.name.clone(), guest.state);
    let signs = DumpSigns::default();
    let stream = stream(reader, Ending::Close, &signs).map_err(failed)?;
    let thread_signs = signs.clone();
    let thread = std::thread::Builder::new().name("simulated-dump".into()).spawn(move || {
        let stall = || {
            thread_world.dump_stalls(&name);
        };
        let written = write(image, File::from(writer), &faults, &released, stall);
        thread_world.end_dump(&name, faults.contains(&Fault::StaysPaused));
        // The reader may have gone.
        let outcome = judge(&name, before, &faults, written).inspect_err(|_| thread_signs.fail());
        thread_signs.call_returned();
        let _ = send.send(outcome);
    });
    if let Err(error) = thread {
        world.end_dump(&guest.name, false);
        return Err(failed(error));
    }
    Ok(FrozenDump { stream, call: Box::new(SimulatedCall { guest: guest.name.clone(), signs, outcome }) })
}

/// The pump of a pipe.
pub(super) fn stream(reader: OwnedFd, ending: Ending, signs: &DumpSigns) -> io::Result<DumpStream> {
    let open = move || Ok(Pipe { reader, writer: None, path: String::new() });
    Ok(Pump::start(ending, signs.clone(), Duration::MAX, open)?.stream)
}

/// Writes the stream; closes it before it returns.
fn write(
    mut image: Vec<u8>,
    mut writer: File,
    faults: &[Fault],
    released: &OwnedFd,
    on_stall: impl Fn(),
) -> io::Result<()> {
    let offset = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut stall_at = usize::MAX;
    for fault in faults {
        match *fault {
            Fault::EndsAt(bytes) => image.truncate(offset(bytes)),
            Fault::ExtraBytes(bytes) => image.resize(image.len().saturating_add(offset(bytes)), 0xee),
            Fault::StallsAt(bytes) => stall_at = offset(bytes),
            Fault::Refused
            | Fault::CannotMigrate
            | Fault::DoesNotConverge
            | Fault::Compressed
            | Fault::Aborted
            | Fault::Fails
            | Fault::StaysPaused
            | Fault::PauseMissed => {}
        }
    }
    let (before, after) = image.split_at_checked(stall_at).unwrap_or((&image, &[]));
    writer.write_all(before)?;
    if stall_at <= image.len() {
        on_stall();
        wait_for_release(&writer, released)?;
    }
    writer.write_all(after)
}

/// Waits until the test lets the dump go on or the reader closes the stream.
pub(super) fn wait_for_release(writer: &File, released: &OwnedFd) -> io::Result<()> {
    loop {
        // A pipe without readers is an error of its write end, which needs no asking for.
        let mut fds = [
            PollFd::from_borrowed_fd(released.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(writer.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result.map(drop)?),
        }
    }
}

fn judge(guest: &GuestName, before: GuestState, faults: &[Fault], written: io::Result<()>) -> Outcome {
    written.map_err(|error| failed(guest, error))?;
    if faults.contains(&Fault::Fails) {
        return Err(failed(guest, "failed on request"));
    }
    Ok(DumpOutcome { pause: pause(before, faults), pause_source: None, stopped_at: None, live: None })
}

pub(super) fn pause(before: GuestState, faults: &[Fault]) -> Option<Duration> {
    match before {
        _ if faults.contains(&Fault::PauseMissed) => None,
        GuestState::Running | GuestState::Blocked => Some(PAUSE),
        _ => Some(Duration::ZERO),
    }
}

pub(super) fn failed(guest: &GuestName, source: impl Into<Cause>) -> HypervisorError {
    HypervisorError::Dump { guest: guest.clone(), source: source.into() }
}

struct SimulatedCall {
    guest: GuestName,
    signs: DumpSigns,
    outcome: Receiver<Outcome>,
}

impl DumpCall for SimulatedCall {
    fn signs(&self) -> DumpSigns {
        self.signs.clone()
    }

    fn finish(self: Box<Self>) -> Outcome {
        self.outcome.recv().unwrap_or_else(|error| Err(failed(&self.guest, error)))
    }
}
