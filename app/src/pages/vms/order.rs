//! In what order guests are shown.

use std::cmp::Ordering;

use memdeck_model::telemetry::LiveSummary;

use super::view::Sort;

/// What a guest is ordered by: the more, the earlier. What is not known comes last.
pub fn load_of(sort: Sort, summary: Option<&LiveSummary>) -> Option<f64> {
    let summary = summary?;
    let both = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or_default() + b.unwrap_or_default()),
    };
    match sort {
        Sort::Name => None,
        Sort::Cpu => summary.cpu_pct,
        Sort::Memory => summary.memory_pct,
        Sort::Network => both(summary.net_rx, summary.net_tx),
        Sort::Disk => both(summary.disk_read, summary.disk_write),
    }
}

/// Which of two guests comes first; equals stay in the order of their names.
pub fn by_load(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestState, Timestamp};

    use super::*;

    fn summary() -> LiveSummary {
        LiveSummary {
            cpu_pct: Some(12.0),
            net_rx: Some(1.0),
            net_tx: Some(2.0),
            disk_write: Some(4.0),
            ..LiveSummary::unmeasured("u", GuestState::Running, Timestamp::from_unix_micros(0).unwrap())
        }
    }

    #[test]
    fn both_ways_count_together_and_what_is_unknown_is_no_load() {
        let loads = Sort::ALL.map(|sort| load_of(sort, Some(&summary())));
        assert_eq!(loads, [None, Some(12.0), None, Some(3.0), Some(4.0)]);
        assert_eq!(load_of(Sort::Cpu, None), None);
    }

    #[test]
    fn the_most_comes_first_and_what_is_unknown_last() {
        let mut loads = vec![None, Some(1.0), Some(30.0), None, Some(2.0)];
        loads.sort_by(|a, b| by_load(*a, *b));
        assert_eq!(loads, [Some(30.0), Some(2.0), Some(1.0), None, None]);
    }
}
