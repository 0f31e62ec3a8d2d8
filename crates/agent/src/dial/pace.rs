//! When an agent dials again.

use std::time::Duration;

use crate::spread::varied;

/// A connection that lasted so long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(10);
/// The longest wait after the end of a good one: many agents lose their dashboard in one moment.
const AT_ONCE: Duration = Duration::from_millis(300);
/// Between two attempts while the dashboard does not answer. It looks for the agents that it calls as often.
const ABSENT_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait while connections end soon: another agent may have the same token.
const LONGEST_AFTER_SHORT: Duration = Duration::from_secs(5);
/// The longest wait for a dashboard that answers and does not want this agent.
const LONGEST_REFUSED: Duration = Duration::from_secs(30);

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// There was a connection for so long.
    Ended(Duration),
    /// Nobody answered, and that took so long.
    Unanswered(Duration),
    /// The dashboard did not want this agent, or this agent does not trust it.
    Refused,
}

/// The waits between the attempts of one agent.
#[derive(Debug, Default)]
pub struct Pace {
    /// Attempts in a row that did not lead to a good connection although somebody answered.
    in_vain: u32,
}

impl Pace {
    /// How long to wait after an attempt.
    pub fn wait(&mut self, after: Attempt) -> Duration {
        let longest = match after {
            Attempt::Ended(lasted) if lasted >= GOOD_AFTER => {
                self.in_vain = 0;
                return varied(AT_ONCE / 2, AT_ONCE / 2);
            }
            // From when it was begun: on a way that is cut off it ends late, and there may be a way again by then.
            Attempt::Unanswered(took) => {
                return varied(ABSENT_INTERVAL, ABSENT_INTERVAL * 3 / 10).saturating_sub(took);
            }
            Attempt::Ended(_) => LONGEST_AFTER_SHORT,
            Attempt::Refused => LONGEST_REFUSED,
        };
        let doubled = ABSENT_INTERVAL.saturating_mul(1 << self.in_vain.min(10));
        self.in_vain = self.in_vain.saturating_add(1);
        let interval = doubled.min(longest);
        varied(interval, interval * 3 / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(attempts: &[Attempt]) -> Vec<f64> {
        let mut pace = Pace::default();
        attempts.iter().map(|attempt| pace.wait(*attempt).as_secs_f64()).collect()
    }

    #[test]
    fn a_good_connection_is_opened_again_at_once_and_an_absent_dashboard_is_tried_every_second() {
        let good = Attempt::Ended(Duration::from_mins(1));
        let refused = Attempt::Unanswered(Duration::ZERO);
        let waits = waits(&[good, refused, refused, refused]);
        assert!(waits[0] <= 0.3, "{waits:?}");
        assert!(waits[1..].iter().all(|wait| (0.7..=1.3).contains(wait)), "{waits:?}");
    }

    #[test]
    fn an_attempt_that_took_long_in_vain_is_followed_by_the_next_one() {
        let waits = waits(&[Attempt::Unanswered(Duration::from_millis(2500)); 3]);
        assert_eq!(waits, [0.0; 3]);
    }

    #[test]
    fn whoever_is_not_wanted_asks_ever_more_rarely() {
        let refused = waits(&[Attempt::Refused; 12]);
        assert!(refused[0] <= 1.3 && (21.0..=39.0).contains(&refused[11]), "{refused:?}");
        let short = waits(&[Attempt::Ended(Duration::from_secs(1)); 12]);
        assert!(short[0] <= 1.3 && (3.5..=6.5).contains(&short[11]), "{short:?}");
    }

    #[test]
    fn a_good_connection_makes_up_for_what_was_before() {
        let good = Attempt::Ended(Duration::from_mins(1));
        let waits = waits(&[Attempt::Refused, Attempt::Refused, Attempt::Refused, good, Attempt::Refused]);
        assert!(waits[4] <= 1.3, "{waits:?}");
    }
}
