//! The stream of a dump: a thread of its own reads the pipe, and hands the bytes on through bounded memory.
//!
//! ```text
//!                      ┌────── pump: own descriptor table, no lock, no file, no log ──────┐
//! hypervisor ──pipe──► │ chunks ──► full ───────────────────────────────────────────────► │ ──► whoever reads, spools,
//!                      │     ▲───── free ◄──────────────────────────────────────────────  │     waits for volumes
//!                      └── guest stopped too long, nothing moves, told to: cut ────────────┘
//! ```
//!
//! A guest that stands still waits for the pump alone. The pump's reader may hang on a volume for as long as it
//! likes: a thread in such a sleep survives SIGKILL and keeps the descriptors of its process, but those of the pipe are
//! not among them. So the pump can always end what the guest waits for, and so can the end of the process.
//!
//! How it ends a dump depends on its kind. A frozen dump fails, and its guest runs, as soon as the pipe is closed. The
//! pipe of a live dump is never closed early: near its end that would leave the guest stopped. It is held until the
//! hypervisor has heard of the abort, see [`Valve::abort`], and emptied into nothing until the hypervisor is done.

mod pump;
mod valve;

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

pub(crate) use pump::{Arrival, Ending, Pipe, Pump};
pub(crate) use valve::Moment;
pub use valve::{Cut, Valve};

/// Bytes that are handed on at once: they stay in a core's cache until they are read.
const CHUNK_BYTES: usize = 256 << 10;
/// How long a pipe may be held for an abort that is not answered: libvirtd may be away for so long.
const HOLD_LIMIT: Duration = Duration::from_secs(10);
/// How far the reader may be behind the pipe: 4 MiB.
const CHUNKS: usize = 16;

/// Bytes on their way.
struct Chunk {
    bytes: Box<[u8]>,
    /// How many count.
    filled: usize,
}

/// The read end of a dump. Dropped before its end, it aborts the dump.
pub struct DumpStream {
    full: Receiver<Chunk>,
    free: SyncSender<Chunk>,
    /// Chunks in `full`.
    waiting: Arc<AtomicUsize>,
    current: Option<Chunk>,
    /// Bytes of the current chunk that were read.
    position: usize,
    valve: Valve,
}

/// The pump's ends of the channels.
struct Handover {
    full: SyncSender<Chunk>,
    free: Receiver<Chunk>,
    waiting: Arc<AtomicUsize>,
}

impl DumpStream {
    fn new(valve: Valve) -> (Self, Handover) {
        let (full, filled) = sync_channel(CHUNKS);
        let (empty, free) = sync_channel(CHUNKS);
        for _ in 0..CHUNKS {
            // The channel has room for all of them.
            let _ = empty.try_send(Chunk { bytes: vec![0; CHUNK_BYTES].into_boxed_slice(), filled: 0 });
        }
        let waiting = Arc::<AtomicUsize>::default();
        let handover = Handover { full, free, waiting: Arc::clone(&waiting) };
        (Self { full: filled, free: empty, waiting, current: None, position: 0, valve }, handover)
    }

    /// Ends the dump from any thread, and says why it ended early.
    #[must_use]
    pub fn valve(&self) -> Valve {
        self.valve.clone()
    }

    /// Brings the next chunk. False at the end.
    fn advance(&mut self) -> io::Result<bool> {
        if let Some(mut chunk) = self.current.take() {
            chunk.filled = 0;
            // There is room for all of them; without a pump nobody needs it.
            let _ = self.free.try_send(chunk);
            self.valve.wake();
        }
        self.position = 0;
        match self.full.recv() {
            Ok(chunk) => {
                self.waiting.fetch_sub(1, Ordering::AcqRel);
                self.current = Some(chunk);
                Ok(true)
            }
            Err(_) if self.valve.has_ended() => Ok(false),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the dump was given up")),
        }
    }
}

impl Read for DumpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let rest = self
                .current
                .as_ref()
                .and_then(|chunk| chunk.bytes.get(self.position..chunk.filled))
                .unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.len().min(buffer.len());
                for (to, from) in buffer.chunks_mut(count.max(1)).zip(rest.chunks(count.max(1))).take(1) {
                    to.copy_from_slice(from);
                }
                self.position += count;
                return Ok(count);
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}

impl Drop for DumpStream {
    fn drop(&mut self) {
        self.valve.give_up();
    }
}

impl fmt::Debug for DumpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DumpStream").field("valve", &self.valve).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
