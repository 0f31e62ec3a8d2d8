//! How long a guest was stopped, from the moments at which it stopped and ran.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Adds up the time between each stop and the following run.
#[derive(Debug, Default)]
pub(super) struct PauseClock {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped_at: Option<Instant>,
    /// `None` until the guest ran again after it stopped.
    pause: Option<Duration>,
}

impl PauseClock {
    /// The guest stopped. A second stop without a run between is the same stop.
    pub(super) fn stopped(&self, at: Instant) {
        self.state().stopped_at.get_or_insert(at);
    }

    /// The guest runs. Without a stop before, nothing was missed.
    pub(super) fn runs(&self, at: Instant) {
        let mut state = self.state();
        if let Some(stopped_at) = state.stopped_at.take() {
            let pause = at.saturating_duration_since(stopped_at);
            state.pause = Some(state.pause.unwrap_or_default().saturating_add(pause));
            self.changed.notify_all();
        }
    }

    /// How long the guest was stopped, once it runs again; waits at most `limit` for that.
    pub(super) fn wait(&self, limit: Duration) -> Option<Duration> {
        let unfinished = |state: &mut State| state.pause.is_none() || state.stopped_at.is_some();
        let (state, waited) = self
            .changed
            .wait_timeout_while(self.state(), limit, unfinished)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() { None } else { state.pause }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_pause_is_the_time_from_stop_to_run() {
        let (clock, start) = (PauseClock::default(), Instant::now());
        clock.stopped(at(start, 10));
        assert_eq!(clock.wait(NOW), None, "it has not run again");
        clock.runs(at(start, 45));
        assert_eq!(clock.wait(NOW), Some(Duration::from_millis(35)));
    }

    #[test]
    fn pauses_add_up_and_repeated_events_count_once() {
        let (clock, start) = (PauseClock::default(), Instant::now());
        clock.stopped(at(start, 0));
        clock.stopped(at(start, 5));
        clock.runs(at(start, 10));
        clock.runs(at(start, 90));
        clock.stopped(at(start, 100));
        clock.runs(at(start, 101));
        assert_eq!(clock.wait(NOW), Some(Duration::from_millis(11)));
    }

    #[test]
    fn missed_events_are_no_pause_of_zero() {
        let (clock, start) = (PauseClock::default(), Instant::now());
        assert_eq!(clock.wait(NOW), None);
        clock.runs(start);
        assert_eq!(clock.wait(NOW), None, "the stop was missed");
    }

    #[test]
    fn a_run_that_is_seen_late_is_waited_for() {
        let (clock, start) = (PauseClock::default(), Instant::now());
        clock.stopped(start);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| clock.wait(Duration::from_mins(1)));
            clock.runs(at(start, 7));
            assert_eq!(waiting.join().unwrap(), Some(Duration::from_millis(7)));
        });
    }
}
