//! When a plan comes to an instant: cron expressions by `croner`, time zones by `jiff`.
//!
//! Where the clock goes forward, a time of day that is left out comes at the first instant after the gap; where it goes back,
//! one that comes twice is meant the first time. What comes every hour or minute goes by the real ones.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::tz::TimeZone;
use memdeck_model::Timestamp;
use memdeck_model::schedule::{Occurrences, Plan, PlanError, Preview};

/// Longer than any clock was ever set at once.
const LONGEST_SHIFT_MS: u64 = 3 * 60 * 60 * 1000;

/// The instants of a plan.
pub(crate) struct Times {
    cron: Cron,
    zone: TimeZone,
}

impl Times {
    /// # Errors
    /// The plan says what cannot be, or its expression or time zone cannot be read.
    pub(crate) fn of(plan: &Plan) -> Result<Self, PlanError> {
        plan.check()?;
        let expression = plan.when.cron();
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&expression).map_err(|error| PlanError::Expression {
            expression: expression.clone(),
            reason: error.to_string(),
        })?;
        let zone = TimeZone::get(&plan.zone).map_err(|_| PlanError::Zone(plan.zone.clone()))?;
        Ok(Self { cron, zone })
    }

    /// What the plan would do after `now`.
    ///
    /// # Errors
    /// As [`Self::of`], or it never comes to an instant.
    pub(crate) fn preview(plan: &Plan, now: Timestamp, count: usize) -> Result<Preview, PlanError> {
        let times = Self::of(plan)?;
        let next: Vec<Timestamp> =
            std::iter::successors(times.after(now), |last| times.after(*last)).take(count).collect();
        if next.is_empty() {
            return Err(PlanError::Never(plan.when.cron()));
        }
        let local = next.iter().filter_map(|at| times.zoned(*at));
        let local = local.map(|at| at.strftime("%Y-%m-%d %H:%M %Z").to_string()).collect();
        Ok(Preview { next, local, cron: plan.when.cron() })
    }

    fn zoned(&self, instant: Timestamp) -> Option<Zoned> {
        let instant = jiff::Timestamp::from_microsecond(instant.unix_micros()).ok()?;
        Some(instant.to_zoned(self.zone.clone()))
    }
}

fn plain(zoned: &Zoned) -> Option<Timestamp> {
    Timestamp::from_unix_micros(zoned.timestamp().as_microsecond()).ok()
}

impl Occurrences for Times {
    fn after(&self, instant: Timestamp) -> Option<Timestamp> {
        plain(&self.cron.find_next_occurrence(&self.zoned(instant)?, false).ok()?)
    }

    /// The library's way back meets the second of two times of day where its way forward meets the first one. So this goes
    /// back behind every change of the clock, and forward from there.
    fn until(&self, instant: Timestamp) -> Option<Timestamp> {
        let mut from = instant;
        loop {
            let before = plain(&self.cron.find_previous_occurrence(&self.zoned(from)?, true).ok()?)?;
            from = before.minus(memdeck_model::Millis(LONGEST_SHIFT_MS));
            let mut found = None;
            let mut at = from;
            while let Some(next) = self.after(at).filter(|next| *next <= instant && *next > at) {
                at = next;
                found = Some(next);
            }
            if found.is_some() {
                return found;
            }
        }
    }
}

#[cfg(test)]
#[path = "times_tests.rs"]
mod tests;
