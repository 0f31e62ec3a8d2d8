//! How a verification that nobody waits for is held back: it gives way to dumps, keeps to a bandwidth, ends at once when its
//! image is to be deleted, and hurries when somebody asks for it after all.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memdeck_catalog::Catalog;
use memdeck_model::{DumpId, Progress};
use parking_lot::{Condvar, Mutex};

/// Between two looks whether a dump runs.
const LOOK: Duration = Duration::from_millis(250);
/// A verification that fell behind its bandwidth does not catch up on more than this.
const MOST_BEHIND: Duration = Duration::from_millis(250);
/// The longest that a deletion waits for a verification to end: it ends with its frame.
const LONGEST_END: Duration = Duration::from_secs(10);

/// What others want of a verification in the background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    /// That it takes its time.
    #[default]
    Slow,
    /// Its result, as soon as the disk allows.
    Fast,
    /// That it stops, because its image is to go.
    Ended,
}

#[derive(Debug, Default)]
struct Held {
    /// The image that is verified in the background.
    dump_id: Option<DumpId>,
    wish: Wish,
}

/// The verification in the background, of which there is one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Background(Arc<(Mutex<Held>, Condvar)>);

/// That one goes on; dropped when it has ended and no longer uses its image.
pub(super) struct GoesOn(Background);

impl Background {
    /// Of this image, from now on.
    pub(super) fn begin(&self, dump_id: &DumpId) -> GoesOn {
        *self.0.0.lock() = Held { dump_id: Some(dump_id.clone()), wish: Wish::Slow };
        GoesOn(self.clone())
    }

    /// Somebody waits for its result.
    pub(super) fn hurry(&self, dump_id: &DumpId) {
        let (held, changed) = &*self.0;
        let mut held = held.lock();
        if held.dump_id.as_ref() == Some(dump_id) && held.wish == Wish::Slow {
            held.wish = Wish::Fast;
            changed.notify_all();
        }
    }

    /// Ends the one of this image, if it goes on, and waits for that. Blocks.
    pub(super) fn end(&self, dump_id: &DumpId) {
        let (held, changed) = &*self.0;
        let mut held = held.lock();
        let until = Instant::now() + LONGEST_END;
        while held.dump_id.as_ref() == Some(dump_id) {
            held.wish = Wish::Ended;
            changed.notify_all();
            if changed.wait_until(&mut held, until).timed_out() {
                // It is refused as long as somebody reads it.
                return;
            }
        }
    }

    /// Waits, but not when something else than slowness is wanted.
    fn rest(&self, duration: Duration) -> Wish {
        let (held, changed) = &*self.0;
        let mut held = held.lock();
        if held.wish == Wish::Slow && !duration.is_zero() {
            changed.wait_for(&mut held, duration);
        }
        held.wish
    }
}

impl Drop for GoesOn {
    fn drop(&mut self) {
        let (held, changed) = &*self.0.0;
        held.lock().dump_id = None;
        changed.notify_all();
    }
}

/// Decides after every frame when the next one is read.
pub(super) struct Pace {
    background: Background,
    catalog: Arc<Catalog>,
    /// `None` for no limit.
    bytes_per_s: Option<f64>,
    done: u64,
    /// When the next frame may be read.
    next: Instant,
    looked: Option<Instant>,
}

impl Pace {
    /// At most `bandwidth_mibps` MiB of memory per second; 0 is no limit.
    pub(super) fn new(background: &Background, catalog: &Arc<Catalog>, bandwidth_mibps: u32) -> Self {
        let bytes_per_s = (bandwidth_mibps > 0).then(|| f64::from(bandwidth_mibps) * 1_048_576.0);
        Self {
            background: background.clone(),
            catalog: Arc::clone(catalog),
            bytes_per_s,
            done: 0,
            next: Instant::now(),
            looked: None,
        }
    }

    /// Waits until the frame after this progress may be read; breaks if none is to be.
    pub(super) fn after(&mut self, progress: &Progress) -> ControlFlow<()> {
        let bytes = progress.bytes_done.0.saturating_sub(self.done);
        self.done = progress.bytes_done.0;
        let now = Instant::now();
        let earliest = now.checked_sub(MOST_BEHIND).unwrap_or(now);
        self.next = self.next.max(earliest) + self.takes(bytes);
        loop {
            let dump_runs = self.is_dump_running();
            let rest = if dump_runs { LOOK } else { self.next.saturating_duration_since(Instant::now()) };
            match self.background.rest(rest) {
                Wish::Ended => return ControlFlow::Break(()),
                Wish::Fast => return ControlFlow::Continue(()),
                Wish::Slow if !dump_runs && self.next <= Instant::now() => return ControlFlow::Continue(()),
                Wish::Slow => {}
            }
        }
    }

    /// How long so many bytes of memory may not take less than.
    fn takes(&self, bytes: u64) -> Duration {
        // A frame is 1 MiB.
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.bytes_per_s.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes / rate))
    }

    /// Whether a dump runs here, as of a moment ago. What cannot be asked is none: the catalog fails for dumps, too.
    fn is_dump_running(&mut self) -> bool {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return false;
        }
        let runs = runs_a_dump(&self.catalog);
        // While one runs, every look is a new one.
        self.looked = (!runs).then(Instant::now);
        runs
    }
}

/// Whether a dump is being taken here.
pub(super) fn runs_a_dump(catalog: &Catalog) -> bool {
    let active = catalog.active_jobs().unwrap_or_default();
    active.iter().any(|job| job.started_at.is_some())
}

#[cfg(test)]
mod tests {
    use memdeck_model::ByteCount;

    use super::*;

    fn dump_id() -> DumpId {
        "a1".parse().unwrap()
    }

    fn pace(background: &Background, mibps: u32) -> (tempfile::TempDir, Pace) {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Arc::new(Catalog::open(dir.path()).unwrap());
        (dir, Pace::new(background, &catalog, mibps))
    }

    fn at(mib: u64) -> Progress {
        Progress { bytes_done: ByteCount::from_mib(mib), bytes_expected: ByteCount::from_mib(100) }
    }

    #[test]
    fn a_bandwidth_is_kept_and_no_limit_is_none() {
        let background = Background::default();
        let (_dir, mut slow) = pace(&background, 50);
        let began = Instant::now();
        for mib in 1..=10 {
            assert!(slow.after(&at(mib)).is_continue());
        }
        let took = began.elapsed();
        // The first may come at once.
        assert!(took >= Duration::from_millis(150) - Duration::from_millis(1), "{took:?}");
        let (_dir, mut free) = pace(&background, 0);
        assert_eq!(free.takes(1 << 20), Duration::ZERO);
        assert!(free.after(&at(50)).is_continue());
    }

    #[test]
    fn it_hurries_for_whoever_asks_and_ends_for_whoever_deletes() {
        let background = Background::default();
        let (_dir, mut slow) = pace(&background, 1);
        let goes_on = background.begin(&dump_id());
        background.hurry(&"b2".parse().unwrap());
        background.hurry(&dump_id());
        let began = Instant::now();
        assert!(slow.after(&at(100)).is_continue(), "100 s at its own pace");
        assert!(began.elapsed() < Duration::from_secs(20));
        let ending = std::thread::spawn({
            let background = background.clone();
            move || background.end(&dump_id())
        });
        while slow.after(&at(100)).is_continue() {
            std::thread::yield_now();
        }
        assert!(!ending.is_finished(), "its image is still in use");
        drop(goes_on);
        ending.join().unwrap();
        background.end(&dump_id());
    }
}
