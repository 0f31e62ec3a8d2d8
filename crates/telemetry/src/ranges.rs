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
const SLACK_MS: i64 = 60_000;

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
        })
    }

    /// When the store begins; `None` where it is empty.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        let oldest = (0..LEVELS.len()).filter_map(|level| self.oldest(level)).min()?;
        Timestamp::from_unix_micros(oldest.saturating_mul(1000)).ok()
    }

    /// The coarsest level that is not too coarse, of those that reach back to `from`; where none does, of those that reach
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

fn millis(at: Timestamp) -> i64 {
    at.unix_micros().div_euclid(1000)
}

/// The step in milliseconds that a range is answered with, as far as the level allows.
fn wanted_step(range: i64, step: Option<Millis>) -> i64 {
    let of = |points: u64| range.unsigned_abs().div_ceil(points);
    let step = step.map_or_else(|| of(USUAL_POINTS), |step| step.0).max(of(MAX_POINTS)).max(1);
    // A range that does not begin with a step has one more.
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
