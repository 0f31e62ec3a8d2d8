//! Reads a guest that goes on running: QEMU's migration stream, put in order and stored when the guest runs again.
//!
//! ```text
//! stream ──► spool (last copy of every page wins) ──► end of stream, guest runs ──► in order ──► image
//!    ▲
//!    └── watched: over its time budget or told to stop ──► abort, read to the end
//! ```
//!
//! The pipe is never closed before libvirt's call has returned: near the end of the stream that would leave the
//! guest paused.

use std::num::NonZeroU64;
use std::time::Duration;

use memdeck_hypervisor::{DumpSigns, HypervisorError, LiveControl, LiveDump, LiveOptions, Valve};
use memdeck_image::{CaptureFacts, LiveCapture, LiveEvent, PartialImage, QevmError, SpoolError};
use memdeck_model::{ByteCount, CaptureMode, EndReason, Guest, LiveProgress, Millis};
use parking_lot::{Condvar, Mutex};

use super::attempt::{Attempt, StoredMemory};
use super::failpoints::{SlowAtEnd, crawls_at_end, half_live};
use super::throttle::{Throttled, time_for};
use crate::aftercare::TouchedGuest;
use crate::error::{DumpError, as_error, sentence};

/// Between two looks at a live dump.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// How often a dump whose stream was cut is ended again.
const ABORT_ATTEMPTS: u32 = 5;

/// Why an image is not believed although the hypervisor calls it good.
const INEXACT: &str = "this QEMU (before 9.0) may lose what an emulated guest writes between several passes over its \
                       memory, and one pass was not enough within the pause budget";

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

/// Takes the memory. When this returns, libvirt's call has returned and nothing of the dump runs any more; the guest is
/// let go as soon as the call has.
pub fn capture(
    attempt: &Attempt<'_>,
    guest: &Guest,
    touched: TouchedGuest<'_>,
    image: &mut PartialImage,
) -> Result<StoredMemory, LiveError> {
    let Attempt { context, job, .. } = *attempt;
    let pause_budget =
        job.options.pause_budget_ms.map_or(context.settings.pause_budget, |ms| Duration::from_millis(ms.0));
    let exact = context.hypervisor.exact_iterations(&guest.uuid)?;
    let options = LiveOptions { pause_budget: Some(pause_budget) };
    let LiveDump { stream, call } = match context.hypervisor.begin_live_dump(&guest.uuid, options) {
        Err(error @ HypervisorError::CannotMigrate { .. }) => {
            return Err(LiveError::NotThisWay(sentence(&error)));
        }
        begun => begun?,
    };
    let limit = bandwidth_limit(attempt);
    let (control, signs) = (call.control(), call.signs());
    let watch = Watch::new(time_budget(attempt, guest, limit), exact, signs.clone());
    let valve = attempt.guard(&stream, guest);
    if crawls_at_end() {
        valve.lockstep();
    }
    let released = || attempt.must_stop() || signs.has_failed() || valve.cut().is_some();
    let received = std::thread::scope(|scope| {
        let watcher = std::thread::Builder::new()
            .name("live watch".to_owned())
            .spawn_scoped(scope, || watch.run(attempt, control.as_ref(), &valve));
        if let Err(error) = watcher {
            tracing::error!(%error, "a live dump is not watched; it goes on without time limit");
        }
        let unlimited = || signs.guest_is_stopped() || signs.has_failed() || watch.is_given_up();
        let pipe = SlowAtEnd { inner: stream, signs: signs.clone(), give_up: released };
        let stream = Throttled::new(pipe, limit, context.clock.as_ref(), unlimited);
        let received = LiveCapture::receive(&context.store, stream, &released, &mut |event| match event {
            LiveEvent::Progress { progress, .. } => {
                attempt.controls.gauge.copied(progress);
                if let Some(live) = watch.live() {
                    attempt.controls.gauge.live(live);
                }
                half_live(progress.bytes_done, progress.bytes_expected, &released);
            }
            LiveEvent::Failed(_) => watch.give_up(),
        });
        watch.end();
        received
    });
    let end_of_stream = context.clock.now();
    if received.is_err() || valve.cut().is_some() {
        watch.see_to_abort(control.as_ref());
    }
    let outcome = call.finish();
    touched.let_go();
    let received = match (received, outcome) {
        (Ok(received), Ok(outcome)) => (received, outcome),
        (received, outcome) => return Err(failure(attempt, &valve, &watch, received.err(), outcome.err())),
    };
    let (received, outcome) = received;
    let live = outcome.live.unwrap_or_default();
    if let Some(exact) = exact
        && live.iterations.is_none_or(|iterations| iterations > exact)
    {
        return Err(LiveError::NotThisWay(INEXACT.to_owned()));
    }
    let pause = outcome.pause.map(Millis::from);
    let stopped_at = || pause.map_or(end_of_stream, |pause| end_of_stream.minus(pause));
    let facts = CaptureFacts {
        // The guest runs again by now: it was as the image shows it when it was stopped.
        point_in_time: Some(outcome.stopped_at.unwrap_or_else(stopped_at)),
        pause_source: outcome.pause_source,
        fallback: None,
        job_downtime_ms: live.downtime.map(Millis::from),
        iterations: live.iterations,
        dirty_bytes_per_s: live.dirty_rate_per_s,
        encrypted: false,
        omitted: received.omitted.clone(),
        missing: received.missing.clone(),
    };
    attempt.store(received.into_reader(), image)?;
    Ok(StoredMemory { mode: CaptureMode::Live, pause, facts })
}

/// Bytes per second that may be read while the guest runs.
fn bandwidth_limit(attempt: &Attempt<'_>) -> Option<NonZeroU64> {
    let asked = attempt.job.options.bandwidth_mibps;
    let mibps = asked.unwrap_or(attempt.context.settings.live_bandwidth_mibps);
    NonZeroU64::new(ByteCount::from_mib(mibps).0)
}

/// How long the copy may go on. A limit of bandwidth makes the first pass longer, and that is nobody's fault.
fn time_budget(attempt: &Attempt<'_>, guest: &Guest, limit: Option<NonZeroU64>) -> Duration {
    let first_pass = limit.map_or(Duration::ZERO, |limit| time_for(guest.memory_max, limit));
    attempt.context.settings.live_time_budget.saturating_add(first_pass)
}

fn failure(
    attempt: &Attempt<'_>,
    valve: &Valve,
    watch: &Watch,
    stream: Option<QevmError>,
    call: Option<HypervisorError>,
) -> LiveError {
    if let Some(stopped) = attempt.stop_error().or_else(|| attempt.cut_error(valve)) {
        return LiveError::Ended(stopped);
    }
    if let Some(reason) = watch.verdict() {
        return LiveError::NotThisWay(reason);
    }
    match (call, stream) {
        (_, Some(error)) if cannot_be_converted(&error) => LiveError::NotThisWay(sentence(&error)),
        (Some(error @ HypervisorError::CannotMigrate { .. }), _) => LiveError::NotThisWay(sentence(&error)),
        // A stream that broke off, or whose rest was no longer waited for, is the consequence of a failed call: the
        // call knows the cause.
        (Some(error @ HypervisorError::GuestEnded { .. }), _)
        | (
            Some(error),
            None
            | Some(
                QevmError::Stream { .. }
                | QevmError::Truncated { .. }
                | QevmError::Spool(SpoolError::Stopped),
            ),
        ) => error.into(),
        // Where the stream was of no use, or could not be kept, the call failed because it was aborted for that.
        (_, Some(error)) => error.into(),
        (None, None) => LiveError::Ended(EndReason::Shutdown.into()),
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
struct Watch {
    time_budget: Duration,
    /// More make the image worthless.
    exact_iterations: Option<u64>,
    signs: DumpSigns,
    state: Mutex<Watched>,
    ended: Condvar,
}

#[derive(Default)]
struct Watched {
    ended: bool,
    useless: bool,
    aborted: bool,
    live: Option<LiveProgress>,
    verdict: Option<String>,
}

impl Watch {
    fn new(time_budget: Duration, exact_iterations: Option<u64>, signs: DumpSigns) -> Self {
        Self { time_budget, exact_iterations, signs, state: Mutex::default(), ended: Condvar::new() }
    }

    /// Until the stream has ended: reports, and aborts the dump if it must.
    fn run(&self, attempt: &Attempt<'_>, control: &dyn LiveControl, valve: &Valve) {
        let began = attempt.context.clock.monotonic();
        let mut state = self.state.lock();
        while !state.ended {
            let idle = |state: &mut Watched| !state.ended && (state.aborted || !state.useless);
            self.ended.wait_while_for(&mut state, idle, WATCH_INTERVAL);
            if state.ended || state.aborted {
                continue;
            }
            // The reader must not wait for us: libvirt may answer only after it has read on.
            state.aborted = parking_lot::MutexGuard::unlocked(&mut state, || {
                self.look(attempt, control, valve, began.saturating_add(self.time_budget))
            });
        }
    }

    /// One look; whether the dump was given up.
    fn look(
        &self,
        attempt: &Attempt<'_>,
        control: &dyn LiveControl,
        valve: &Valve,
        budget_ends: Duration,
    ) -> bool {
        // A stream that was cut is read to its end by the pump; the sooner that comes, the better.
        if attempt.must_stop() || valve.cut().is_some() || self.state.lock().useless {
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
            // In its last pass the guest is stopped, and runs soonest when that goes on.
            if self.exact_iterations.is_some_and(|exact| stats.iteration > exact)
                && !self.signs.guest_is_stopped()
            {
                self.state.lock().verdict = Some(INEXACT.to_owned());
                return abort(control);
            }
        }
        if attempt.context.clock.monotonic() < budget_ends {
            return false;
        }
        let rate = stats.and_then(|stats| stats.dirty_rate_per_s);
        let rate = rate.map_or_else(String::new, |rate| format!(": the guest changes {rate} per second"));
        let budget = Millis::from(self.time_budget);
        self.state.lock().verdict = Some(format!("the live copy was not complete after {budget}{rate}"));
        abort(control)
    }

    /// The stream cannot become an image: the sooner it ends, the better.
    fn give_up(&self) {
        self.state.lock().useless = true;
        self.ended.notify_all();
    }

    /// Whether the rest of the stream is only in the way of its end.
    fn is_given_up(&self) -> bool {
        let state = self.state.lock();
        state.aborted || state.useless
    }

    /// The stream was not read to its end, and the watcher may have ended before it gave the dump up.
    fn see_to_abort(&self, control: &dyn LiveControl) {
        for _ in 0..ABORT_ATTEMPTS {
            if self.state.lock().aborted || abort(control) {
                return;
            }
            std::thread::sleep(WATCH_INTERVAL);
        }
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
