//! What is known of a dump when it has ended.

use std::time::Duration;

use memdeck_model::{ByteCount, PauseSource, Timestamp};

/// What is known of a dump that the hypervisor calls a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DumpOutcome {
    /// How long the dump stopped the guest: zero if it was stopped before, `None` if it was not observed.
    pub pause: Option<Duration>,
    /// How the pause was measured; `None` if it was not, or if there was none to measure.
    pub pause_source: Option<PauseSource>,
    /// When the dump stopped the guest, by the host's clock; `None` if only its length is known.
    pub stopped_at: Option<Timestamp>,
    /// What the hypervisor's own statistics say of a live dump; `None` for a frozen one, which has none.
    pub live: Option<LiveOutcome>,
}

/// The hypervisor's statistics of a finished live dump, as far as it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveOutcome {
    /// How long the guest was stopped, as the hypervisor counts it.
    pub downtime: Option<Duration>,
    /// How long the dump took.
    pub elapsed: Option<Duration>,
    /// How often the memory was gone through; the first time all of it.
    pub iterations: Option<u64>,
    /// Bytes of memory that the guest wrote per second. `None` if the dump was too short for a figure.
    pub dirty_rate_per_s: Option<ByteCount>,
    /// Bytes that went into the stream.
    pub data_processed: Option<ByteCount>,
}
