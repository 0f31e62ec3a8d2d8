//! The unit in which the values of a chart are shown.

use memdeck_model::decimal;
use memdeck_model::telemetry::{Metric, MetricUnit};

/// A unit, and how many of the metric's own it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// What a value is divided by.
    pub divisor: f64,
    /// The sign of the unit; empty if things are counted.
    pub unit: &'static str,
    /// Whether values are whole numbers.
    pub is_whole: bool,
    /// Whether they are yes or no.
    pub is_flag: bool,
}

const BYTES: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const BYTES_PER_S: [&str; 6] = ["B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s", "PiB/s"];
/// A hundredth of a second of CPU time in a second is 1 %.
const NS_PER_S_IN_PERCENT: f64 = 1e7;

impl Scale {
    /// For values of `metric` of which the highest is `max`; counters are changes per second.
    pub fn of(metric: Metric, max: f64) -> Self {
        let plain = Self { divisor: 1.0, unit: "", is_whole: false, is_flag: false };
        let is_rate = metric.is_counter();
        match metric.unit() {
            MetricUnit::Flag => Self { is_whole: true, is_flag: true, ..plain },
            MetricUnit::Count if is_rate => Self { unit: "/s", ..plain },
            MetricUnit::Count => Self { is_whole: true, ..plain },
            MetricUnit::Nanoseconds if is_rate => Self { divisor: NS_PER_S_IN_PERCENT, unit: "%", ..plain },
            MetricUnit::Nanoseconds => Self { divisor: 1e9, unit: "s", ..plain },
            MetricUnit::Kib => Self::bytes(max, 1024.0, is_rate),
            MetricUnit::Bytes => Self::bytes(max, 1.0, is_rate),
        }
    }

    /// Of values that are `own` bytes each.
    fn bytes(max: f64, own: f64, is_rate: bool) -> Self {
        let units = if is_rate { BYTES_PER_S } else { BYTES };
        let (mut size, mut unit, mut divisor) = (max * own, units[0], 1.0 / own);
        for next in &units[1..] {
            if size < 999.5 {
                break;
            }
            size /= 1024.0;
            divisor *= 1024.0;
            unit = next;
        }
        Self { divisor, unit, is_whole: false, is_flag: false }
    }

    /// A value in this unit, with it.
    pub fn text(self, value: f64) -> String {
        if self.is_flag {
            return if value >= 0.5 { "yes".to_owned() } else { "no".to_owned() };
        }
        let number = number(value / self.divisor);
        match self.unit {
            "" => number,
            unit => format!("{number} {unit}"),
        }
    }
}

/// Three digits, or whole: as `public/charts.js` has it.
pub fn number(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size >= 99.95 || (value - value.round()).abs() < f64::EPSILON => 0,
        _ if size < 9.995 => 2,
        _ => 1,
    };
    decimal(value, decimals).to_string()
}

/// What stands beside the name of a chart: what its numbers mean where the unit alone does not say it.
pub fn meaning(metric: Metric) -> Option<&'static str> {
    match (metric.unit(), metric.is_counter()) {
        (MetricUnit::Nanoseconds, true) => Some("100 % is one vCPU"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_the_unit_that_fits_the_highest() {
        let told = |metric, max: f64, value: f64| Scale::of(metric, max).text(value);
        assert_eq!(told(Metric::NetRxBytes, 500.0, 500.0), "500 B/s");
        assert_eq!(told(Metric::NetRxBytes, 1_048_576.0, 524_288.0), "0.50 MiB/s");
        assert_eq!(told(Metric::MemRss, 65_536.0, 65_536.0), "64 MiB");
        assert_eq!(told(Metric::MemRss, 65_536.0, 50_000.0), "48.8 MiB");
        assert_eq!(told(Metric::MemRss, 0.0, 0.0), "0 B");
        assert_eq!(told(Metric::MemSwapIn, 10.0, 2.0), "2 KiB/s");
        assert_eq!(told(Metric::CpuTime, 1e9, 1.234e8), "12.3 %");
        assert_eq!(told(Metric::NetRxPackets, 3.0, 2.5), "2.50 /s");
        assert_eq!(told(Metric::Cpus, 2.0, 2.0), "2");
        assert_eq!([told(Metric::State, 1.0, 1.0), told(Metric::State, 1.0, 0.0)], ["yes", "no"]);
    }

    #[test]
    fn every_metric_has_a_unit_that_makes_numbers_of_values() {
        for metric in Metric::ALL {
            let text = Scale::of(*metric, 5e6).text(5e6);
            assert!(!text.is_empty() && !text.contains("inf") && !text.contains("NaN"), "{metric}: {text}");
        }
    }
}
