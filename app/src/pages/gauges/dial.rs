//! The eight gauges: what each shows of a guest, and how its needle and its number are made.

use memdeck_model::decimal;
use memdeck_model::telemetry::{LiveSample, Metric, needle_degrees};

use crate::ui::Mark;
use crate::words::{grouped, measured};

/// One gauge.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    /// What it shows.
    pub metric: Metric,
    pub title: &'static str,
    /// The unit of its number.
    pub unit: &'static str,
    /// The same where there is little room.
    pub short: &'static str,
    /// What its needle counts, per second.
    pub counts: &'static str,
    /// So much of the metric's own unit (of a counter: per second) is 1 of `unit`.
    per_unit: f64,
}

const MIB: f64 = 1_048_576.0;

/// All of them, in the order of the page.
pub const DIALS: [Dial; 8] = [
    dial(Metric::NetRxBytes, "Network RX", ("MiB/s", "MiB/s"), "B", MIB),
    dial(Metric::NetTxBytes, "Network TX", ("MiB/s", "MiB/s"), "B", MIB),
    dial(Metric::DiskReadBytes, "Disk read", ("MiB/s", "MiB/s"), "B", MIB),
    dial(Metric::DiskWriteBytes, "Disk write", ("MiB/s", "MiB/s"), "B", MIB),
    // A second of CPU time in each second is one vCPU.
    dial(Metric::CpuUser, "CPU user time", ("% of a vCPU", "%"), "ns", 1e7),
    dial(Metric::CpuSystem, "CPU system time", ("% of a vCPU", "%"), "ns", 1e7),
    dial(Metric::MemRss, "Memory RSS", ("MiB", "MiB"), "KiB", 1024.0),
    dial(Metric::DiskReadReqs, "Disk read requests", ("requests/s", "/s"), "requests", 1.0),
];

const fn dial(
    metric: Metric,
    title: &'static str,
    (unit, short): (&'static str, &'static str),
    counts: &'static str,
    per_unit: f64,
) -> Dial {
    Dial { metric, title, unit, short, counts, per_unit }
}

/// The scale of every needle: changes per second in the counter's own unit.
pub const MARKS: &[Mark] = &[(0.0, "1"), (21.8, "100"), (38.66, "10k"), (60.95, "1G")];

/// What a gauge shows at one time; `None` if it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// The number, in the gauge's unit.
    pub number: Option<f64>,
    /// The change per second, in the counter's own unit.
    pub rate: Option<f64>,
}

impl Dial {
    /// What it shows of `sample`; `before` is the sample before it, from which the change of a value that is no counter
    /// follows.
    pub fn read(&self, sample: &LiveSample, before: Option<&LiveSample>) -> Reading {
        if self.metric.is_counter() {
            let rate = sample.rates.get(&self.metric).copied();
            return Reading { number: rate.map(|rate| self.number_of(rate)), rate };
        }
        let value_in = |sample: &LiveSample| sample.totals.get(self.metric).map(float);
        let value = value_in(sample);
        let change = before.and_then(|before| Some((value_in(before)?, sample.at.since(before.at).0)));
        let rate = value.zip(change).filter(|(_, (_, passed_ms))| *passed_ms > 0);
        Reading {
            number: value.map(|value| self.number_of(value)),
            rate: rate.map(|(value, (before, passed_ms))| (value - before).abs() * 1000.0 / float(passed_ms)),
        }
    }

    /// What so much of the metric's own unit is in the gauge's.
    pub fn number_of(&self, own: f64) -> f64 {
        own / self.per_unit
    }

    /// `highest 12.5, mean 1.25 MiB/s`.
    pub fn highest_and_mean(&self, highest: f64, mean: f64) -> String {
        format!("highest {}, mean {} {}", measured(highest), measured(mean), self.short)
    }

    /// What the needle says.
    pub fn needle_in_words(&self, rate: f64) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded, and not negative"
        )]
        let whole = rate.abs().round() as u64;
        format!("{}°: {} {}/s", decimal(needle_degrees(rate), 1), grouped(whole), self.counts)
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use memdeck_model::telemetry::VmTotals;
    use memdeck_model::{GuestName, GuestState, Millis, Timestamp};

    use super::*;

    pub fn sample(second: i64, rates: &[(Metric, f64)], memrss: Option<u64>) -> LiveSample {
        LiveSample {
            host: None,
            uuid: "u".into(),
            name: GuestName("web-01".into()),
            id: 1,
            state: GuestState::Running,
            started_at: None,
            at: Timestamp::from_unix_micros(second * 1_000_000).unwrap(),
            age_ms: Millis(0),
            stale: false,
            partial: false,
            memory_max: None,
            totals: VmTotals { memrss, ..VmTotals::default() },
            rates: rates.iter().copied().collect(),
            cpu_pct: None,
            cpu_user_pct: None,
            cpu_system_pct: None,
            memory_pct: None,
            degrees: BTreeMap::new(),
            devices: Vec::new(),
        }
    }

    fn dial_of(metric: Metric) -> Dial {
        DIALS.into_iter().find(|dial| dial.metric == metric).unwrap()
    }

    #[test]
    fn a_counter_shows_its_rate_in_the_operators_unit_and_the_needle_in_its_own() {
        let sample = sample(10, &[(Metric::NetRxBytes, 5.0 * MIB), (Metric::CpuUser, 2.5e8)], None);
        let rx = dial_of(Metric::NetRxBytes);
        let reading = rx.read(&sample, None);
        assert_eq!(reading, Reading { number: Some(5.0), rate: Some(5.0 * MIB) });
        assert_eq!(rx.highest_and_mean(12.5, 1.25), "highest 12.5, mean 1.25 MiB/s");
        assert_eq!(rx.needle_in_words(5.0 * MIB), "53.3°: 5,242,880 B/s");
        assert_eq!(dial_of(Metric::CpuUser).read(&sample, None).number, Some(25.0), "a quarter of a vCPU");
    }

    #[test]
    fn what_is_not_measured_is_not_0() {
        let sample = sample(10, &[], None);
        for dial in DIALS {
            assert_eq!(dial.read(&sample, Some(&sample)), Reading::default(), "{}", dial.title);
        }
    }

    #[test]
    fn memory_shows_its_size_and_the_needle_how_fast_it_changes_either_way() {
        let memory = dial_of(Metric::MemRss);
        let [first, later] = [sample(10, &[], Some(204_800)), sample(14, &[], Some(102_400))];
        assert_eq!(memory.read(&first, None), Reading { number: Some(200.0), rate: None });
        assert_eq!(memory.read(&later, Some(&first)), Reading { number: Some(100.0), rate: Some(25_600.0) });
        assert_eq!(memory.read(&first, Some(&first)).rate, None, "no time has passed");
    }

    #[test]
    fn the_numbers_of_the_scale_are_where_the_needle_points_for_them() {
        let rates = [1.0, 1e2, 1e4, 1e9];
        for ((at, number), rate) in MARKS.iter().zip(rates) {
            assert!((needle_degrees(rate) - at).abs() < 0.01, "{number}");
        }
    }

    #[test]
    fn needles_show_what_is_per_second() {
        for Dial { metric, title, .. } in DIALS {
            assert!(metric.is_counter() || metric == Metric::MemRss, "{title}");
        }
    }
}
