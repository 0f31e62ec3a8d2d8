use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};
use memdeck_model::schedule::{
    Decided, GuestChoice, Missed, Occurrences as _, Plan, PlanError, Standing, When, decide,
};
use memdeck_model::{Millis, Timestamp};

use super::Times;

const ZONES: [&str; 5] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"];

fn plan(expression: &str, zone: &str) -> Plan {
    let when = When::Cron { expression: expression.to_owned() };
    Plan { zone: zone.to_owned(), ..Plan::of(when, GuestChoice::All) }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn plain(instant: jiff::Timestamp) -> Timestamp {
    Timestamp::from_unix_micros(instant.as_microsecond()).unwrap()
}

fn days(year: i16) -> impl Iterator<Item = Date> {
    date(year, 1, 1).series(1.day()).take_while(move |day| day.year() == year)
}

/// What a time of day means on every day of a year, by definition: the first instant at which the clock shows it or more.
fn daily(year: i16, hour: i8, minute: i8, zone: &str) -> BTreeSet<Timestamp> {
    let zone = TimeZone::get(zone).unwrap();
    let on = |day: Date| {
        let ambiguous = zone.to_ambiguous_zoned(day.at(hour, minute, 0, 0));
        if matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
            // A minute at a time, until the clock shows more.
            let mut probe = zone.to_zoned(day.at(0, 0, 0, 0)).unwrap().timestamp();
            while probe.to_zoned(zone.clone()).datetime() < day.at(hour, minute, 0, 0) {
                probe += SignedDuration::from_mins(1);
            }
            plain(probe)
        } else {
            plain(ambiguous.earlier().unwrap().timestamp())
        }
    };
    days(year).map(on).collect()
}

/// Every instant of a year by stepping from one to the next.
fn stepped(times: &Times, year: i16) -> BTreeSet<Timestamp> {
    let (from, to) = (at(&format!("{year}-01-01T00:00:00Z")), at(&format!("{}-01-01T00:00:00Z", year + 1)));
    let first = times.after(from.minus(Millis(1)));
    std::iter::successors(first, |last| times.after(*last)).take_while(|next| *next < to).collect()
}

#[test]
fn a_time_of_day_comes_once_a_day_across_both_changes_of_the_clock() {
    for zone in ZONES {
        for (hour, minute) in [(2, 30), (2, 0), (1, 45), (3, 0), (12, 0)] {
            let times = Times::of(&plan(&format!("{minute} {hour} * * *"), zone)).unwrap();
            let expected = daily(2026, hour, minute, zone);
            let found = stepped(&times, 2026);
            // Where zones are ahead or behind, the first and the last day lie half in another year.
            let differ: Vec<_> = found.symmetric_difference(&expected).collect();
            assert!(differ.len() <= 2, "{zone} {hour}:{minute}: {differ:?}");
            assert!((364..=366).contains(&found.len()), "{zone} {hour}:{minute}: {}", found.len());
        }
    }
}

#[test]
fn an_hourly_plan_comes_every_real_hour_of_the_year() {
    for zone in ["UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo"] {
        let found: Vec<Timestamp> =
            stepped(&Times::of(&plan("5 * * * *", zone)).unwrap(), 2026).into_iter().collect();
        assert_eq!(found.len(), 8760, "{zone}");
        assert!(found.windows(2).all(|two| two[1].since(two[0]) == Millis(3_600_000)), "{zone}");
    }
}

#[test]
fn the_last_instant_before_another_is_one_that_stepping_meets() {
    for zone in ZONES {
        for expression in ["30 2 * * *", "*/20 1-3 * * *", "0 0,3 * * sun", "5 * * * *"] {
            let times = Times::of(&plan(expression, zone)).unwrap();
            let all = stepped(&times, 2026);
            // Around the changes of the clock minute by minute, elsewhere now and then.
            for (from, count, step) in [
                ("2026-03-28T12:00:00Z", 1600, 60_000),
                ("2026-10-24T12:00:00Z", 1600, 60_000),
                ("2026-02-01T00:00:00Z", 300, 86_000_123),
            ] {
                for n in 0..count {
                    let instant = at(from).plus(Millis(n * step));
                    let expected = all.range(..=instant).next_back().copied();
                    if expected.is_some() {
                        assert_eq!(times.until(instant), expected, "{zone} {expression} {instant}");
                    }
                }
            }
        }
    }
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn over_a_year_with_changes_of_the_clock_restarts_and_outages_no_run_is_lost_and_none_is_doubled() {
    for (seed, zone) in (1..).zip(ZONES) {
        for expression in ["30 2 * * *", "5 * * * *", "0,30 2 * * *", "0 22 * * fri"] {
            let plan = plan(expression, zone);
            let times = Times::of(&plan).unwrap();
            let mut random = Random(seed);
            let begin = at("2026-01-01T00:00:00Z");
            let end = at("2027-01-01T00:00:00Z");
            let mut standing = Standing { decided_until: begin, taken: BTreeSet::new() };
            let (mut now, mut farthest) = (begin, begin);
            let (mut started, mut told) = (BTreeSet::new(), BTreeSet::new());
            while now < end {
                // Mostly the next second or so; sometimes a restart, an outage of days, or a clock that is set.
                now = match random.below(400) {
                    0 => now.plus(Millis(random.below(5 * 86_400_000))),
                    1 => now.plus(Millis(random.below(3 * 3_600_000))),
                    2 => now.minus(Millis(random.below(3 * 3_600_000))),
                    _ => {
                        let next = times.after(standing.decided_until).unwrap();
                        next.max(now).plus(Millis(1 + random.below(2_000)))
                    }
                };
                farthest = farthest.max(now);
                let Decided { until, start, missed, .. } = decide(&standing, Millis(3_600_000), now, &times);
                if let Some(start) = start {
                    assert!(started.insert(start), "{zone} {expression}: {start} was started twice");
                    standing.taken.insert(start);
                }
                if let Some(Missed { first, last, .. }) = missed {
                    let stretch = std::iter::successors(Some(first), |one| times.after(*one));
                    told.extend(stretch.take_while(|one| *one <= last));
                }
                standing.decided_until = until;
            }
            for planned in
                stepped(&times, 2026).into_iter().filter(|planned| *planned > begin && *planned <= farthest)
            {
                let is_known = started.contains(&planned) || told.contains(&planned);
                assert!(is_known, "{zone} {expression}: nothing was said of {planned}");
            }
            assert!(started.len() > 20, "{zone} {expression}: {}", started.len());
        }
    }
}

#[test]
fn a_preview_shows_instants_and_what_the_clock_of_the_zone_shows() {
    let preview =
        Times::preview(&plan("30 2 * * *", "Europe/Berlin"), at("2026-03-27T12:00:00Z"), 3).unwrap();
    assert_eq!(preview.local, ["2026-03-28 02:30 CET", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"]);
    assert_eq!(preview.next[1], at("2026-03-29T01:00:00Z"));
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let refused =
        |expression: &str, zone: &str| Times::preview(&plan(expression, zone), at("2026-01-01T00:00:00Z"), 1);
    assert_eq!(refused("5 * * * *", "Mars/Olympus"), Err(PlanError::Zone("Mars/Olympus".to_owned())));
    assert_eq!(refused("0 0 30 2 *", "UTC"), Err(PlanError::Never("0 0 30 2 *".to_owned())));
    for bad in ["", "* * *", "61 * * * *", "every day", "0 0 0 * * *", "0 0 * * * 2030"] {
        assert!(matches!(refused(bad, "UTC"), Err(PlanError::Expression { .. })), "{bad}");
    }
}
