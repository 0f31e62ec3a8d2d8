//! The port of a live dump: the memory of a guest that goes on running.
//!
//! ```text
//! begin_live_dump ──► first pass ──► further passes ──► guest stopped, last pass ──► end of stream ──► finish
//!                         │                │                        │
//!                         └── abort ───────┴────────────────────────┴──► read to the end ──► finish: Aborted
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use memdeck_model::ByteCount;

use crate::{DumpOutcome, DumpSigns, DumpStream, HypervisorError};

/// How a live dump is to be taken. There is no limit of bandwidth: who reads the stream slowly limits it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveOptions {
    /// How long the guest may be stopped at the end, in whole milliseconds and at least one. The hypervisor goes by an
    /// estimate, so it is a target. Without it the guest's present setting holds (QEMU: 300 ms).
    pub pause_budget: Option<Duration>,
}

/// A live dump under way.
///
/// Dropping it aborts the dump and returns when the guest runs, or after the hypervisor's time limit.
pub struct LiveDump {
    /// A QEMU migration stream (`QEVM`) as the hypervisor writes it. Reads block. Its end says nothing about success:
    /// [`LiveCall::finish`] does, and the stream's own end mark.
    pub stream: DumpStream,
    /// The hypervisor's call that writes into the stream.
    pub call: Box<dyn LiveCall>,
}

impl fmt::Debug for LiveDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveDump").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// The hypervisor's side of a live dump under way. It keeps the pipe open until the hypervisor has ended, whatever
/// becomes of the stream, because a pipe closed near the end would leave the guest stopped. Dropped before
/// [`finish`](Self::finish), it aborts the dump.
pub trait LiveCall: Send {
    /// What is seen of the dump without asking.
    fn signs(&self) -> DumpSigns;

    /// A handle for other threads, while this one reads the stream.
    fn control(&self) -> Arc<dyn LiveControl>;

    /// Waits until the hypervisor says how the dump ended. Read the stream to its end before: what is left in it is
    /// thrown away. When this returns, a guest that ran before the dump runs again.
    ///
    /// # Errors
    /// [`HypervisorError::Aborted`], the dump failed, or the hypervisor does not answer.
    fn finish(self: Box<Self>) -> Result<DumpOutcome, HypervisorError>;
}

/// Watches a live dump, and ends it, while another thread reads its stream.
pub trait LiveControl: Send + Sync {
    /// How far the dump is; `None` if it has not begun or has ended. While the guest is stopped for the last pass
    /// the answer waits for the reader, so do not ask from the thread that reads.
    ///
    /// # Errors
    /// The hypervisor refuses, cannot be reached or does not answer.
    fn stats(&self) -> Result<Option<LiveStats>, HypervisorError>;

    /// Makes the hypervisor abort the dump; go on reading to the end of the stream, then
    /// [`finish`](LiveCall::finish). Takes some tenths of a second, in which nothing is read from the hypervisor, so that
    /// it hears of the abort at a moment at which that does not harm the guest. A dump that has ended, and one whose
    /// guest is already stopped for the last pass, is left alone and may still succeed.
    ///
    /// # Errors
    /// The hypervisor refuses or cannot be reached. The dump goes on.
    fn abort(&self) -> Result<(), HypervisorError>;
}

/// How far a live dump is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveStats {
    /// Passes through the memory that have begun, the first one included.
    pub iteration: u64,
    /// Bytes of memory that the guest writes per second; `None` until it was measured, for a second or so.
    pub dirty_rate_per_s: Option<ByteCount>,
    /// How long the guest would be stopped if the last pass began now; `None` until there is an estimate.
    pub expected_downtime: Option<Duration>,
    /// Bytes written into the stream.
    pub data_processed: ByteCount,
    /// Bytes of memory that the present pass has still to go through.
    pub data_remaining: ByteCount,
    /// Bytes per second that are written; `None` until it was measured.
    pub rate_per_s: Option<ByteCount>,
    /// Time since the dump began.
    pub elapsed: Duration,
}
