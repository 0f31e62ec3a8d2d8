//! The thread that reads the pipe of a dump. Whatever it does returns at once, or within [`LOOK_INTERVAL`].

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{Chunk, Cut, DumpStream, HOLD_LIMIT, Handover, Valve};
use crate::DumpSigns;

/// How long the pump waits for anything before it looks at its limits again.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// As the kernel takes it.
const LOOK_TIMEOUT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// How long the end of a stream is waited for after its call has failed: QEMU may go on writing where libvirtd died.
const END_PATIENCE: Duration = Duration::from_millis(200);
/// How long nothing moves in a full pipe before its writer is taken to wait for it. An event that the guest was stopped
/// arrives within that time.
const STILL_AFTER: Duration = Duration::from_millis(100);
/// The same of a pipe that is not full: its writer may be counting what the guest has changed.
const STILL_AFTER_IDLE: Duration = Duration::from_secs(1);
/// How often a pipe that is held is looked at.
const HOLD_INTERVAL: Duration = Duration::from_millis(5);
/// What is read at a time where nothing is to be read ahead.
const LOCKSTEP_BYTES: usize = 64 << 10;

/// The ends of a pipe that the pump has opened. They belong to its table of descriptors.
pub(crate) struct Pipe {
    pub(crate) reader: OwnedFd,
    /// Kept until the hypervisor has opened the pipe or will not do so any more: until then the path leads here. While it
    /// is open there is no end of the stream.
    pub(crate) writer: Option<OwnedFd>,
    /// What the hypervisor is to write to.
    pub(crate) path: String,
}

/// What becomes of a pipe whose dump is ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is closed.
    Close,
    /// It is emptied until the hypervisor is done.
    Drain,
}

/// What happened first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// There are bytes to read.
    Bytes,
    /// The hypervisor's call returned, and there are none.
    Returned,
    /// Neither, in the time given. The pump waits on, and reports what comes.
    Nothing,
}

/// A pump as the one who began it sees it.
pub(crate) struct Pump {
    pub(crate) stream: DumpStream,
    /// What the hypervisor is to write to.
    pub(crate) path: String,
    pub(crate) arrivals: Receiver<Arrival>,
}

impl Pump {
    /// Starts the thread, which opens the pipe itself with `open`, so that no other thread has its descriptors. The first
    /// bytes are waited for as long as `begin_limit`.
    pub(crate) fn start(
        ending: Ending,
        signs: DumpSigns,
        begin_limit: Duration,
        open: impl FnOnce() -> io::Result<Pipe> + Send + 'static,
    ) -> io::Result<Self> {
        let valve = Valve::default();
        let (stream, handover) = DumpStream::new(valve.clone());
        let (opened, opening) = sync_channel(1);
        // A first one, and one more after `Nothing`.
        let (arrived, arrivals) = sync_channel(2);
        std::thread::Builder::new().name("dump-pipe".into()).spawn(move || {
            valve.belongs_here();
            match open() {
                Ok(Pipe { reader, writer, path }) => {
                    let thread = Thread { reader, ending, signs, valve, handover };
                    if opened.send(Ok(path)).is_ok() {
                        thread.run(writer, begin_limit, &arrived);
                    }
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        })?;
        let path = opening.recv().map_err(io::Error::other)??;
        Ok(Self { stream, path, arrivals })
    }
}

struct Thread {
    reader: OwnedFd,
    ending: Ending,
    signs: DumpSigns,
    valve: Valve,
    handover: Handover,
}

/// How long the guest has stood still, and since when nothing has moved.
struct Watched {
    stopped_since: Option<Instant>,
    moved_at: Instant,
    failed_since: Option<Instant>,
}

impl Thread {
    fn run(self, writer: Option<OwnedFd>, begin_limit: Duration, arrived: &SyncSender<Arrival>) {
        let first = self.wait_for_bytes(Some(begin_limit));
        // The caller may have gone.
        let _ = arrived.try_send(first);
        let arrival = if first == Arrival::Nothing { self.wait_for_bytes(None) } else { first };
        if first == Arrival::Nothing {
            let _ = arrived.try_send(arrival);
        }
        drop(writer);
        if arrival == Arrival::Bytes {
            self.pump();
        }
    }

    /// Waits for the first bytes or the end of the call.
    fn wait_for_bytes(&self, limit: Option<Duration>) -> Arrival {
        let began = Instant::now();
        loop {
            let has_returned = self.signs.has_returned();
            let ready = self.poll();
            if ready.contains(PollFlags::IN) {
                return Arrival::Bytes;
            }
            if has_returned {
                return Arrival::Returned;
            }
            if limit.is_some_and(|limit| began.elapsed() >= limit || self.valve.is_given_up()) {
                return Arrival::Nothing;
            }
            // A FIFO whose writer left without a byte says so again and again: only the call is waited for then.
            if !ready.is_empty() {
                std::thread::park_timeout(LOOK_INTERVAL);
            }
        }
    }

    /// Waits a moment for the pipe.
    fn poll(&self) -> PollFlags {
        let mut fds = [PollFd::from_borrowed_fd(self.reader.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&LOOK_TIMEOUT)) {
            Ok(_) => fds.iter().map(PollFd::revents).collect(),
            Err(_) => PollFlags::empty(),
        }
    }

    /// Reads to the end of the stream, or until the dump must be ended.
    fn pump(self) {
        // Without it a read could wait for the hypervisor, for longer than the guest may stand still.
        if set_nonblocking(&self.reader).is_err() {
            self.end_early(Cut::GivenUp);
            return;
        }
        let began = Instant::now();
        let mut watched = Watched {
            stopped_since: (self.ending == Ending::Close).then_some(began),
            moved_at: began,
            failed_since: None,
        };
        let mut current: Option<Chunk> = None;
        loop {
            if let Some(cut) = self.must_cut(&mut watched) {
                self.end_early(cut);
                return;
            }
            if self.valve.is_held() {
                keep_still(&self.reader, &self.signs, &self.valve);
            }
            let is_lockstep = self.valve.is_lockstep();
            if is_lockstep && self.handover.waiting.load(Ordering::Acquire) > 0 {
                std::thread::park_timeout(LOOK_INTERVAL);
                continue;
            }
            let Some(mut chunk) = current.take().or_else(|| self.handover.free.try_recv().ok()) else {
                // The reader is behind; it wakes us.
                std::thread::park_timeout(LOOK_INTERVAL);
                continue;
            };
            if is_lockstep && chunk.filled > 0 {
                current = self.hand_over(chunk);
                continue;
            }
            let end = if is_lockstep { LOCKSTEP_BYTES } else { chunk.bytes.len() };
            let room = chunk.bytes.get_mut(chunk.filled..end).unwrap_or_default();
            match rustix::io::read(&self.reader, room) {
                Ok(0) => {
                    self.end(chunk);
                    return;
                }
                Ok(count) => {
                    chunk.filled += count;
                    watched.moved_at = Instant::now();
                    current =
                        if chunk.filled < end && !is_lockstep { Some(chunk) } else { self.hand_over(chunk) };
                }
                Err(Errno::INTR) => current = Some(chunk),
                Err(Errno::AGAIN) => {
                    // The reader would wait for what is here.
                    let is_awaited = self.handover.waiting.load(Ordering::Acquire) == 0;
                    current =
                        if chunk.filled > 0 && is_awaited { self.hand_over(chunk) } else { Some(chunk) };
                    self.poll();
                }
                Err(_) => {
                    self.end_early(Cut::GivenUp);
                    return;
                }
            }
        }
    }

    /// Passes a chunk on. Never waits: there is room for all chunks that there are. A reader that has gone has given the
    /// dump up.
    fn hand_over(&self, chunk: Chunk) -> Option<Chunk> {
        self.handover.waiting.fetch_add(1, Ordering::AcqRel);
        let _ = self.handover.full.try_send(chunk);
        None
    }

    fn must_cut(&self, watched: &mut Watched) -> Option<Cut> {
        let now = Instant::now();
        if self.valve.is_given_up() {
            return Some(Cut::GivenUp);
        }
        if self.signs.has_failed() {
            let since = *watched.failed_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= END_PATIENCE {
                return Some(Cut::GivenUp);
            }
        }
        if self.ending == Ending::Drain {
            let is_stopped = self.signs.guest_is_stopped();
            watched.stopped_since =
                if is_stopped { Some(watched.stopped_since.unwrap_or(now)) } else { None };
        }
        let since = watched.stopped_since?;
        let is_over = |since: Instant, limit: Option<Duration>| {
            limit.is_some_and(|limit| now.saturating_duration_since(since) >= limit)
        };
        if is_over(since, self.valve.pause_limit()) {
            Some(Cut::PauseLimit)
        } else if is_over(since.max(watched.moved_at), self.valve.no_progress_limit()) {
            Some(Cut::NoProgress)
        } else {
            None
        }
    }

    /// The stream has ended.
    fn end(self, last: Chunk) {
        if last.filled > 0 {
            self.hand_over(last);
        }
        self.valve.set_ended();
    }

    /// Ends the dump. The reader gets an error.
    fn end_early(self, cut: Cut) {
        let Self { reader, ending, signs, valve, handover } = self;
        valve.set_cut(cut);
        let Handover { full, free, .. } = handover;
        drop((full, free));
        if ending == Ending::Drain {
            valve.hold();
            keep_still(&reader, &signs, &valve);
            drain(&reader, &signs);
        }
    }
}

/// Reads nothing until the abort was answered, and says when nothing moves any more. A guest that is stopped waits for
/// what is left of the stream: then it comes at once.
fn keep_still(reader: &OwnedFd, signs: &DumpSigns, valve: &Valve) {
    let began = Instant::now();
    let room = rustix::pipe::fcntl_getpipe_size(reader).map_or(u64::MAX, |bytes| bytes as u64);
    let (mut inside, mut since) = (None, began);
    while valve.is_held() && !(signs.guest_is_stopped() || signs.has_failed() || signs.has_returned()) {
        let now = Instant::now();
        if now.saturating_duration_since(began) >= HOLD_LIMIT {
            valve.release();
            return;
        }
        let bytes = rustix::io::ioctl_fionread(reader).ok();
        if bytes != inside {
            (inside, since) = (bytes, now);
        }
        let is_full = bytes.is_some_and(|bytes| bytes >= room / 2);
        let still_after = if is_full { STILL_AFTER } else { STILL_AFTER_IDLE };
        if now.saturating_duration_since(since) >= still_after {
            valve.set_still();
        }
        std::thread::park_timeout(HOLD_INTERVAL);
    }
}

/// Reads and forgets, until the hypervisor is done. A call that has failed leaves a QEMU behind that runs on when nobody
/// reads.
fn drain(reader: &OwnedFd, signs: &DumpSigns) {
    let mut scratch = [0; 16 << 10];
    while !signs.has_failed() {
        let has_returned = signs.has_returned();
        match rustix::io::read(reader, &mut scratch) {
            Ok(0) => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if !has_returned => {
                let mut fds = [PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN)];
                let _ = poll(&mut fds, Some(&LOOK_TIMEOUT));
            }
            Err(_) => return,
        }
    }
}

fn set_nonblocking(reader: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(reader)?;
    Ok(rustix::fs::fcntl_setfl(reader, flags | OFlags::NONBLOCK)?)
}
