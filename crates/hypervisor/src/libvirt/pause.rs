//! How long a guest was stopped, from the moments at which it stopped and ran.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Adds up the time between each stop and the following run. Moments are of one clock, counted from any instant.
#[derive(Debug, Default)]
pub(super) struct PauseClock {
    state: Mutex<Seen>,
    changed: Condvar,
}

/// What a clock has measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stops {
    /// All pauses together.
    pub(super) total: Duration,
    /// When the last one began.
    pub(super) last_at: Duration,
}

#[derive(Debug, Default)]
struct Seen {
    stopped_at: Option<Duration>,
    /// `None` until the guest ran again after it stopped.
    stops: Option<Stops>,
    /// It was set back meanwhile, so what it shows is no measure.
    went_back: bool,
}

impl PauseClock {
    /// The guest stopped. A second stop without a run between is the same stop.
    pub(super) fn stopped(&self, at: Duration) {
        self.state().stopped_at.get_or_insert(at);
    }

    /// The guest runs. Without a stop before, nothing was missed.
    pub(super) fn runs(&self, at: Duration) {
        let mut state = self.state();
        if let Some(stopped_at) = state.stopped_at.take() {
            match at.checked_sub(stopped_at) {
                Some(pause) => {
                    let before = state.stops.map_or(Duration::ZERO, |stops| stops.total);
                    state.stops = Some(Stops { total: before.saturating_add(pause), last_at: stopped_at });
                }
                None => state.went_back = true,
            }
            self.changed.notify_all();
        }
    }

    /// How long the guest was stopped, once it runs again; waits at most `limit` for that.
    pub(super) fn wait(&self, limit: Duration) -> Option<Stops> {
        let unfinished =
            |state: &mut Seen| !state.went_back && (state.stops.is_none() || state.stopped_at.is_some());
        let (state, waited) = self
            .changed
            .wait_timeout_while(self.state(), limit, unfinished)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() || state.went_back { None } else { state.stops }
    }

    fn state(&self) -> MutexGuard<'_, Seen> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn stops(total: u64, last_at: u64) -> Stops {
        Stops { total: at(total), last_at: at(last_at) }
    }

    #[test]
    fn a_pause_is_the_time_from_stop_to_run() {
        let clock = PauseClock::default();
        clock.stopped(at(10));
        assert_eq!(clock.wait(NOW), None, "it has not run again");
        clock.runs(at(45));
        assert_eq!(clock.wait(NOW), Some(stops(35, 10)));
    }

    #[test]
    fn pauses_add_up_and_repeated_events_count_once() {
        let clock = PauseClock::default();
        clock.stopped(at(0));
        clock.stopped(at(5));
        clock.runs(at(10));
        clock.runs(at(90));
        clock.stopped(at(100));
        clock.runs(at(101));
        assert_eq!(clock.wait(NOW), Some(stops(11, 100)));
    }

    #[test]
    fn missed_events_are_no_pause_of_zero() {
        let clock = PauseClock::default();
        assert_eq!(clock.wait(NOW), None);
        clock.runs(at(7));
        assert_eq!(clock.wait(NOW), None, "the stop was missed");
    }

    #[test]
    fn a_clock_that_was_set_back_measures_nothing_and_nobody_waits_for_it() {
        let clock = PauseClock::default();
        clock.stopped(at(1000));
        clock.runs(at(999));
        assert_eq!(clock.wait(Duration::from_mins(10)), None);
        clock.stopped(at(2000));
        clock.runs(at(2001));
        assert_eq!(clock.wait(NOW), None);
    }

    #[test]
    fn a_run_that_is_seen_late_is_waited_for() {
        let clock = PauseClock::default();
        clock.stopped(at(0));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| clock.wait(Duration::from_mins(1)));
            clock.runs(at(7));
            assert_eq!(waiting.join().unwrap(), Some(stops(7, 0)));
        });
    }
}
