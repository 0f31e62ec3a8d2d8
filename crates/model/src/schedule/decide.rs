//! Which run is due: a pure function of a schedule, what was decided before, and the clock.

use std::collections::BTreeSet;

use crate::{Millis, Timestamp};

/// A run that starts this late at most is on time.
pub const ON_TIME: Millis = Millis(60_000);

/// A clock that shows an instant this long before one that was decided already was set back. Less than that is a correction,
/// and the clock comes there again soon.
const SET_BACK: Millis = Millis(10 * 60_000);

/// The most instants that are counted one by one.
const MOST_COUNTED: u32 = 10_000;

/// The instants to which a plan comes.
pub trait Occurrences {
    /// The first one after `instant`.
    fn after(&self, instant: Timestamp) -> Option<Timestamp>;
    /// The last one that is not after `instant`.
    fn until(&self, instant: Timestamp) -> Option<Timestamp>;
}

/// What is known before a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Every instant up to this one was decided.
    pub decided_until: Timestamp,
    /// Planned instants whose runs were started or left out, as far as the clock may come to them again.
    pub taken: BTreeSet<Timestamp>,
}

/// Runs that were not started when they should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    pub first: Timestamp,
    pub last: Timestamp,
    /// How many; ten thousand stand for at least as many.
    pub count: u32,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Every instant up to this one is decided now.
    pub until: Timestamp,
    /// The run to start.
    pub start: Option<Timestamp>,
    /// The runs that are not started, to be told.
    pub missed: Option<Missed>,
    /// Where the clock was set back: what had been decided up to.
    pub set_back_from: Option<Timestamp>,
}

/// What is due at `now`. Every instant is started, missed or taken already: none is passed over, and none is started twice.
/// A run that is `make_up` late at most is made up, and of several that were missed the newest.
#[must_use]
pub fn decide(standing: &Standing, make_up: Millis, now: Timestamp, plan: &impl Occurrences) -> Decided {
    let nothing = Decided { until: standing.decided_until, start: None, missed: None, set_back_from: None };
    if standing.decided_until.since(now) > SET_BACK {
        return Decided { until: now, set_back_from: Some(standing.decided_until), ..nothing };
    }
    if standing.decided_until >= now {
        return nothing;
    }
    let newest = plan.until(now).filter(|newest| *newest > standing.decided_until);
    let Some(newest) = newest else { return Decided { until: now, ..nothing } };
    let is_taken = standing.taken.contains(&newest);
    let starts = !is_taken && now.since(newest) <= make_up.max(ON_TIME);
    let mut missed: Option<Missed> = None;
    let mut at = standing.decided_until;
    while let Some(next) = plan.after(at).filter(|next| *next <= newest && *next > at) {
        at = next;
        if standing.taken.contains(&next) || (next == newest && starts) {
            continue;
        }
        let so_far = missed.get_or_insert(Missed { first: next, last: next, count: 0 });
        *so_far = Missed { last: next, count: so_far.count + 1, ..*so_far };
        if so_far.count == MOST_COUNTED {
            // Nobody reads ten thousand lines; the last one of them is known all the same.
            so_far.last = if starts { plan.until(newest.minus(Millis(1))).unwrap_or(next) } else { newest };
            break;
        }
    }
    Decided { until: now, start: starts.then_some(newest), missed, set_back_from: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn minute(number: i64) -> Timestamp {
        Timestamp::from_unix_micros(number * MINUTE).unwrap()
    }

    /// Every so many minutes.
    struct Every(i64);

    impl Occurrences for Every {
        fn after(&self, instant: Timestamp) -> Option<Timestamp> {
            Some(minute((instant.unix_micros().div_euclid(self.0 * MINUTE) + 1) * self.0))
        }

        fn until(&self, instant: Timestamp) -> Option<Timestamp> {
            Some(minute(instant.unix_micros().div_euclid(self.0 * MINUTE) * self.0))
        }
    }

    fn standing(decided_until: i64) -> Standing {
        Standing { decided_until: minute(decided_until), taken: BTreeSet::new() }
    }

    #[test]
    fn a_run_starts_when_its_minute_comes_and_once() {
        let decided = decide(&standing(59), Millis(0), minute(60), &Every(60));
        let started =
            Decided { until: minute(60), start: Some(minute(60)), missed: None, set_back_from: None };
        assert_eq!(decided, started);
        assert_eq!(decide(&standing(60), Millis(0), minute(61), &Every(60)).start, None);
    }

    #[test]
    fn after_an_outage_the_newest_run_is_made_up_and_the_others_are_told() {
        let made_up = decide(&standing(0), Millis(30 * 60_000), minute(200), &Every(60));
        let earlier = Missed { first: minute(60), last: minute(120), count: 2 };
        assert_eq!((made_up.start, made_up.missed), (Some(minute(180)), Some(earlier)));
        let too_late = decide(&standing(0), Millis(5 * 60_000), minute(200), &Every(60));
        let all = Missed { first: minute(60), last: minute(180), count: 3 };
        assert_eq!((too_late.start, too_late.missed), (None, Some(all)));
    }

    #[test]
    fn a_clock_that_is_set_back_repeats_no_run_and_stops_none() {
        let back = decide(&standing(1000), Millis(0), minute(100), &Every(60));
        assert_eq!((back.until, back.set_back_from), (minute(100), Some(minute(1000))));
        let taken = BTreeSet::from([minute(120)]);
        let again = Standing { decided_until: minute(100), taken };
        let at_120 = decide(&again, Millis(0), minute(120), &Every(60));
        assert_eq!((at_120.start, at_120.missed), (None, None));
        assert_eq!(decide(&again, Millis(0), minute(180), &Every(60)).start, Some(minute(180)));
        // A few seconds are a correction.
        assert_eq!(decide(&standing(100), Millis(0), minute(99), &Every(60)).until, minute(100));
    }

    #[test]
    fn a_long_outage_is_told_in_one_sentence() {
        let decided = decide(&standing(0), Millis(0), minute(1_000_000), &Every(1));
        let last = minute(999_999);
        assert_eq!(decided.missed, Some(Missed { first: minute(1), last, count: 10_000 }));
        assert_eq!(decided.start, Some(minute(1_000_000)));
    }

    proptest! {
        /// However the clock moves and whenever memdeck looks, every instant is started or told, and none is started twice.
        #[test]
        fn no_instant_is_passed_over_and_none_is_started_twice(
            period in 1_i64..120,
            make_up in 0_u64..600,
            steps in proptest::collection::vec(prop_oneof![8 => 1_i64..90, 1 => 90_i64..5000, 1 => -3000_i64..0], 1..200),
        ) {
            let (mut state, mut now, mut farthest) = (standing(0), 0, 0);
            let (mut started, mut told) = (BTreeSet::new(), BTreeSet::new());
            for step in steps {
                now = (now + step).max(0);
                farthest = farthest.max(now);
                let decided = decide(&state, Millis(make_up * 60_000), minute(now), &Every(period));
                if let Some(start) = decided.start {
                    prop_assert!(started.insert(start), "{start} was started twice");
                    state.taken.insert(start);
                }
                if let Some(Missed { first, last, .. }) = decided.missed {
                    let mut at = first;
                    while at <= last {
                        told.insert(at);
                        at = Every(period).after(at).unwrap();
                    }
                }
                state.decided_until = decided.until;
            }
            let mut at = minute(0);
            while let Some(next) = Every(period).after(at).filter(|next| *next <= minute(farthest)) {
                at = next;
                prop_assert!(started.contains(&at) || told.contains(&at), "{at} was passed over");
            }
        }
    }
}
