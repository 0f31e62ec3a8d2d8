//! What a schedule says.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ScheduleName, ScheduleRun, When};
use crate::{
    Actor, DumpOptions, Guest, GuestState, HostId, MAX_TRIGGER_TARGETS, NamePattern, Timestamp, VmRef,
};

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("a time is written as 02:30")]
    Time,
    #[error("a day of the week is one of monday, tuesday, wednesday, thursday, friday, saturday and sunday")]
    Weekday,
    #[error("the minute of an hourly schedule is 0 to 59")]
    Minute,
    #[error("name at least one day of the week")]
    NoWeekday,
    #[error(
        "the day of a monthly schedule is 1 to 28, so that every month has it; the cron expression '0 2 L * *' means the last day"
    )]
    Day,
    #[error("a cron expression has at most {} characters", When::MAX_EXPRESSION_BYTES)]
    LongExpression,
    /// The library's words, for people.
    #[error("the cron expression '{expression}' cannot be read: {reason}")]
    Expression { expression: String, reason: String },
    #[error("the cron expression '{0}' never comes to an instant")]
    Never(String),
    #[error("there is no time zone '{0}'; use a name such as Europe/Berlin or UTC")]
    Zone(String),
    #[error("name at least one guest, and at most {MAX_TRIGGER_TARGETS}")]
    Guests,
    #[error("guests are spread over at most {} minutes", Plan::MAX_SPREAD_MIN)]
    Spread,
    #[error("a limit per host is 1 to {}", Plan::MAX_PER_HOST)]
    PerHost,
    #[error("a missed run is made up within at most {} minutes, which are 31 days", Plan::MAX_WITHIN_MIN)]
    MakeUp,
    #[error("a recent dump is at most {} minutes old, which are 31 days", Plan::MAX_WITHIN_MIN)]
    Recent,
}

/// Whose memory is dumped. Whom it means is found out when a run starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "which", rename_all = "snake_case")]
pub enum GuestChoice {
    /// Every running guest.
    All,
    /// These, by name, id, UUID or `host/name`. One that does not run then is named in the run as left out.
    Named { guests: Vec<VmRef> },
    /// Running guests whose name matches.
    Pattern { pattern: NamePattern },
    /// Running guests of this host.
    Host { host: HostId },
}

impl GuestChoice {
    /// The guests of the list that are meant, and what names none of them. A guest in an unknown state, because its host does
    /// not answer, may run.
    #[must_use]
    pub fn find_in<'a>(&'a self, guests: &'a [Guest]) -> (Vec<&'a Guest>, Vec<&'a VmRef>) {
        let running = |wanted: &dyn Fn(&Guest) -> bool| {
            let found = guests.iter().filter(|guest| {
                matches!(guest.state, GuestState::Running | GuestState::Unknown) && wanted(guest)
            });
            (found.collect(), Vec::new())
        };
        match self {
            Self::All => running(&|_| true),
            Self::Pattern { pattern } => running(&|guest| pattern.matches(&guest.name.0)),
            Self::Host { host } => running(&|guest| guest.host.as_ref().is_none_or(|of| of == host)),
            Self::Named { guests: named } => {
                let (mut found, mut unknown): (Vec<&Guest>, Vec<&VmRef>) = (Vec::new(), Vec::new());
                for vm in named {
                    let qualified = vm.qualified().and_then(|(host, vm)| {
                        guests.iter().find(|guest| {
                            guest.host.as_ref() == Some(&host)
                                && vm.find_in(std::slice::from_ref(guest)).is_some()
                        })
                    });
                    match qualified.or_else(|| vm.find_in(guests)) {
                        Some(guest) if !found.iter().any(|known| known.reference() == guest.reference()) => {
                            found.push(guest);
                        }
                        Some(_) => {}
                        None => unknown.push(vm),
                    }
                }
                (found, unknown)
            }
        }
    }
}

impl fmt::Display for GuestChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all running guests"),
            Self::Pattern { pattern } => write!(f, "running guests called {}", pattern.as_str()),
            Self::Host { host } => write!(f, "running guests of {host}"),
            Self::Named { guests } => {
                let names: Vec<&str> = guests.iter().map(VmRef::as_str).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

/// What happens to a run whose time comes before the run before it has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It starts when the other has ended. One run waits; others that come meanwhile are left out.
    Wait,
}

/// What a schedule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Plan {
    pub when: When,
    /// The time zone whose clock `when` means, by its IANA name.
    #[serde(default = "utc")]
    pub zone: String,
    /// Whose memory is dumped.
    pub guests: GuestChoice,
    /// How they are dumped, and what is kept with it.
    #[serde(default)]
    pub options: DumpOptions,
    /// Minutes over which the dumps of a run begin, evenly; 0 for all at once. At most 1440.
    #[serde(default)]
    pub spread_min: u32,
    /// The most dumps of this schedule that a host has at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_host: Option<u32>,
    /// A run that was missed is made up if it is at most this many minutes late; 0 for never. Of several that were missed,
    /// the newest.
    #[serde(default)]
    pub make_up_min: u32,
    #[serde(default)]
    pub overlap: Overlap,
    /// A guest with a good dump that is at most this many minutes old is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent_min: Option<u32>,
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Plan {
    /// The longest time over which a run is spread: a day.
    pub const MAX_SPREAD_MIN: u32 = 1440;
    /// The highest limit per host.
    pub const MAX_PER_HOST: u32 = 1000;
    /// 31 days.
    pub const MAX_WITHIN_MIN: u32 = 44_640;

    /// A plan with nothing but when and whom.
    #[must_use]
    pub fn of(when: When, guests: GuestChoice) -> Self {
        Self {
            when,
            zone: utc(),
            guests,
            options: DumpOptions::default(),
            spread_min: 0,
            per_host: None,
            make_up_min: 0,
            overlap: Overlap::default(),
            recent_min: None,
        }
    }

    /// What can be checked without knowing cron and time zones.
    ///
    /// # Errors
    /// A number is out of its range, or nobody is named.
    pub fn check(&self) -> Result<(), PlanError> {
        self.when.check()?;
        if let GuestChoice::Named { guests } = &self.guests
            && !(1..=MAX_TRIGGER_TARGETS).contains(&guests.len())
        {
            return Err(PlanError::Guests);
        }
        if self.spread_min > Self::MAX_SPREAD_MIN {
            return Err(PlanError::Spread);
        }
        if self.per_host.is_some_and(|most| !(1..=Self::MAX_PER_HOST).contains(&most)) {
            return Err(PlanError::PerHost);
        }
        if self.make_up_min > Self::MAX_WITHIN_MIN {
            return Err(PlanError::MakeUp);
        }
        if self.recent_min.is_some_and(|minutes| minutes > Self::MAX_WITHIN_MIN) {
            return Err(PlanError::Recent);
        }
        Ok(())
    }
}

/// A request for a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewSchedule {
    pub name: ScheduleName,
    #[serde(flatten)]
    pub plan: Plan,
}

/// A schedule as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Schedule {
    pub name: ScheduleName,
    #[serde(flatten)]
    pub plan: Plan,
    /// Whether it starts no runs until it is resumed.
    pub paused: bool,
    /// Who made or changed it last.
    pub changed_by: Actor,
    pub changed_at: Timestamp,
    /// When its next run is planned; `None` while it is paused, or if it never comes to another one.
    pub next: Option<Timestamp>,
    /// Its newest run.
    pub last: Option<ScheduleRun>,
}

/// Every schedule, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleList {
    pub schedules: Vec<Schedule>,
    pub count: usize,
    pub timestamp: Timestamp,
}

/// What a plan would do, before it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preview {
    /// Its next runs.
    pub next: Vec<Timestamp>,
    /// The same by the clock of its time zone, such as `2026-03-29 03:00 CEST`.
    pub local: Vec<String>,
    /// The cron expression behind it.
    pub cron: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<NamePattern>().unwrap().matches(name)
    }

    /// As slowly as one would write it down.
    fn naive(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                naive(rest, name) || name.split_first().is_some_and(|(_, less)| naive(pattern, less))
            }
            (Some(('?', rest)), Some((_, less))) => naive(rest, less),
            (Some((a, rest)), Some((b, less))) => a == b && naive(rest, less),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_their_definition_says(pattern in "[ab*?]{1,8}", name in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &name), naive(&chars(&pattern), &chars(&name)));
        }
    }

    #[test]
    fn a_plan_is_read_with_nothing_but_when_and_whom() {
        let plan: Plan = serde_json::from_str(
            r#"{"when": {"every": "day", "at": "02:30"}, "guests": {"which": "pattern", "pattern": "web-*"}}"#,
        )
        .unwrap();
        let at = "02:30".parse().unwrap();
        let pattern = "web-*".parse().unwrap();
        assert_eq!(plan, Plan::of(When::Day { at }, GuestChoice::Pattern { pattern }));
        assert_eq!((plan.check(), plan.zone.as_str()), (Ok(()), "UTC"));
    }

    #[test]
    fn numbers_out_of_their_range_are_refused() {
        let plan = || Plan::of(When::Hour { minute: 0 }, GuestChoice::All);
        for (bad, error) in [
            (Plan { spread_min: 1441, ..plan() }, PlanError::Spread),
            (Plan { per_host: Some(0), ..plan() }, PlanError::PerHost),
            (Plan { make_up_min: 44_641, ..plan() }, PlanError::MakeUp),
            (Plan { recent_min: Some(44_641), ..plan() }, PlanError::Recent),
            (Plan { guests: GuestChoice::Named { guests: Vec::new() }, ..plan() }, PlanError::Guests),
        ] {
            assert_eq!(bad.check(), Err(error));
        }
    }
}
