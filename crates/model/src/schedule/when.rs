//! When a schedule runs: plain choices, or a cron expression. Each choice is a cron expression, too.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::PlanError;

/// A time on the clock of the schedule's time zone, on the wire `02:30`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// `None` if there is no such time.
    #[must_use]
    pub fn new(hour: u16, minute: u16) -> Option<Self> {
        (hour < 24 && minute < 60).then_some(Self(hour * 60 + minute))
    }

    /// 0 to 23.
    #[must_use]
    pub const fn hour(self) -> u16 {
        self.0 / 60
    }

    /// 0 to 59.
    #[must_use]
    pub const fn minute(self) -> u16 {
        self.0 % 60
    }
}

impl FromStr for TimeOfDay {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let two = |digits: &str| {
            (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
        };
        let read = || {
            let (hour, minute) = text.split_once(':')?;
            Self::new(two(hour)?, two(minute)?)
        };
        read().ok_or(PlanError::Time)
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = PlanError;

    fn try_from(text: String) -> Result<Self, PlanError> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour(), self.minute())
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The word on the wire and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }

    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monday => "Monday",
            Self::Tuesday => "Tuesday",
            Self::Wednesday => "Wednesday",
            Self::Thursday => "Thursday",
            Self::Friday => "Friday",
            Self::Saturday => "Saturday",
            Self::Sunday => "Sunday",
        }
    }
}

impl FromStr for Weekday {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        Self::ALL.into_iter().find(|day| day.as_str() == text).ok_or(PlanError::Weekday)
    }
}

/// When a schedule runs, by the clock of its time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "every", rename_all = "snake_case")]
pub enum When {
    /// Every hour.
    Hour {
        /// Minutes past the hour, 0 to 59.
        minute: u8,
    },
    /// Every day.
    Day { at: TimeOfDay },
    /// On some days of the week.
    Week {
        /// At least one.
        on: Vec<Weekday>,
        at: TimeOfDay,
    },
    /// Once a month.
    Month {
        /// 1 to 28: every month has it.
        day: u8,
        at: TimeOfDay,
    },
    /// As a cron expression says: minute, hour, day of the month, month, day of the week.
    Cron { expression: String },
}

impl When {
    /// The longest cron expression.
    pub const MAX_EXPRESSION_BYTES: usize = 200;

    /// What can be checked without knowing cron.
    ///
    /// # Errors
    /// A number is out of its range, no day is named, or the expression is too long.
    pub fn check(&self) -> Result<(), PlanError> {
        match self {
            Self::Hour { minute } if *minute > 59 => Err(PlanError::Minute),
            Self::Week { on, .. } if on.is_empty() => Err(PlanError::NoWeekday),
            Self::Month { day, .. } if !(1..=28).contains(day) => Err(PlanError::Day),
            Self::Cron { expression } if expression.len() > Self::MAX_EXPRESSION_BYTES => {
                Err(PlanError::LongExpression)
            }
            _ => Ok(()),
        }
    }

    /// As a cron expression of five fields.
    #[must_use]
    pub fn cron(&self) -> String {
        match self {
            Self::Hour { minute } => format!("{minute} * * * *"),
            Self::Day { at } => format!("{} {} * * *", at.minute(), at.hour()),
            Self::Week { on, at } => {
                let mut days = on.clone();
                days.sort_unstable();
                days.dedup();
                let days: Vec<String> = days.iter().map(|day| (*day as u8 + 1).to_string()).collect();
                format!("{} {} * * {}", at.minute(), at.hour(), days.join(","))
            }
            Self::Month { day, at } => format!("{} {} {day} * *", at.minute(), at.hour()),
            Self::Cron { expression } => expression.clone(),
        }
    }
}

/// As a person would say it: "every day at 02:30".
impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour { minute } => write!(f, "every hour at minute {minute}"),
            Self::Day { at } => write!(f, "every day at {at}"),
            Self::Week { on, at } => {
                let days: Vec<&str> = on.iter().map(|day| day.name()).collect();
                write!(f, "every {} at {at}", days.join(", "))
            }
            Self::Month { day, at } => write!(f, "every month on day {day} at {at}"),
            Self::Cron { expression } => write!(f, "cron {expression}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_cron_expression() {
        let at = "02:30".parse().unwrap();
        let cases = [
            (When::Hour { minute: 5 }, "5 * * * *", "every hour at minute 5"),
            (When::Day { at }, "30 2 * * *", "every day at 02:30"),
            (
                When::Week { on: vec![Weekday::Monday, Weekday::Sunday], at },
                "30 2 * * 1,7",
                "every Monday, Sunday at 02:30",
            ),
            (When::Month { day: 28, at }, "30 2 28 * *", "every month on day 28 at 02:30"),
        ];
        for (when, cron, words) in cases {
            assert_eq!((when.cron().as_str(), when.to_string().as_str()), (cron, words));
            assert_eq!(when.check(), Ok(()));
            let json = serde_json::to_value(&when).unwrap();
            assert_eq!(serde_json::from_value::<When>(json).unwrap(), when);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in ["2:30", "24:00", "02:60", "0230", "", "ab:cd", "+2:30"] {
            assert_eq!(bad.parse::<TimeOfDay>(), Err(PlanError::Time), "{bad}");
        }
        let at = TimeOfDay::default();
        assert_eq!(When::Hour { minute: 60 }.check(), Err(PlanError::Minute));
        assert_eq!(When::Week { on: Vec::new(), at }.check(), Err(PlanError::NoWeekday));
        assert_eq!(When::Month { day: 29, at }.check(), Err(PlanError::Day));
        let long = "1,".repeat(150);
        assert_eq!(When::Cron { expression: long }.check(), Err(PlanError::LongExpression));
    }
}
