//! How far a running dump is.
//!
//! The thread that reads a guest stores numbers here and goes on: no lock, no allocation, nobody to wait for. The
//! publisher looks at them.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use memdeck_model::{ByteCount, DumpPhase, LiveProgress, Progress, WaitsFor};

use crate::status::Reached;

/// The newest numbers of one dump. Each is true by itself; two of them may be of different moments.
#[derive(Debug, Default)]
pub struct Gauge {
    phase: AtomicU8,
    bytes_done: AtomicU64,
    bytes_expected: AtomicU64,
    /// 0: not known, or not a live copy.
    iteration: AtomicU64,
    dirty_bytes_per_s: AtomicU64,
    waits_for: AtomicU8,
}

const COPYING: u8 = 0;
const STORING: u8 = 1;

/// What a running dump can wait for. Noted by its place here, from 1; 0 is nothing.
const WAITS: [WaitsFor; 4] = [WaitsFor::Room, WaitsFor::ForeignJob, WaitsFor::EarlierDump, WaitsFor::Catalog];

impl Gauge {
    /// So much is to be read; nothing has been so far.
    pub fn expect(&self, bytes: ByteCount) {
        self.bytes_done.store(0, Relaxed);
        self.bytes_expected.store(bytes.0, Relaxed);
    }

    /// The dump begins anew in another mode. Whatever the earlier one had read counts no more.
    pub fn begin_mode(&self) {
        self.phase.store(COPYING, Relaxed);
        self.bytes_done.store(0, Relaxed);
        self.iteration.store(0, Relaxed);
        self.wait_for(None);
    }

    /// What the dump waits for from now on.
    pub fn wait_for(&self, waits_for: Option<WaitsFor>) {
        let place = WAITS.iter().zip(1..).find(|(known, _)| Some(**known) == waits_for);
        self.waits_for.store(place.map_or(0, |(_, place)| place), Relaxed);
    }

    /// So much of the guest was read.
    pub fn copied(&self, bytes: Progress) {
        self.bytes_done.store(bytes.bytes_done.0, Relaxed);
        self.bytes_expected.store(bytes.bytes_expected.0, Relaxed);
    }

    /// How a live copy is getting on.
    pub fn live(&self, live: LiveProgress) {
        self.dirty_bytes_per_s.store(live.dirty_bytes_per_s.0, Relaxed);
        self.iteration.store(live.iteration, Relaxed);
    }

    /// So much of the image was stored.
    pub fn stored(&self, bytes: Progress) {
        self.copied(bytes);
        self.iteration.store(0, Relaxed);
        self.phase.store(STORING, Relaxed);
    }

    /// How far the dump is now.
    pub fn read(&self) -> Reached {
        let iteration = self.iteration.load(Relaxed);
        Reached {
            phase: if self.phase.load(Relaxed) == STORING { DumpPhase::Storing } else { DumpPhase::Copying },
            bytes: Progress {
                bytes_done: ByteCount(self.bytes_done.load(Relaxed)),
                bytes_expected: ByteCount(self.bytes_expected.load(Relaxed)),
            },
            live: (iteration > 0).then(|| LiveProgress {
                iteration,
                dirty_bytes_per_s: ByteCount(self.dirty_bytes_per_s.load(Relaxed)),
            }),
            waits_for: usize::from(self.waits_for.load(Relaxed))
                .checked_sub(1)
                .and_then(|place| WAITS.get(place).copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dump_waits_for_is_read_as_it_was_noted() {
        let gauge = Gauge::default();
        for waits_for in WAITS.map(Some).into_iter().chain([None]) {
            gauge.wait_for(waits_for);
            assert_eq!(gauge.read().waits_for, waits_for);
        }
    }
}
