//! What is seen of a dump under way without asking anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The signs of one dump. To look at them costs nothing and waits for nothing, so the thread that reads the stream may.
/// Clones show the same dump.
#[derive(Clone, Debug, Default)]
pub struct DumpSigns {
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    failed: AtomicBool,
    stopped: AtomicBool,
    returned: AtomicBool,
}

impl DumpSigns {
    /// Whether the hypervisor has called the dump failed. Nobody writes into the stream on purpose any more, whatever
    /// still comes: close it.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.seen.failed.load(Ordering::Acquire)
    }

    /// Whether the guest was seen to stop, and not to run again, since the dump began. An event says so, some
    /// milliseconds late.
    #[must_use]
    pub fn guest_is_stopped(&self) -> bool {
        self.seen.stopped.load(Ordering::Acquire)
    }

    /// Whether the hypervisor's call has returned, well or not.
    pub(crate) fn has_returned(&self) -> bool {
        self.seen.returned.load(Ordering::Acquire)
    }

    pub(crate) fn call_returned(&self) {
        self.seen.returned.store(true, Ordering::Release);
    }

    pub(crate) fn fail(&self) {
        self.seen.failed.store(true, Ordering::Release);
    }

    pub(crate) fn guest_stopped(&self, is_stopped: bool) {
        self.seen.stopped.store(is_stopped, Ordering::Release);
    }
}
