//! The running dumps: their progress, when it is published, and what ends them in time.
//!
//! ```text
//! thread that reads ──stores──► Gauge ◄──samples── publisher ──► events
//!                   StopSwitch ◄──time limit── watchdog ──► guardian: we are alive
//! ```
//!
//! The lock of the board is never held while anything waits: not for the catalog, not for libvirt, not for a volume.

mod gauge;
mod stop;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Job;
use memdeck_model::{ByteCount, DumpId, DumpStatus, Event, WaitsFor};
use parking_lot::{Condvar, Mutex};
use tokio::sync::broadcast;

pub use self::gauge::Gauge;
pub use self::stop::{StopReason, StopSwitch};
use crate::guardian::Guardian;
use crate::status::{self, Reached};
use memdeck_clock::Clock;

/// Events kept for a slow subscriber; one that falls further behind learns it and asks for the present state.
const EVENT_BACKLOG: usize = 1024;
/// How long dumps that were stopped may take to end.
const CANCEL_PATIENCE: Duration = Duration::from_millis(3500);

/// What became of the dumps that ran when the engine was shut down. Those that ended by themselves are in neither count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// They were stopped, and their guests are as they were.
    pub cancelled: usize,
    /// They were stopped and did not end: the guardian looks after their guests, and the next start records their end.
    pub left_behind: usize,
}

/// The shortest time between two progress events of one dump, by the engine's clock.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// How often the publisher looks at the running dumps.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);

/// How often running dumps are compared with the clock, and the guardian hears that this process is alive.
const WATCHDOG_INTERVAL: Duration = Duration::from_millis(100);

/// How long a dump that was taken from the queue may need to be on the board.
const BEGIN_PATIENCE: Duration = Duration::from_millis(500);

/// What the thread of a dump shares with those who watch and stop it.
#[derive(Clone, Debug)]
pub struct Controls {
    pub switch: StopSwitch,
    pub gauge: Arc<Gauge>,
    /// When the dump is cancelled, on the monotonic scale of the clock.
    pub deadline: Duration,
}

/// A dump that runs now.
struct Running {
    job: Job,
    controls: Controls,
    published: Option<Reached>,
    published_at: Duration,
}

#[derive(Default)]
struct Dumps {
    running: HashMap<DumpId, Running>,
    is_closing: bool,
}

impl Dumps {
    /// The engine closes, and no dump runs any more.
    fn are_over(&self) -> bool {
        self.is_closing && self.running.is_empty()
    }
}

/// The running dumps, and the events about all dumps.
pub struct Board {
    clock: Arc<dyn Clock>,
    dumps: Mutex<Dumps>,
    /// Signalled when a dump began or ended, or the engine closes.
    changed: Condvar,
    events: broadcast::Sender<Event>,
}

impl Board {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let events = broadcast::channel(EVENT_BACKLOG).0;
        Self { clock, dumps: Mutex::default(), changed: Condvar::new(), events }
    }

    /// Adds a dump that begins. False if the engine closes: then it must not begin.
    pub fn add(&self, job: &Job, controls: &Controls) -> bool {
        let running = Running {
            job: job.clone(),
            controls: controls.clone(),
            published: None,
            published_at: Duration::ZERO,
        };
        let mut dumps = self.dumps.lock();
        if dumps.is_closing {
            return false;
        }
        dumps.running.insert(job.dump_id.clone(), running);
        drop(dumps);
        self.changed.notify_all();
        true
    }

    /// Removes a dump that has ended.
    pub fn remove(&self, dump_id: &DumpId) {
        self.dumps.lock().running.remove(dump_id);
        self.changed.notify_all();
    }

    /// Stops a running dump. False if it does not run.
    pub fn stop(&self, dump_id: &DumpId, reason: StopReason) -> bool {
        let dumps = self.dumps.lock();
        let running = dumps.running.get(dump_id);
        if let Some(running) = running {
            running.controls.switch.stop(reason);
        }
        running.is_some()
    }

    /// Waits a moment for a dump that the catalog calls running to be on the board. False if it is not, and will not be:
    /// it has ended.
    pub fn wait_until_added(&self, dump_id: &DumpId) -> bool {
        let mut dumps = self.dumps.lock();
        self.changed.wait_while_for(&mut dumps, |dumps| !dumps.running.contains_key(dump_id), BEGIN_PATIENCE);
        dumps.running.contains_key(dump_id)
    }

    /// Records what a dump that begins will read, and publishes it.
    pub fn expect(&self, job: &Job, bytes_expected: ByteCount) {
        self.change(job, |gauge| gauge.expect(bytes_expected));
    }

    /// Records and publishes what a dump waits for, or that it does not wait any more.
    pub fn report_waiting(&self, job: &Job, waits_for: Option<WaitsFor>) {
        self.change(job, |gauge| gauge.wait_for(waits_for));
    }

    /// Records and publishes that a dump begins to read its guest in the mode of `job`.
    pub fn begin_mode(&self, job: &Job) {
        self.change(job, Gauge::begin_mode);
    }

    /// Publishes how far a dump is, out of turn: its phase has changed.
    pub fn publish_progress(&self, job: &Job) {
        self.change(job, |_| ());
    }

    /// The status of `job`, with its progress if it runs.
    pub fn status_of(&self, job: &Job) -> DumpStatus {
        let reached =
            self.dumps.lock().running.get(&job.dump_id).map(|running| running.controls.gauge.read());
        status::of(job, reached)
    }

    pub fn publish(&self, event: Event) {
        // Without a subscriber the event is of no use: whoever comes later asks for the present state first.
        let _ = self.events.send(event);
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Changes what is known of a dump, and publishes it.
    fn change(&self, job: &Job, change: impl FnOnce(&Gauge)) {
        let now = self.clock.monotonic();
        let reached = self.dumps.lock().running.get_mut(&job.dump_id).map(|running| {
            change(&running.controls.gauge);
            let reached = running.controls.gauge.read();
            running.job = job.clone();
            running.published = Some(reached);
            running.published_at = now;
            reached
        });
        self.publish(Event::Dump(Box::new(status::of(job, reached))));
    }

    /// The dumps whose progress has changed since it was published last.
    fn take_changed(&self) -> Vec<DumpStatus> {
        let now = self.clock.monotonic();
        let mut dumps = self.dumps.lock();
        let changed = dumps.running.values_mut().filter_map(|running| {
            if now.saturating_sub(running.published_at) < PROGRESS_INTERVAL {
                return None;
            }
            running.published_at = now;
            let reached = running.controls.gauge.read();
            (running.published.replace(reached) != Some(reached))
                .then(|| status::of(&running.job, Some(reached)))
        });
        changed.collect()
    }

    /// The publisher's thread: publishes the progress of running dumps until the engine has closed.
    pub fn publish_changes(&self) {
        while self.wait_while_dumps_run(PUBLISH_INTERVAL) {
            for status in self.take_changed() {
                self.publish(Event::Dump(Box::new(status)));
            }
        }
    }

    /// The watchdog's thread, until the engine has closed: stops dumps whose time is over, whatever their own threads wait
    /// for, and tells the guardian that this process is alive. It does no I/O that can wait.
    pub fn enforce_time_limits(&self, guardian: &dyn Guardian) {
        while self.wait_while_dumps_run(WATCHDOG_INTERVAL) {
            let now = self.clock.monotonic();
            for running in self.dumps.lock().running.values() {
                if running.controls.deadline <= now {
                    running.controls.switch.stop(StopReason::TimeLimit);
                }
            }
            guardian.beat();
        }
    }

    /// Waits for the time `interval`, and as long as no dump runs. False once the engine has closed and none runs any more.
    fn wait_while_dumps_run(&self, interval: Duration) -> bool {
        let mut dumps = self.dumps.lock();
        self.changed.wait_while(&mut dumps, |dumps| dumps.running.is_empty() && !dumps.is_closing);
        self.changed.wait_while_for(&mut dumps, |dumps| !dumps.running.is_empty(), interval);
        !dumps.are_over()
    }

    /// Waits for the time `interval`; false as soon as the engine closes.
    pub fn pause_unless_closing(&self, interval: Duration) -> bool {
        let mut dumps = self.dumps.lock();
        self.changed.wait_while_for(&mut dumps, |dumps| !dumps.is_closing, interval);
        !dumps.is_closing
    }

    /// Lets no dump begin any more. Running ones may end within `grace`; then they are stopped, and their end is waited for,
    /// but not for ever: where the hypervisor does not answer, the process ends without them.
    pub fn close(&self, grace: Duration) -> Ended {
        let mut dumps = self.dumps.lock();
        dumps.is_closing = true;
        self.changed.notify_all();
        let some_run = |dumps: &mut Dumps| !dumps.running.is_empty();
        if self.changed.wait_while_for(&mut dumps, some_run, grace).timed_out() {
            let cancelled = dumps.running.len();
            for running in dumps.running.values() {
                running.controls.switch.stop(StopReason::Shutdown);
            }
            self.changed.wait_while_for(&mut dumps, some_run, CANCEL_PATIENCE);
            let left_behind = dumps.running.len();
            return Ended { cancelled: cancelled.saturating_sub(left_behind), left_behind };
        }
        Ended::default()
    }
}
