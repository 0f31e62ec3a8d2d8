//! What happened to the collector, from two reports that follow each other: a report holds figures, not events.

use std::collections::VecDeque;

use memdeck_model::telemetry::{CollectorStatus, Connection};
use memdeck_model::{Message, Timestamp};

/// More lines than anybody reads.
const KEPT: usize = 100;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// The program was started anew: its figures began at 0.
    Restarted,
    /// It began to collect.
    Started(Option<Timestamp>),
    /// It was stopped.
    Stopped,
    /// Collections failed.
    Failed(u64, Option<Message>),
    /// The hypervisor does not answer.
    Away(Timestamp, Message),
    /// The hypervisor answers again.
    Back,
    /// Intervals went by without a collection.
    Missed(u64),
    /// Points were dropped from the queue.
    Dropped(u64),
    /// The store of its own did not take values.
    StoreFailed(Message),
}

impl Happened {
    /// Both as one, where the same only went on.
    fn and(&self, later: &Self) -> Option<Self> {
        Some(match (self, later) {
            (Self::Failed(before, _), Self::Failed(more, error)) => {
                Self::Failed(before + more, error.clone())
            }
            (Self::Missed(before), Self::Missed(more)) => Self::Missed(before + more),
            (Self::Dropped(before), Self::Dropped(more)) => Self::Dropped(before + more),
            _ => return None,
        })
    }

    /// The instant that the report names.
    fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Started(at) => *at,
            Self::Away(since, _) => Some(*since),
            _ => None,
        }
    }
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Distinguishes it from the others.
    pub number: u64,
    /// When it happened, or was first seen; of what goes on, when it was seen last.
    pub at: Timestamp,
    pub what: Happened,
}

/// Puts news that were seen at `now` on top.
pub fn take_in(lines: &mut VecDeque<Line>, what: Happened, now: Timestamp) {
    let at = what.at().unwrap_or(now);
    if let Some(newest) = lines.front_mut()
        && let Some(both) = newest.what.and(&what)
    {
        *newest = Line { number: newest.number, at, what: both };
        return;
    }
    let number = lines.front().map_or(0, |line| line.number.wrapping_add(1));
    lines.push_front(Line { number, at, what });
    lines.truncate(KEPT);
}

/// What must have happened between two reports; of the first one, what it shows of the time before.
pub fn happened(before: Option<&CollectorStatus>, now: &CollectorStatus) -> Vec<Happened> {
    let mut news = Vec::new();
    let is_anew = before.is_some_and(|before| now.total_collections < before.total_collections);
    if is_anew {
        news.push(Happened::Restarted);
    }
    let before = before.filter(|_| !is_anew);
    if now.running && before.is_none_or(|before| before.started_at != now.started_at) {
        news.push(Happened::Started(now.started_at));
    } else if !now.running && before.is_some_and(|before| before.running) {
        news.push(Happened::Stopped);
    }
    let more = |read: fn(&CollectorStatus) -> u64| {
        let more = read(now).saturating_sub(before.map_or(0, read));
        (more > 0).then_some(more)
    };
    news.extend(more(|status| status.missed_intervals).map(Happened::Missed));
    let failed = more(|status| status.total_errors);
    news.extend(failed.map(|count| Happened::Failed(count, now.last_error.clone())));
    let was_away = before.is_some_and(|before| is_away(&before.connection));
    match &now.connection {
        Connection::Reconnecting { since, error, .. } if !was_away => {
            news.push(Happened::Away(*since, error.clone()));
        }
        Connection::Connected if was_away => news.push(Happened::Back),
        _ => {}
    }
    news.extend(more(|status| status.influx_queue_dropped).map(Happened::Dropped));
    if let Some(error) = &now.store_error
        && before.is_none_or(|before| before.store_error.as_ref() != Some(error))
    {
        news.push(Happened::StoreFailed(error.clone()));
    }
    news
}

fn is_away(connection: &Connection) -> bool {
    matches!(connection, Connection::Reconnecting { .. })
}

#[cfg(test)]
pub mod tests {
    use memdeck_model::Millis;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    /// A collector that has run since the first second.
    pub fn running() -> CollectorStatus {
        CollectorStatus {
            running: true,
            started_at: Some(at(1)),
            total_collections: 10,
            total_errors: 0,
            last_collection_time: Some(at(11)),
            vms_monitored: 2,
            total_metrics_written: 40,
            influx_queue_size: 0,
            influx_queue_dropped: 0,
            interval_ms: Millis(1000),
            last_duration_ms: Some(Millis(3)),
            max_duration_ms: Some(Millis(9)),
            missed_intervals: 0,
            stale_vms: 0,
            partial_vms: 0,
            connection: Connection::Connected,
            last_error: None,
            unmeasured: Vec::new(),
            store_bytes: 4096,
            store_error: None,
            store_given_up: 0,
        }
    }

    fn away() -> Connection {
        Connection::Reconnecting {
            since: at(20),
            attempts: 3,
            next_attempt: at(25),
            error: Message::new("connection refused"),
        }
    }

    #[test]
    fn the_first_report_tells_since_when_it_runs_and_what_had_gone_wrong() {
        assert_eq!(happened(None, &running()), [Happened::Started(Some(at(1)))]);
        let error = Some(Message::new("timed out"));
        let troubled = CollectorStatus {
            running: false,
            started_at: None,
            total_errors: 2,
            last_error: error.clone(),
            connection: away(),
            ..running()
        };
        assert_eq!(
            happened(None, &troubled),
            [Happened::Failed(2, error), Happened::Away(at(20), Message::new("connection refused"))]
        );
    }

    #[test]
    fn what_is_as_before_is_no_news() {
        let later = CollectorStatus { total_collections: 12, total_metrics_written: 48, ..running() };
        assert_eq!(happened(Some(&running()), &later), []);
        let (gone, still_gone) = (
            CollectorStatus { connection: away(), ..running() },
            CollectorStatus { connection: away(), ..later },
        );
        assert_eq!(happened(Some(&gone), &still_gone), []);
    }

    #[test]
    fn changes_are_told_once() {
        let gone = CollectorStatus { connection: away(), ..running() };
        let news = |before: &CollectorStatus, now: &CollectorStatus| happened(Some(before), now);
        assert_eq!(news(&running(), &gone), [Happened::Away(at(20), Message::new("connection refused"))]);
        assert_eq!(news(&gone, &running()), [Happened::Back]);
        let stopped = CollectorStatus { running: false, started_at: None, ..running() };
        assert_eq!(news(&running(), &stopped), [Happened::Stopped]);
        let again = CollectorStatus { started_at: Some(at(60)), ..running() };
        assert_eq!(news(&stopped, &again), [Happened::Started(Some(at(60)))]);
        let slow = CollectorStatus { missed_intervals: 3, influx_queue_dropped: 7, ..running() };
        assert_eq!(news(&running(), &slow), [Happened::Missed(3), Happened::Dropped(7)]);
    }

    #[test]
    fn figures_that_begin_anew_are_another_program_and_no_negative_news() {
        let before = CollectorStatus { total_errors: 9, missed_intervals: 5, ..running() };
        let now = CollectorStatus { total_collections: 1, started_at: Some(at(90)), ..running() };
        assert_eq!(happened(Some(&before), &now), [Happened::Restarted, Happened::Started(Some(at(90)))]);
    }

    #[test]
    fn what_goes_on_is_one_line_and_the_log_does_not_grow_for_ever() {
        let mut lines = VecDeque::new();
        for second in 0..5 {
            take_in(&mut lines, Happened::Missed(2), at(second));
        }
        assert_eq!(lines, [Line { number: 0, at: at(4), what: Happened::Missed(10) }]);
        for second in 0..200 {
            take_in(&mut lines, Happened::Stopped, at(second));
            take_in(&mut lines, Happened::Started(None), at(second));
        }
        assert_eq!(lines.len(), KEPT);
        assert_eq!(lines.front().map(|line| line.what.clone()), Some(Happened::Started(None)));
    }
}
