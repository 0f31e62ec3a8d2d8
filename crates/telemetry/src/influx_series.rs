//! Series from the points in `InfluxDB`: those of memdeck, and those that other tools wrote before it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use memdeck_influx::{FeedError, FieldKind, Step, StepQuery, StepSource};
use memdeck_model::telemetry::{Bucket, Metric, MetricScope, Series, SeriesQuery, SeriesSource};
use memdeck_model::{Millis, Timestamp};
use tokio::sync::Semaphore;

use crate::history::{HistoryError, MetricStore};
use crate::ranges::{MAX_POINTS, millis, wanted_step};

/// Whoever wrote the points may have measured rarely; beyond this, nothing is known of the time between.
const MAX_GAP: Duration = Duration::from_mins(5);

/// Points are not closer than this, so neither are steps.
const LEAST_STEP_MS: i64 = 1_000;

/// Questions at the same time: a page of charts asks dozens, and each may be work for the store.
const AT_ONCE: usize = 4;

/// How long a store that did not answer is not asked again: each of the charts of a page would wait for it.
const REST: Duration = Duration::from_secs(15);

/// The points of `vm_totals` and `vm_devices` as series.
pub struct InfluxSeries {
    source: Arc<dyn StepSource>,
    places: Semaphore,
    failed: Mutex<Option<(Instant, FeedError)>>,
}

impl InfluxSeries {
    /// Asks `source`; nothing is sent yet.
    #[must_use]
    pub fn new(source: Arc<dyn StepSource>) -> Self {
        Self { source, places: Semaphore::new(AT_ONCE), failed: Mutex::default() }
    }

    async fn steps(&self, query: &StepQuery) -> Result<Vec<Step>, FeedError> {
        // It is never closed.
        let _place = self.places.acquire().await.ok();
        if let Some(error) = self.recent_failure() {
            return Err(error);
        }
        let steps = self.source.steps(query).await;
        let failed = steps.as_ref().err().map(|error| (Instant::now(), error.clone()));
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
        steps
    }

    fn recent_failure(&self) -> Option<FeedError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().filter(|(at, _)| at.elapsed() < REST).map(|(_, error)| error.clone())
    }
}

#[async_trait]
impl MetricStore for InfluxSeries {
    async fn series(&self, query: &SeriesQuery) -> Result<Series, HistoryError> {
        let to = query.to.max(query.from);
        let (from_ms, to_ms) = (millis(query.from), millis(to));
        let step_ms = wanted_step(to_ms - from_ms, query.step_ms).max(LEAST_STEP_MS);
        let (measurement, devtype) = match query.metric.scope() {
            MetricScope::Guest => ("vm_totals", None),
            MetricScope::Nic => ("vm_devices", Some("nic")),
            MetricScope::Disk => ("vm_devices", Some("disk")),
        };
        let mut tags = vec![("uuid", query.uuid.clone())];
        if let Some(devtype) = devtype {
            tags.push(("devtype", devtype.to_owned()));
            tags.push(("device", query.device.clone().unwrap_or_default()));
        }
        let max_gap_ms = Millis::from(MAX_GAP).0;
        let is_counter = query.metric.is_counter();
        // The first change is that from the sample before.
        let before_ms = if is_counter { i64::try_from(max_gap_ms).unwrap_or(0) } else { 0 };
        let nanos = |millis: i64| millis.saturating_mul(1_000_000);
        let steps = self
            .steps(&StepQuery {
                measurement,
                field: query.metric.field(),
                kind: if is_counter { FieldKind::Counter { max_gap_ms } } else { FieldKind::Gauge },
                tags,
                series: &["VMID", "name"],
                from_nanos: nanos(from_ms.saturating_sub(before_ms)),
                until_nanos: nanos(to_ms),
                step_ms: step_ms.unsigned_abs(),
                limit: u32::try_from(MAX_POINTS + max_gap_ms / step_ms.unsigned_abs() + 2)
                    .unwrap_or(u32::MAX),
            })
            .await?;
        let first = nanos(from_ms - from_ms.rem_euclid(step_ms));
        let within = steps.iter().filter(|step| step.from_nanos >= first);
        Ok(Series {
            uuid: query.uuid.clone(),
            metric: query.metric,
            device: query.device.clone().filter(|_| devtype.is_some()),
            per_second: is_counter,
            from: query.from,
            to,
            step_ms: Millis(step_ms.unsigned_abs()),
            source: SeriesSource::Influxdb,
            buckets: within.filter_map(|step| bucket(query.metric, step)).collect(),
            notice: None,
        })
    }

    fn begins(&self) -> Option<Timestamp> {
        None
    }
}

fn bucket(metric: Metric, step: &Step) -> Option<Bucket> {
    let is_absurd = [step.min, step.mean, step.max].iter().any(|value| !value.is_finite());
    // Other tools may have written -1 for what they did not know.
    let is_unknown = step.min < 0.0 && (metric.is_counter() || step.max < 0.0);
    (!is_absurd && !is_unknown).then_some(Bucket {
        at: Timestamp::from_unix_micros(step.from_nanos.div_euclid(1000)).ok()?,
        min: step.min.max(0.0),
        mean: step.mean.max(0.0),
        max: step.max,
        raw: step.last.and_then(whole),
    })
}

/// A store may have it as a float.
fn whole(value: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers below 2^63 are whole, and the sign was looked at"
    )]
    (0.0..9.2e18).contains(&value).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers one step before the range and one in it, or refuses.
    #[derive(Default)]
    struct Points {
        asked: Mutex<Vec<StepQuery>>,
        calls: AtomicUsize,
        is_away: bool,
    }

    #[async_trait]
    impl StepSource for Points {
        async fn steps(&self, query: &StepQuery) -> Result<Vec<Step>, FeedError> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.asked.lock().unwrap().push(query.clone());
            if self.is_away {
                return Err(FeedError::Settings { reason: "it is away".to_owned() });
            }
            let step = |from_nanos| Step { from_nanos, min: 1.0, mean: 2.0, max: 3.0, last: Some(4.0) };
            let step_nanos = i64::try_from(query.step_ms).unwrap() * 1_000_000;
            let end = query.until_nanos - query.until_nanos.rem_euclid(step_nanos) - step_nanos;
            Ok(vec![step(query.from_nanos - query.from_nanos.rem_euclid(step_nanos)), step(end)])
        }
    }

    fn query(metric: Metric, device: Option<&str>) -> SeriesQuery {
        let at =
            |hour: i64| Timestamp::from_unix_micros(1_700_000_000_000_000 + hour * 3_600_000_000).unwrap();
        let device = device.map(str::to_owned);
        SeriesQuery {
            host: None,
            uuid: "u-1".to_owned(),
            metric,
            device,
            from: at(0),
            to: at(2),
            step_ms: Some(Millis(60_000)),
        }
    }

    #[tokio::test]
    async fn a_metric_is_a_field_of_the_points_of_a_guest_or_device() {
        let points = Arc::new(Points::default());
        let series = InfluxSeries::new(Arc::clone(&points) as _);
        let answer = series.series(&query(Metric::BlockReadBytes, Some("vda"))).await.unwrap();
        assert_eq!(
            (answer.source, answer.per_second, answer.step_ms),
            (SeriesSource::Influxdb, true, Millis(60_000))
        );
        assert_eq!(answer.buckets.len(), 1, "what is before the range is left out: {answer:?}");
        assert_eq!(answer.buckets[0].raw, Some(4));
        series.series(&query(Metric::MemRss, Some("vda"))).await.unwrap();
        let asked = points.asked.lock().unwrap();
        assert_eq!((asked[0].measurement, asked[0].field), ("vm_devices", "rd_bytes"));
        let tags = [("uuid", "u-1"), ("devtype", "disk"), ("device", "vda")];
        assert_eq!(asked[0].tags, tags.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(asked[0].from_nanos, 1_700_000_000_000_000_000 - 300_000_000_000);
        assert_eq!((asked[1].measurement, asked[1].kind), ("vm_totals", FieldKind::Gauge));
        assert_eq!(asked[1].tags, [("uuid", "u-1".to_owned())]);
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_is_left_alone_for_a_while() {
        let points = Arc::new(Points { is_away: true, ..Points::default() });
        let series = InfluxSeries::new(Arc::clone(&points) as _);
        for _ in 0..3 {
            assert!(series.series(&query(Metric::MemRss, None)).await.is_err());
        }
        assert_eq!(points.calls.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn what_cannot_be_is_no_bucket() {
        let step = |min, max| Step { from_nanos: 0, min, mean: max, max, last: Some(-1.0) };
        assert_eq!(bucket(Metric::CpuTime, &step(-1.0, 5.0)), None);
        assert_eq!(bucket(Metric::MemRss, &step(-1.0, -1.0)), None);
        assert_eq!(bucket(Metric::MemRss, &step(f64::NAN, 1.0)), None);
        let part = bucket(Metric::MemRss, &step(-1.0, 5.0)).unwrap();
        assert_eq!((part.min, part.raw), (0.0, None));
    }
}
