//! Reads a guest that goes on running: QEMU's migration stream, put in order and stored when the guest runs again.
//!
//! ```text
//! stream ──► spool (last copy of every page wins) ──► end of stream, guest runs ──► in order ──► image
//!    ▲
//!    └── watched: over its time budget or told to stop ──► abort, read to the end
//! ```
//!
//! The read end is never closed before libvirt's call has returned: near the end of the stream that would leave the
//! guest paused.

use std::fs::File;
use std::time::Duration;

use memdeck_hypervisor::{HypervisorError, LiveControl, LiveDump, LiveOptions};
use memdeck_image::{CaptureFacts, Captured, LiveCapture, LiveEvent, PartialImage, QevmError, Received};
use memdeck_model::{ByteCount, CaptureMode, Guest, LiveProgress, Millis, Progress};
use parking_lot::{Condvar, Mutex};

use crate::attempt::{Attempt, Taken, progress_hold_point};
use crate::dump::DumpError;
use crate::error::{as_error, sentence};

/// Between two looks at a live dump.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Why there is no image.
pub enum LiveError {
    /// This guest cannot be dumped live, now or at all; another mode may do.
    NotThisWay(String),
    /// The dump has ended.
    Ended(DumpError),
}

impl<E: Into<DumpError>> From<E> for LiveError {
    fn from(error: E) -> Self {
        Self::Ended(error.into())
    }
}

/// Takes the memory. When this returns, libvirt's call has returned and nothing of the dump runs any more.
pub fn take(attempt: &Attempt<'_>, guest: &Guest, image: &mut PartialImage) -> Result<Taken, LiveError> {
    let Attempt { shared, job, .. } = *attempt;
    let pause_budget =
        job.options.pause_budget_ms.map_or(shared.settings.pause_budget, |ms| Duration::from_millis(ms.0));
    let options = LiveOptions { pause_budget: Some(pause_budget) };
    let LiveDump { stream, call } = match shared.hypervisor.begin_live_dump(&guest.uuid, options) {
        Err(error @ HypervisorError::CannotMigrate { .. }) => {
            return Err(LiveError::NotThisWay(sentence(&error)));
        }
        begun => begun?,
    };
    let watch = Watch::default();
    let control = call.control();
    let received = std::thread::scope(|scope| {
        let watcher = std::thread::Builder::new()
            .name("live watch".to_owned())
            .spawn_scoped(scope, || watch.run(attempt, control.as_ref()));
        if let Err(error) = watcher {
            tracing::error!(%error, "a live dump is not watched; it goes on without time limit");
        }
        let received = LiveCapture::receive(&shared.store, File::from(stream), &mut |event| match event {
            LiveEvent::Progress { progress, .. } => {
                shared.report_progress(job, halved(progress, false), watch.live());
                live_hold_point(progress);
            }
            LiveEvent::Failed(_) => watch.give_up(),
        });
        watch.end();
        received
    });
    let end_of_stream = shared.clock.now();
    let outcome = call.finish();
    let received = match (received, outcome) {
        (Ok(received), Ok(outcome)) => (received, outcome),
        (received, outcome) => return Err(why(attempt, &watch, received.err(), outcome.err())),
    };
    let (received, outcome) = received;
    let live = outcome.live.unwrap_or_default();
    let pause = outcome.pause.map(Millis::from);
    let facts = CaptureFacts {
        // The guest runs again by now: it was as the image shows it when it was stopped.
        point_in_time: Some(pause.map_or(end_of_stream, |pause| end_of_stream.minus(pause))),
        fallback: None,
        job_downtime_ms: live.downtime.map(Millis::from),
        iterations: live.iterations,
        dirty_bytes_per_s: live.dirty_rate_per_s,
        encrypted: false,
        omitted: received.omitted.clone(),
        missing: received.missing.clone(),
    };
    let captured = store(attempt, received, image)?;
    Ok(Taken { captured, mode: CaptureMode::Live, pause, facts })
}

/// Puts the pages in order and stores them. The guest runs.
fn store(attempt: &Attempt<'_>, received: Received, image: &mut PartialImage) -> Result<Captured, LiveError> {
    let must_stop = || attempt.must_stop();
    let captured = image.capture_ordered(received.into_reader(), &must_stop, &mut |progress| {
        attempt.shared.report_progress(attempt.job, halved(progress, true), None);
        progress_hold_point(progress);
    });
    captured.map_err(|error| LiveError::Ended(attempt.stopped().unwrap_or_else(|| error.into())))
}

/// A live dump goes over the memory twice: out of the guest, and into the image. Each is one half of the way.
fn halved(progress: Progress, second: bool) -> Progress {
    let before = if second { progress.bytes_expected.0 / 2 } else { 0 };
    Progress {
        bytes_done: ByteCount(before.saturating_add(progress.bytes_done.0 / 2)),
        bytes_expected: progress.bytes_expected,
    }
}

fn why(
    attempt: &Attempt<'_>,
    watch: &Watch,
    stream: Option<QevmError>,
    call: Option<HypervisorError>,
) -> LiveError {
    if let Some(stopped) = attempt.stopped() {
        return LiveError::Ended(stopped);
    }
    if let Some(reason) = watch.verdict() {
        return LiveError::NotThisWay(reason);
    }
    match (call, stream) {
        (_, Some(error)) if cannot_be_converted(&error) => LiveError::NotThisWay(sentence(&error)),
        (Some(error @ HypervisorError::CannotMigrate { .. }), _) => LiveError::NotThisWay(sentence(&error)),
        // A stream that broke off is the consequence of a failed call: the call knows the cause.
        (Some(error), _) => LiveError::Ended(error.into()),
        (None, Some(error)) => LiveError::Ended(error.into()),
        (None, None) => LiveError::Ended(DumpError::Shutdown),
    }
}

/// Whether the stream is sound and only of a kind that has no conversion; another mode may do then.
fn cannot_be_converted(error: &QevmError) -> bool {
    matches!(
        error,
        QevmError::NotQevm { .. }
            | QevmError::Version(_)
            | QevmError::Unsupported { .. }
            | QevmError::UnknownPlace { .. }
    )
}

/// Looks after a live dump from another thread while its stream is read.
#[derive(Default)]
struct Watch {
    state: Mutex<Watched>,
    ended: Condvar,
}

#[derive(Default)]
struct Watched {
    ended: bool,
    useless: bool,
    live: Option<LiveProgress>,
    verdict: Option<String>,
}

impl Watch {
    /// Until the stream has ended: reports, and gives the dump up where it must.
    fn run(&self, attempt: &Attempt<'_>, control: &dyn LiveControl) {
        let began = attempt.shared.clock.monotonic();
        let budget = attempt.shared.settings.live_time_budget;
        let mut aborted = false;
        let mut state = self.state.lock();
        while !state.ended {
            let idle = |state: &mut Watched| !state.ended && (aborted || !state.useless);
            self.ended.wait_while_for(&mut state, idle, WATCH_INTERVAL);
            if state.ended || aborted {
                continue;
            }
            // The reader must not wait for us: libvirt may answer only after it has read on.
            parking_lot::MutexGuard::unlocked(&mut state, || {
                aborted = self.look(attempt, control, began.saturating_add(budget));
            });
        }
    }

    /// One look; whether the dump was given up.
    fn look(&self, attempt: &Attempt<'_>, control: &dyn LiveControl, budget_ends: Duration) -> bool {
        if attempt.must_stop() || self.state.lock().useless {
            return abort(control);
        }
        let stats = match control.stats() {
            Ok(stats) => stats,
            Err(error) => {
                tracing::debug!(error = as_error(&error), "a live dump's progress is not known");
                None
            }
        };
        if let Some(stats) = stats {
            let live = LiveProgress {
                iteration: stats.iteration,
                dirty_bytes_per_s: stats.dirty_rate_per_s.unwrap_or_default(),
            };
            self.state.lock().live = Some(live);
        }
        if attempt.shared.clock.monotonic() < budget_ends {
            return false;
        }
        let rate = stats.and_then(|stats| stats.dirty_rate_per_s);
        let rate = rate.map_or_else(String::new, |rate| format!(": the guest changes {rate} per second"));
        let budget = Millis::from(attempt.shared.settings.live_time_budget);
        self.state.lock().verdict = Some(format!("the live copy was not complete after {budget}{rate}"));
        abort(control)
    }

    /// The stream cannot become an image: the sooner it ends, the better.
    fn give_up(&self) {
        self.state.lock().useless = true;
        self.ended.notify_all();
    }

    fn end(&self) {
        self.state.lock().ended = true;
        self.ended.notify_all();
    }

    fn live(&self) -> Option<LiveProgress> {
        self.state.lock().live
    }

    fn verdict(&self) -> Option<String> {
        self.state.lock().verdict.clone()
    }
}

fn abort(control: &dyn LiveControl) -> bool {
    match control.abort() {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(reason = sentence(&error), "a live dump cannot be aborted yet; trying again");
            false
        }
    }
}

/// A named point in the middle of a live dump, where a test can hold the process to kill it there.
fn live_hold_point(progress: Progress) {
    let half = progress.bytes_done.0.saturating_mul(2) >= progress.bytes_expected.0;
    fail::fail_point!("capture::half-live", half, |_| ());
    let _ = half;
}
