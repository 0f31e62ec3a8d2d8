//! How long to wait before something that failed is tried again, and which failure is news.

use std::time::Duration;

/// Before the first further attempt, and between attempts that a full volume defeats: room may come at any moment.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Attempts at one thing until it succeeds.
#[derive(Clone, Debug)]
pub struct Retry {
    next: Duration,
    is_reported: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { next: SHORTEST, is_reported: false }
    }
}

impl Retry {
    /// How long to wait after a failure. A full volume is looked at every 0.5 s; after anything else the intervals double
    /// up to 30 s.
    pub fn interval(&mut self, is_full: bool) -> Duration {
        if is_full {
            self.next = SHORTEST;
            return SHORTEST;
        }
        let interval = self.next;
        self.next = interval.saturating_mul(2).min(LONGEST);
        interval
    }

    /// Whether a failure is the first one, which the log reports; the further ones would only repeat it.
    pub fn is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.is_reported, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_volume_is_looked_at_every_half_second() {
        let mut retry = Retry::default();
        let mut seconds = |is_full: bool| retry.interval(is_full).as_secs_f64().to_string();
        assert_eq!([false; 8].map(&mut seconds), ["0.5", "1", "2", "4", "8", "16", "30", "30"]);
        assert_eq!([true, true, false, false].map(seconds), ["0.5", "0.5", "0.5", "1"]);
        assert_eq!([(); 3].map(|()| retry.is_news()), [true, false, false]);
    }
}
