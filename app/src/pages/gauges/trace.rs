//! What one gauge has to show: its present reading and its last minutes.

use memdeck_model::telemetry::{LiveSample, Series};

use super::dial::{Dial, Reading};
use super::history::History;

/// A gauge and what it has seen.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Which gauge.
    pub dial: Dial,
    /// What it shows now.
    pub reading: Reading,
    history: History,
}

impl Trace {
    /// Of a gauge that has seen nothing yet.
    pub fn of(dial: Dial) -> Self {
        Self { dial, reading: Reading::default(), history: History::default() }
    }

    /// Takes in a sample; `before` is the one before it.
    pub fn take(&mut self, sample: &LiveSample, before: Option<&LiveSample>) {
        self.reading = self.dial.read(sample, before);
        if let Some(number) = self.reading.number {
            self.history.add(sample.at, number);
        }
    }

    /// Takes in what the server kept.
    pub fn recall(&mut self, series: &Series) {
        for bucket in &series.buckets {
            self.history.recall(bucket.at, self.dial.number_of(bucket.mean), self.dial.number_of(bucket.max));
        }
    }

    /// The course of the number.
    pub fn course(&self) -> Vec<Option<f64>> {
        self.history.means()
    }

    /// `highest 12.5, mean 1.25 MiB/s`.
    pub fn summary(&self) -> Option<String> {
        let (highest, mean) = self.history.highest_and_mean()?;
        Some(self.dial.highest_and_mean(highest, mean))
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::telemetry::{Bucket, Metric, SeriesSource};
    use memdeck_model::{Millis, Timestamp};

    use super::super::dial::DIALS;
    use super::super::dial::tests::sample;
    use super::*;

    #[test]
    fn what_was_kept_and_what_is_measured_are_one_course_in_one_unit() {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let bucket = |second, mean, max| Bucket { at: at(second), min: 0.0, mean, max, raw: None };
        let mib = 1_048_576.0;
        let mut trace = Trace::of(DIALS[0]);
        trace.take(&sample(1_005, &[(Metric::NetRxBytes, 2.0 * mib)], None), None);
        trace.recall(&Series {
            uuid: "u".into(),
            metric: Metric::NetRxBytes,
            device: None,
            per_second: true,
            from: at(700),
            to: at(1_010),
            step_ms: Millis(5_000),
            source: SeriesSource::Embedded,
            notice: None,
            buckets: vec![bucket(1_000, 4.0 * mib, 8.0 * mib)],
        });
        assert_eq!(&trace.course()[58..], &[Some(4.0), Some(2.0)]);
        assert_eq!(trace.summary().as_deref(), Some("highest 8.00, mean 3.00 MiB/s"));
    }
}
