//! A metric of one guest over a range of time, from the level of the store that fits.

use std::collections::BTreeMap;

use memdeck_model::telemetry::{Bucket, DeviceKind, Metric, MetricScope, Series, SeriesQuery, SeriesSource};
use memdeck_model::{Millis, Timestamp};

use crate::rates::float;
use crate::store::{Cell, Entity, LEVELS};
use crate::{Store, StoreError};

/// The most buckets of an answer.
pub const MAX_POINTS: u64 = 2000;

/// Buckets where no step is asked for.
const USUAL_POINTS: u64 = 300;

/// How much later than the start of a range a level may begin and still cover it.
pub(crate) const SLACK_MS: i64 = 60_000;

impl Store {
    /// Minimum, mean and maximum per step; of a counter, of its change per second. A step without a measurement has no
    /// bucket. Blocks: it reads a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn series(&self, query: &SeriesQuery) -> Result<Series, StoreError> {
        let (from, to) = (millis(query.from), millis(query.to).max(millis(query.from)));
        let wanted = wanted_step(to - from, query.step_ms);
        let level = self.level_for(from, wanted);
        let kept = LEVELS.get(level).map_or(wanted, |level| level.step_ms);
        let step = wanted.max(kept).div_euclid(kept) * kept;
        let step = if step < wanted { step + kept } else { step };
        let device = query.device.clone().unwrap_or_default();
        let entity = match query.metric.scope() {
            MetricScope::Guest => Entity::Guest,
            MetricScope::Nic => Entity::Device(DeviceKind::Nic, device),
            MetricScope::Disk => Entity::Device(DeviceKind::Disk, device),
        };
        let cells = self.cells(level, &query.uuid, (&entity, query.metric), (from, to))?;
        let is_raw = level == 0 && step == kept && cells.len() as u64 <= MAX_POINTS;
        let buckets = if is_raw {
            cells.iter().filter_map(|(at, cell)| bucket(query.metric, *at, cell)).collect()
        } else {
            merged(query.metric, &cells, step)
        };
        Ok(Series {
            uuid: query.uuid.clone(),
            metric: query.metric,
            device: query.device.clone().filter(|_| query.metric.scope() != MetricScope::Guest),
            per_second: query.metric.is_counter(),
            from: query.from,
            to: query.to.max(query.from),
            step_ms: Millis(step.unsigned_abs()),
            source: SeriesSource::Embedded,
            buckets,
            notice: None,
        })
    }

    /// When the store begins; `None` if it is empty.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        let oldest = (0..LEVELS.len()).filter_map(|level| self.oldest(level)).min()?;
        Timestamp::from_unix_micros(oldest.saturating_mul(1000)).ok()
    }

    /// The coarsest level that is not too coarse, of those that reach back to `from`; if none does, of those that reach
    /// back as far as any.
    fn level_for(&self, from: i64, step: i64) -> usize {
        let oldest: Vec<_> = (0..LEVELS.len()).map(|level| self.oldest(level)).collect();
        let first = oldest.iter().flatten().min().copied();
        let reach = first.map_or(from, |first| first.max(from));
        let reaches = |level: &usize| {
            oldest.get(*level).copied().flatten().is_some_and(|oldest| oldest <= reach + SLACK_MS)
        };
        let is_fine = |level: &usize| LEVELS.get(*level).is_some_and(|level| level.step_ms <= step);
        let levels = || (0..LEVELS.len()).filter(reaches);
        levels().rfind(is_fine).or_else(|| levels().next()).unwrap_or(0)
    }
}

pub(crate) fn millis(at: Timestamp) -> i64 {
    at.unix_micros().div_euclid(1000)
}

/// The step in milliseconds that a range is answered with, as far as the level allows.
pub(crate) fn wanted_step(range: i64, step: Option<Millis>) -> i64 {
    let of = |points: u64| range.unsigned_abs().div_ceil(points);
    // A range that does not begin with a step has one more.
    let step = step.map_or_else(|| of(USUAL_POINTS), |step| step.0).max(of(MAX_POINTS - 1)).max(1);
    i64::try_from(step).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
}

fn merged(metric: Metric, cells: &[(i64, Cell)], step: i64) -> Vec<Bucket> {
    let mut steps: BTreeMap<i64, Cell> = BTreeMap::new();
    for (at, cell) in cells {
        let start = at - at.rem_euclid(step);
        steps.entry(start).and_modify(|merged| merged.merge(cell)).or_insert(*cell);
    }
    steps.iter().filter_map(|(at, cell)| bucket(metric, *at, cell)).collect()
}

fn bucket(metric: Metric, at: i64, cell: &Cell) -> Option<Bucket> {
    if cell.weight == 0 {
        return None;
    }
    // The rates of a counter are kept in thousandths; its weight is in milliseconds.
    let (scale, per) = if metric.is_counter() { (1000.0, 1000.0) } else { (1.0, 1.0) };
    Some(Bucket {
        at: Timestamp::from_unix_micros(at.saturating_mul(1000)).ok()?,
        min: float(cell.min) / scale,
        mean: float(cell.sum) * per / float(cell.weight),
        max: float(cell.max) / scale,
        raw: Some(cell.last),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::Change;

    /// Samples of a counter, about one a second: when, and what it counted since the last; `None` if it began anew.
    fn samples() -> impl Strategy<Value = Vec<(u64, Option<u32>)>> {
        proptest::collection::vec((500_u64..4_000, proptest::option::weighted(0.9, any::<u32>())), 1..120)
    }

    proptest! {
        #[test]
        fn steps_hold_what_their_samples_hold(samples in samples(), step in 1_000_i64..100_000) {
            let (mut at, mut counted) = (1_700_000_000_000_i64, 0_u64);
            let mut cells = Vec::new();
            for (passed, increase) in &samples {
                at += passed.cast_signed();
                counted += u64::from(increase.unwrap_or(0));
                let over = Duration::from_millis(*passed);
                let change = increase.map(|increase| Change { increase: increase.into(), over });
                cells.push((at, Cell::counter(counted, change)));
            }
            let buckets = merged(Metric::NetRxBytes, &cells, step);
            for pair in buckets.windows(2) {
                prop_assert!(pair[0].at < pair[1].at);
            }
            for bucket in buckets {
                let start = millis(bucket.at);
                prop_assert_eq!(start % step, 0);
                let within = samples.iter().zip(&cells).filter(|(_, (at, _))| (start..start + step).contains(at));
                let known: Vec<_> = within.filter_map(|((passed, increase), _)| Some((*passed, (*increase)?))).collect();
                prop_assert!(!known.is_empty(), "a step without a rate has no bucket");
                let increase: u64 = known.iter().map(|(_, increase)| u64::from(*increase)).sum();
                let passed: u64 = known.iter().map(|(passed, _)| passed).sum();
                let mean = float(increase) * 1000.0 / float(passed);
                prop_assert!((bucket.mean - mean).abs() <= mean * 1e-9);
                prop_assert!(bucket.min <= bucket.mean + 0.001 && bucket.mean <= bucket.max + 0.001);
                let rates = known.iter().map(|(passed, increase)| f64::from(*increase) * 1000.0 / float(*passed));
                let (min, max) = rates.fold((f64::MAX, f64::MIN), |(min, max), rate| (min.min(rate), max.max(rate)));
                prop_assert!((bucket.min - min).abs() < 0.0011 && (bucket.max - max).abs() < 0.0011);
            }
        }

        #[test]
        fn no_range_has_too_many_steps(range in 0_i64..10_000_000_000, step in proptest::option::of(0_u64..100_000)) {
            let step = wanted_step(range, step.map(Millis));
            prop_assert!(step >= 1 && range / step < MAX_POINTS.cast_signed());
        }
    }
}
