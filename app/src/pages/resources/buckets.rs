//! What a chart is drawn of: the buckets of a series, kept up to date, without what was not measured.

use std::fmt::Write as _;

use memdeck_model::telemetry::{Bucket, Metric, Series};
use memdeck_model::{Millis, Timestamp};

/// Of steps as short as this, one that is missing is no gap: a collection that came late lies in the step after.
const FINE: f64 = 5_000.0;

/// The columns of a chart, one after the other: instant in seconds, mean, lowest, highest, what was counted. Where nothing
/// was measured, a row of NaN breaks the line.
pub fn columns(series: &Series, divisor: f64) -> Vec<f64> {
    let gap = longest_distance(series);
    let mut rows: Vec<[f64; 5]> = Vec::with_capacity(series.buckets.len());
    let mut before: Option<f64> = None;
    for bucket in &series.buckets {
        let at = millis(bucket.at);
        if let Some(before) = before.filter(|before| at - before > gap) {
            let between = f64::midpoint(before, at) / 1000.0;
            rows.push([between, f64::NAN, f64::NAN, f64::NAN, f64::NAN]);
        }
        before = Some(at);
        #[expect(clippy::cast_precision_loss, reason = "16 digits are shown at most")]
        let counted = bucket.raw.map_or(f64::NAN, |raw| raw as f64);
        rows.push([at / 1000.0, bucket.mean / divisor, bucket.min / divisor, bucket.max / divisor, counted]);
    }
    (0..5).flat_map(|column| rows.iter().filter_map(move |row| row.get(column).copied())).collect()
}

/// Milliseconds between two buckets that still belong together. A collector may be slower than the steps are long: what is
/// usual between two buckets counts then.
fn longest_distance(series: &Series) -> f64 {
    let ats = series.buckets.iter().map(|bucket| millis(bucket.at));
    let mut distances: Vec<f64> =
        ats.clone().zip(ats.skip(1)).map(|(before, after)| after - before).collect();
    distances.sort_by(f64::total_cmp);
    let usual = distances.get(distances.len() / 2).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "steps are short")]
    let unit = usual.max(series.step_ms.0 as f64);
    unit * if unit < FINE { 2.5 } else { 1.5 }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds stay within 53 bits")]
fn millis(at: Timestamp) -> f64 {
    (at.unix_micros() / 1000) as f64
}

/// Puts what was fetched later in place of what `known` has from there on, and takes away what is before `from`.
pub fn take_in(known: &mut Series, later: Series, from: Timestamp) {
    known.buckets.retain(|bucket| bucket.at < later.from);
    known.buckets.extend(later.buckets);
    known.source = later.source;
    known.step_ms = later.step_ms;
    known.to = later.to;
    forget(known, from);
}

/// Puts a value of this moment at the end: into the last step if it belongs there.
pub fn append(known: &mut Series, at: Timestamp, value: f64, raw: Option<u64>, from: Timestamp) {
    match known.buckets.last_mut() {
        Some(last) if at <= last.at => return,
        // Collections are a little less than their interval apart at times: that much is another step.
        Some(last) if at.since(last.at).0 < known.step_ms.0.saturating_mul(3) / 4 => {
            last.min = last.min.min(value);
            last.max = last.max.max(value);
            last.mean = f64::midpoint(last.mean, value);
            last.raw = raw;
        }
        _ => known.buckets.push(Bucket { at, min: value, mean: value, max: value, raw }),
    }
    forget(known, from);
}

/// One step before the range stays, so that the line comes in from outside.
fn forget(known: &mut Series, from: Timestamp) {
    let from = from.minus(known.step_ms);
    let old = known.buckets.iter().take_while(|bucket| bucket.at < from).count();
    known.buckets.drain(..old);
    known.from = from;
}

/// What a series comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// The lowest value.
    pub min: f64,
    /// The mean of the steps.
    pub mean: f64,
    /// The highest value.
    pub max: f64,
    /// The mean of the last step.
    pub last: f64,
}

/// `None` if nothing was measured.
pub fn figures(buckets: &[Bucket]) -> Option<Figures> {
    let last = buckets.last()?.mean;
    #[expect(clippy::cast_precision_loss, reason = "a chart has few steps")]
    let mean = buckets.iter().map(|bucket| bucket.mean).sum::<f64>() / buckets.len() as f64;
    let min = buckets.iter().map(|bucket| bucket.min).fold(f64::INFINITY, f64::min);
    let max = buckets.iter().map(|bucket| bucket.max).fold(f64::NEG_INFINITY, f64::max);
    Some(Figures { min, mean, max, last })
}

/// The series for a spreadsheet or a script: a line for each step, in the metric's own unit, instants in UTC.
pub fn csv(series: &Series) -> String {
    let unit = unit_of(series.metric, series.per_second);
    let device = series.device.clone().unwrap_or_default().replace('"', "\"\"");
    let mut text = String::from("time,guest,device,metric,unit,min,mean,max,raw\r\n");
    for bucket in &series.buckets {
        let raw = bucket.raw.map(|raw| raw.to_string()).unwrap_or_default();
        // Writing into a text cannot fail.
        let _ = write!(
            text,
            "{},{},\"{device}\",{},{unit},{},{},{},{raw}\r\n",
            bucket.at, series.uuid, series.metric, bucket.min, bucket.mean, bucket.max
        );
    }
    text
}

fn unit_of(metric: Metric, per_second: bool) -> String {
    match (metric.unit().sign(), per_second) {
        ("", true) => "1/s".to_owned(),
        (sign, true) => format!("{sign}/s"),
        (sign, false) => sign.to_owned(),
    }
}

/// How often a live range asks for what was measured since: as often as there is a new step, between 10 s and a minute; of
/// steps that come by themselves now and then, to be put right.
pub fn fetch_interval(step: Millis) -> Millis {
    if is_fed(step) { Millis(30_000) } else { Millis(step.0.clamp(10_000, 60_000)) }
}

/// Whether live values are fine enough to be its steps.
pub fn is_fed(step: Millis) -> bool {
    step.0 <= 2_000
}

#[cfg(test)]
mod tests {
    use memdeck_model::telemetry::SeriesSource;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    fn bucket(second: i64, value: f64) -> Bucket {
        Bucket { at: at(second), min: value - 1.0, mean: value, max: value + 1.0, raw: Some(7) }
    }

    fn series(step: u64, seconds: &[i64]) -> Series {
        Series {
            uuid: "u".to_owned(),
            metric: Metric::NetRxBytes,
            device: None,
            per_second: true,
            from: at(0),
            to: at(1000),
            step_ms: Millis(step),
            source: SeriesSource::Embedded,
            notice: None,
            buckets: seconds.iter().map(|second| bucket(*second, 10.0)).collect(),
        }
    }

    fn gaps(series: &Series) -> Vec<f64> {
        let columns = columns(series, 1.0);
        let rows = columns.len() / 5;
        (0..rows).filter(|row| columns[rows + row].is_nan()).map(|row| columns[row]).collect()
    }

    fn seconds(series: &Series) -> Vec<i64> {
        series.buckets.iter().map(|bucket| bucket.at.unix_seconds()).collect()
    }

    #[test]
    fn a_gap_is_where_nothing_was_measured_and_nowhere_else() {
        assert_eq!(gaps(&series(1000, &[1, 2, 3, 5, 6])), [0.0; 0], "one late value is none");
        assert_eq!(gaps(&series(1000, &[1, 2, 3, 10, 11])), [6.5]);
        assert_eq!(gaps(&series(60_000, &[60, 120, 240, 300])), [180.0], "a step of a minute is missing");
        assert_eq!(gaps(&series(1000, &[5, 10, 15, 20])), [0.0; 0], "the collector comes every five seconds");
        assert_eq!(gaps(&series(1000, &[])), [0.0; 0]);
    }

    #[test]
    fn columns_are_in_the_unit_that_is_shown() {
        let columns = columns(&series(1000, &[1, 2]), 10.0);
        assert_eq!(columns, [1.0, 2.0, 1.0, 1.0, 0.9, 0.9, 1.1, 1.1, 7.0, 7.0]);
    }

    #[test]
    fn what_is_fetched_later_takes_the_place_of_what_was_there() {
        let mut known = series(10_000, &[10, 20, 30, 40]);
        let later = Series { from: at(40), to: at(70), ..series(10_000, &[40, 50, 60]) };
        take_in(&mut known, later, at(30));
        assert_eq!(seconds(&known), [20, 30, 40, 50, 60], "one step before the range stays");
    }

    #[test]
    fn live_values_are_put_at_the_end_once() {
        let mut known = series(2000, &[10, 12]);
        append(&mut known, at(12), 50.0, None, at(0));
        assert_eq!(seconds(&known), [10, 12], "it is known");
        append(&mut known, at(13), 20.0, Some(9), at(0));
        append(&mut known, at(14), 30.0, Some(11), at(0));
        assert_eq!(seconds(&known), [10, 12, 14]);
        let into = known.buckets[1];
        assert_eq!((into.min, into.mean, into.max, into.raw), (9.0, 15.0, 20.0, Some(9)));
        assert_eq!(known.buckets[2].raw, Some(11));
    }

    #[test]
    fn a_value_that_comes_a_little_early_has_a_step_of_its_own() {
        let mut known = series(1000, &[10]);
        for tenth in 1..4 {
            let at = Timestamp::from_unix_micros(10_000_000 + tenth * 990_000).unwrap();
            append(&mut known, at, 10.0, None, Timestamp::from_unix_micros(0).unwrap());
        }
        assert_eq!(known.buckets.len(), 4);
    }

    #[test]
    fn figures_are_those_of_all_steps() {
        let all = [bucket(1, 10.0), bucket(2, 30.0)];
        assert_eq!(figures(&all), Some(Figures { min: 9.0, mean: 20.0, max: 31.0, last: 30.0 }));
        assert_eq!(figures(&[]), None);
    }

    #[test]
    fn a_script_reads_a_line_for_each_step() {
        assert_eq!(
            csv(&series(1000, &[1])),
            "time,guest,device,metric,unit,min,mean,max,raw\r\n\
             1970-01-01T00:00:01.000000Z,u,\"\",net_rxbytes,B/s,9,10,11,7\r\n"
        );
    }
}
