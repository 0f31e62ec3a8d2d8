//! The last five minutes of a gauge, in steps of five seconds.

use std::collections::VecDeque;

use memdeck_model::Timestamp;

/// The length of a step, in seconds.
pub const STEP_S: i64 = 5;
/// How many steps there are.
const STEPS: i64 = 60;
/// All of them, in seconds.
pub const SPAN_S: i64 = STEP_S * STEPS;

/// What was seen in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    /// Steps since 1970.
    number: i64,
    sum: f64,
    count: u32,
    highest: f64,
}

/// What was seen in each step, oldest first. A step in which nothing was seen is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    steps: VecDeque<Step>,
}

impl History {
    /// Takes in a value that was measured at `at`.
    pub fn add(&mut self, at: Timestamp, value: f64) {
        if let Some(step) = self.step_at(at) {
            step.sum += value;
            step.count += 1;
            step.highest = step.highest.max(value);
        }
    }

    /// Takes in what the server kept of the step at `at`. Values that this page saw itself stay.
    pub fn recall(&mut self, at: Timestamp, mean: f64, highest: f64) {
        if let Some(step) = self.step_at(at) {
            if step.count == 0 {
                step.sum = mean;
                step.count = 1;
            }
            step.highest = step.highest.max(highest);
        }
    }

    /// The step at `at`, made if it is not there; `None` if it is too old beside what is there. Those that are too old
    /// beside it go.
    fn step_at(&mut self, at: Timestamp) -> Option<&mut Step> {
        let number = at.unix_seconds().div_euclid(STEP_S);
        if self.steps.back().is_some_and(|newest| number <= newest.number - STEPS) {
            return None;
        }
        self.steps.retain(|step| step.number > number - STEPS);
        let place = self.steps.iter().position(|step| step.number >= number).unwrap_or(self.steps.len());
        if self.steps.get(place).is_none_or(|step| step.number != number) {
            self.steps.insert(place, Step { number, sum: 0.0, count: 0, highest: f64::NEG_INFINITY });
        }
        self.steps.get_mut(place)
    }

    /// The means of the steps, the last at the end; `None` if nothing was seen.
    pub fn means(&self) -> Vec<Option<f64>> {
        let Some(newest) = self.steps.back().map(|step| step.number) else { return Vec::new() };
        let mean = |number| self.steps.iter().find(|step| step.number == number).map(Step::mean);
        (newest - STEPS + 1..=newest).map(mean).collect()
    }

    /// The highest value, and the mean of all.
    pub fn highest_and_mean(&self) -> Option<(f64, f64)> {
        let highest = self.steps.iter().map(|step| step.highest).reduce(f64::max)?;
        let sum: f64 = self.steps.iter().map(Step::mean).sum();
        #[expect(clippy::cast_precision_loss, reason = "at most 60")]
        let mean = sum / self.steps.len() as f64;
        Some((highest, mean))
    }
}

impl Step {
    fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    #[test]
    fn values_of_one_step_are_one_mean_and_the_highest_is_kept() {
        let mut history = History::default();
        for (second, value) in [(1_000, 1.0), (1_001, 3.0), (1_005, 5.0)] {
            history.add(at(second), value);
        }
        let means = history.means();
        assert_eq!((means.len(), &means[57..]), (60, &[None, Some(2.0), Some(5.0)][..]));
        assert_eq!(history.highest_and_mean(), Some((5.0, 3.5)));
        assert_eq!(History::default().highest_and_mean(), None);
        assert!(History::default().means().is_empty());
    }

    #[test]
    fn what_is_older_than_five_minutes_goes() {
        let mut history = History::default();
        history.add(at(1_000), 100.0);
        history.add(at(1_000 + SPAN_S - STEP_S), 1.0);
        assert_eq!(history.highest_and_mean().map(|(highest, _)| highest), Some(100.0));
        history.add(at(1_000 + SPAN_S), 1.0);
        assert_eq!(history.highest_and_mean().map(|(highest, _)| highest), Some(1.0));
    }

    #[test]
    fn what_the_server_kept_comes_before_and_changes_nothing_that_was_seen_but_a_peak() {
        let mut history = History::default();
        history.add(at(1_010), 4.0);
        history.recall(at(1_010), 2.0, 9.0);
        history.recall(at(1_000), 1.0, 2.0);
        assert_eq!(&history.means()[57..], &[Some(1.0), None, Some(4.0)]);
        assert_eq!(history.highest_and_mean(), Some((9.0, 2.5)));
        history.recall(at(1_010 - SPAN_S), 50.0, 50.0);
        assert_eq!(history.highest_and_mean(), Some((9.0, 2.5)), "what is too old beside it is left out");
    }
}
