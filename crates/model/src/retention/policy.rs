//! Rules about how long images are kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ByteCount;
use crate::NamePattern;

/// What is wrong with a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("a policy has at most {} rules", Policy::MOST_RULES)]
    TooManyRules,
    #[error("rule {0} names no guest")]
    NoGuests(usize),
    #[error("rule {0} says neither what to keep nor a limit of bytes")]
    Empty(usize),
    #[error("rule {0} keeps less than one image; leave out what it is not to keep")]
    Zero(usize),
}

/// Whose images a rule means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "which", rename_all = "snake_case")]
pub enum GuestRule {
    /// Every guest.
    All,
    /// Guests of these names.
    Named { guests: Vec<String> },
    /// Guests whose name matches.
    Pattern { pattern: NamePattern },
}

impl GuestRule {
    fn means(&self, guest: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named { guests } => guests.iter().any(|name| name == guest),
            Self::Pattern { pattern } => pattern.matches(guest),
        }
    }
}

impl fmt::Display for GuestRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all guests"),
            Self::Named { guests } => f.write_str(&guests.join(", ")),
            Self::Pattern { pattern } => write!(f, "guests called {}", pattern.as_str()),
        }
    }
}

/// What is kept of each guest that it means. An image goes if nothing that a rule says keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rule {
    /// Whose images it means. Of several rules that mean a guest, the first counts.
    pub guests: GuestRule,
    /// The newest so many images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u32>,
    /// Images that are younger than so many hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_hours: Option<u32>,
    /// The newest image of each of the last so many hours that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hourly: Option<u32>,
    /// The same of days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// The same of weeks, which begin on Monday.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u32>,
    /// The same of months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u32>,
    /// The most bytes that the images of a guest take; beyond them the oldest go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_bytes: Option<ByteCount>,
    /// Whether only images go whose verification has found them sound.
    #[serde(default)]
    pub only_verified: bool,
}

impl Rule {
    /// A rule that keeps everything.
    #[must_use]
    pub const fn of(guests: GuestRule) -> Self {
        Self {
            guests,
            keep_last: None,
            keep_hours: None,
            hourly: None,
            daily: None,
            weekly: None,
            monthly: None,
            most_bytes: None,
            only_verified: false,
        }
    }

    /// What it keeps by number or by time.
    fn amounts(&self) -> [Option<u32>; 6] {
        [self.keep_last, self.keep_hours, self.hourly, self.daily, self.weekly, self.monthly]
    }

    /// Whether it says what to keep, and not a limit of bytes alone.
    #[must_use]
    pub fn thins(&self) -> bool {
        self.amounts().iter().any(Option::is_some)
    }
}

/// All rules, and the room that is kept free.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    /// In the order in which they are looked at. Images of guests that no rule means are kept.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Where less than this is free on a host, images that a rule means go, the oldest first, until as much is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_bytes: Option<ByteCount>,
}

impl Policy {
    /// The most rules.
    pub const MOST_RULES: usize = 200;

    /// # Errors
    /// A rule means nobody or says nothing.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.rules.len() > Self::MOST_RULES {
            return Err(PolicyError::TooManyRules);
        }
        for (number, rule) in (1..).zip(&self.rules) {
            if matches!(&rule.guests, GuestRule::Named { guests } if guests.is_empty()) {
                return Err(PolicyError::NoGuests(number));
            }
            if !rule.thins() && rule.most_bytes.is_none() {
                return Err(PolicyError::Empty(number));
            }
            if rule.amounts().contains(&Some(0)) {
                return Err(PolicyError::Zero(number));
            }
        }
        Ok(())
    }

    /// The rule for a guest.
    #[must_use]
    pub fn rule_for(&self, guest: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.guests.means(guest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_means_a_guest_counts() {
        let pattern = |text: &str| GuestRule::Pattern { pattern: text.parse().unwrap() };
        let last = |guests, count| Rule { keep_last: Some(count), ..Rule::of(guests) };
        let rules = vec![last(pattern("web-*"), 3), last(GuestRule::All, 1)];
        let policy = Policy { rules, floor_bytes: None };
        let kept = |guest| policy.rule_for(guest).and_then(|rule| rule.keep_last);
        assert_eq!([kept("web-01"), kept("db-01")], [Some(3), Some(1)]);
        assert_eq!(policy.check(), Ok(()));
    }

    #[test]
    fn a_rule_that_says_nothing_is_refused() {
        let check = |rule| Policy { rules: vec![rule], floor_bytes: None }.check();
        assert_eq!(check(Rule::of(GuestRule::All)), Err(PolicyError::Empty(1)));
        let zero = Rule { daily: Some(0), ..Rule::of(GuestRule::All) };
        assert_eq!(check(zero), Err(PolicyError::Zero(1)));
        let nobody = GuestRule::Named { guests: Vec::new() };
        assert_eq!(check(Rule { keep_last: Some(1), ..Rule::of(nobody) }), Err(PolicyError::NoGuests(1)));
    }
}
