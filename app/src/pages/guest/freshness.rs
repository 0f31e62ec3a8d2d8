//! How current the values of a guest are.

use leptos::prelude::*;
use memdeck_model::{Millis, Timestamp};

use crate::time::{Clock, relative};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Icon, Tone};

/// Values may be so old before a notice appears, or three times as old as one interval.
const FRESH: Millis = Millis(5_000);

/// What is known of the age of a guest's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// When they were taken; `None` before the first.
    pub at: Option<Timestamp>,
    /// Between the last two.
    interval: Millis,
    /// The guest did not answer since.
    pub stale: bool,
    /// A job has the guest, so a part is missing.
    pub partial: bool,
}

impl Freshness {
    /// Takes note of values. False if they are those that were there before.
    pub fn take(&mut self, at: Timestamp, stale: bool, partial: bool) -> bool {
        let is_new = self.at.is_none_or(|before| before != at);
        if let Some(before) = self.at.filter(|before| *before < at) {
            self.interval = at.since(before);
        }
        *self = Self { at: Some(at), interval: self.interval, stale, partial };
        is_new
    }

    /// Whether the values are old at `now`.
    pub fn is_old(self, now: Timestamp) -> bool {
        let limit = FRESH.0.max(self.interval.0.saturating_mul(3));
        self.at.is_some_and(|at| self.stale || now.since(at).0 > limit)
    }

    /// What an operator must know about the values at `now`; `None` if they are current and whole.
    pub fn notice(self, now: Timestamp) -> Option<String> {
        match self.at {
            Some(at) if self.is_old(now) => Some(format!("Last values from {}", relative(at, now))),
            Some(_) if self.partial => Some("Partly known: the VM is busy with a job".to_owned()),
            _ => None,
        }
    }
}

/// Says that values are old, or known in part; else nothing.
#[component]
pub fn FreshnessBadge(
    /// What is known of their age.
    freshness: RwSignal<Freshness>,
) -> impl IntoView {
    let clock = Clock::expect();
    let notice = memo(move || freshness.get().notice(clock.now()));
    dynamic(move || {
        notice.get().map(|notice| {
            view! {
                <Badge tone=Tone::Waiting icon=Icon::Clock>
                    {notice}
                </Badge>
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    #[test]
    fn values_are_old_after_five_seconds_or_three_intervals() {
        let mut freshness = Freshness::default();
        assert!(!freshness.is_old(at(1_000)) && freshness.notice(at(1_000)).is_none(), "there are none");
        assert!(freshness.take(at(100), false, false));
        assert_eq!([105, 106].map(|now| freshness.is_old(at(now))), [false, true]);
        assert!(freshness.take(at(110), false, false));
        assert_eq!([140, 141].map(|now| freshness.is_old(at(now))), [false, true]);
        assert_eq!(freshness.notice(at(150)).as_deref(), Some("Last values from 40 s ago"));
    }

    #[test]
    fn what_a_guest_that_does_not_answer_said_last_is_old_at_once_and_no_news() {
        let mut freshness = Freshness::default();
        freshness.take(at(100), false, false);
        assert!(!freshness.take(at(100), true, false));
        assert!(freshness.is_old(at(101)));
    }

    #[test]
    fn values_that_are_known_in_part_are_told_so_while_they_are_current() {
        let mut freshness = Freshness::default();
        freshness.take(at(100), false, true);
        assert_eq!(freshness.notice(at(101)).as_deref(), Some("Partly known: the VM is busy with a job"));
        assert_eq!(freshness.notice(at(200)).as_deref(), Some("Last values from 1 min ago"));
    }
}
