//! What events report of a guest while it is dumped.
//!
//! Two kinds of events report that it stopped and runs: libvirt's own, of which only the arrival has a time, and QEMU's,
//! which libvirt passes on with the time at which QEMU sent them. On a busy machine the former come late, the one more
//! than the other, so a pause is measured by the latter where they are to be had.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use memdeck_model::{PauseSource, Timestamp};

use super::pause::PauseClock;
use crate::{DumpSigns, GuestEnd};

/// Fed by the thread of libvirt's event loop.
#[derive(Debug)]
pub(super) struct Lifecycle {
    began: Instant,
    /// Since `began`.
    arrivals: PauseClock,
    /// By QEMU's clock, which is the host's, since 1970.
    qemu: PauseClock,
    signs: DumpSigns,
    end: Mutex<Option<GuestEnd>>,
    ended: Condvar,
}

/// How long a dump stopped the guest, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) length: Duration,
    pub(super) source: PauseSource,
    pub(super) stopped_at: Option<Timestamp>,
}

impl Lifecycle {
    /// Of a dump that begins at `now`.
    pub(super) fn new(signs: DumpSigns, now: Instant) -> Self {
        Self {
            began: now,
            arrivals: PauseClock::default(),
            qemu: PauseClock::default(),
            signs,
            end: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    /// libvirt's word that the guest stopped has arrived.
    pub(super) fn stopped(&self, now: Instant) {
        self.signs.guest_stopped(true);
        self.arrivals.stopped(now.saturating_duration_since(self.began));
    }

    /// libvirt's word that the guest runs has arrived.
    pub(super) fn runs(&self, now: Instant) {
        self.signs.guest_stopped(false);
        self.arrivals.runs(now.saturating_duration_since(self.began));
    }

    /// QEMU has stopped the guest, so long after 1970.
    pub(super) fn qemu_stopped(&self, at: Duration) {
        self.qemu.stopped(at);
    }

    /// QEMU let the guest run, so long after 1970.
    pub(super) fn qemu_runs(&self, at: Duration) {
        self.qemu.runs(at);
    }

    /// How long the guest was stopped; waits at most `limit` for its end. `hears_qemu` says whether QEMU's events are
    /// listened to.
    pub(super) fn pause(&self, limit: Duration, hears_qemu: bool) -> Option<Pause> {
        let by_qemu = if hears_qemu { self.qemu.wait(limit) } else { None };
        // A clock that is set forward meanwhile would show a pause that is longer than the dump.
        if let Some(stops) = by_qemu.filter(|stops| stops.total <= self.began.elapsed()) {
            return Some(Pause {
                length: stops.total,
                source: PauseSource::HypervisorClock,
                stopped_at: timestamp(stops.last_at),
            });
        }
        let by_arrival = self.arrivals.wait(if hears_qemu { Duration::ZERO } else { limit })?;
        Some(Pause { length: by_arrival.total, source: PauseSource::EventArrival, stopped_at: None })
    }

    /// The guest is there no more.
    pub(super) fn ended(&self, how: GuestEnd) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
        self.ended.notify_all();
    }

    /// How the guest ended; waits at most `limit` to hear of it.
    pub(super) fn end(&self, limit: Duration) -> Option<GuestEnd> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(end, limit, |end| end.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn timestamp(since_1970: Duration) -> Option<Timestamp> {
    Timestamp::from_unix_micros(i64::try_from(since_1970.as_micros()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;
    const STOPPED_AT: Duration = Duration::from_micros(1_763_110_703_550_273);

    /// Of a dump that began a minute ago.
    fn lifecycle() -> (Lifecycle, Instant) {
        let began = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
        (Lifecycle::new(DumpSigns::default(), began), began)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_guest_is_stopped_until_it_is_seen_to_run() {
        let (lifecycle, began) = lifecycle();
        assert!(!lifecycle.signs.guest_is_stopped());
        lifecycle.stopped(began);
        assert!(lifecycle.signs.guest_is_stopped());
        lifecycle.runs(began);
        assert!(!lifecycle.signs.guest_is_stopped());
    }

    #[test]
    fn a_pause_is_measured_by_qemu_s_clock_however_late_the_news_arrive() {
        let (lifecycle, began) = lifecycle();
        lifecycle.qemu_stopped(STOPPED_AT);
        lifecycle.qemu_runs(STOPPED_AT + ms(23));
        lifecycle.stopped(began + ms(900));
        lifecycle.runs(began + ms(901));
        let expected = Pause {
            length: ms(23),
            source: PauseSource::HypervisorClock,
            stopped_at: Some("2025-11-14T08:58:23.550273Z".parse().unwrap()),
        };
        assert_eq!(lifecycle.pause(NOW, true), Some(expected));
    }

    /// What the arrival of libvirt's events measures.
    fn by_arrival(length: Duration) -> Pause {
        Pause { length, source: PauseSource::EventArrival, stopped_at: None }
    }

    #[test]
    fn without_qemu_s_events_their_arrival_is_the_measure() {
        let (lifecycle, began) = lifecycle();
        lifecycle.stopped(began + ms(10));
        lifecycle.runs(began + ms(52));
        for hears_qemu in [false, true] {
            assert_eq!(lifecycle.pause(NOW, hears_qemu), Some(by_arrival(ms(42))));
        }
    }

    #[test]
    fn a_clock_that_was_set_meanwhile_is_not_believed() {
        for runs_at in [ms(0), STOPPED_AT + Duration::from_hours(1)] {
            let (lifecycle, began) = lifecycle();
            lifecycle.qemu_stopped(STOPPED_AT);
            lifecycle.qemu_runs(runs_at);
            lifecycle.stopped(began + ms(10));
            lifecycle.runs(began + ms(52));
            assert_eq!(lifecycle.pause(NOW, true), Some(by_arrival(ms(42))));
        }
    }

    #[test]
    fn what_nobody_saw_is_not_known() {
        assert_eq!(lifecycle().0.pause(NOW, true), None);
    }

    #[test]
    fn an_end_that_is_heard_of_late_is_waited_for() {
        let (lifecycle, _) = lifecycle();
        assert_eq!(lifecycle.end(Duration::ZERO), None);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| lifecycle.end(Duration::from_mins(1)));
            lifecycle.ended(GuestEnd::Destroyed);
            assert_eq!(waiting.join().unwrap(), Some(GuestEnd::Destroyed));
        });
    }
}
