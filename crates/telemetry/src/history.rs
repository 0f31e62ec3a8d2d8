//! Series from memdeck's own store, and what is older from another.
//!
//! ```text
//!        from                      own store begins                 to
//!         ├─────────── older ───────────┤├───────── own ────────────┤
//! ```
//!
//! The own store keeps seven days and begins when memdeck was set up; points may have been written for years. Both count
//! steps from 1970 on, so they fit together.

use std::sync::Arc;

use async_trait::async_trait;
use memdeck_influx::FeedError;
use memdeck_model::telemetry::{Series, SeriesQuery, SeriesSource};
use memdeck_model::{Message, Millis, Timestamp, with_causes};

use crate::ranges::SLACK_MS;
use crate::{Store, StoreError};

/// Why there is no series.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// memdeck has no store of its own, and no other is configured.
    #[error("memdeck's own store of series could not be opened")]
    Closed,
    /// The own store.
    #[error(transparent)]
    Own(#[from] StoreError),
    /// `InfluxDB`.
    #[error(transparent)]
    Influx(#[from] FeedError),
}

/// A place where series are kept.
#[async_trait]
pub trait MetricStore: Send + Sync {
    /// Minimum, mean and maximum per step; of a counter, of its change per second. A step without a measurement has no
    /// bucket.
    ///
    /// # Errors
    /// The store cannot be read, or does not answer.
    async fn series(&self, query: &SeriesQuery) -> Result<Series, HistoryError>;

    /// When it begins; `None` where it is empty, or cannot tell.
    fn begins(&self) -> Option<Timestamp>;
}

#[async_trait]
impl MetricStore for Arc<Store> {
    async fn series(&self, query: &SeriesQuery) -> Result<Series, HistoryError> {
        let (store, query) = (Self::clone(self), query.clone());
        match tokio::task::spawn_blocking(move || Store::series(&store, &query)).await {
            Ok(series) => Ok(series?),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(HistoryError::Closed),
            },
        }
    }

    fn begins(&self) -> Option<Timestamp> {
        Store::begins(self)
    }
}

/// Two stores as one.
#[derive(Clone, Default)]
pub struct History {
    own: Option<Arc<dyn MetricStore>>,
    older: Option<Arc<dyn MetricStore>>,
}

impl History {
    /// `own` is asked first; `older` for what is before its beginning, and for everything where there is no `own`.
    #[must_use]
    pub fn new(own: Option<Arc<dyn MetricStore>>, older: Option<Arc<dyn MetricStore>>) -> Self {
        Self { own, older }
    }

    /// One metric of a guest or device over time, and in it which of the two answered. That the other does not answer is
    /// told, and keeps nothing back.
    ///
    /// # Errors
    /// There is nothing to ask, or what there is cannot be read.
    pub async fn series(&self, query: &SeriesQuery) -> Result<Series, HistoryError> {
        let Some(own) = &self.own else {
            let older = self.older.as_ref().ok_or(HistoryError::Closed)?;
            return older.series(query).await;
        };
        let mut series = own.series(query).await?;
        let is_covered = own.begins().is_some_and(|begins| {
            begins.unix_micros() <= query.from.unix_micros().saturating_add(SLACK_MS * 1000)
        });
        let Some(older) = self.older.as_ref().filter(|_| !is_covered) else { return Ok(series) };
        // The step in which the own store begins is whole only in the older one.
        let begun = series.buckets.first().map(|first| first.at.plus(series.step_ms));
        let to = begun.map_or(series.to, |begun| begun.min(series.to));
        let before = SeriesQuery { to, step_ms: Some(series.step_ms), ..query.clone() };
        match older.series(&before).await {
            Ok(older) => put_before(&mut series, older),
            Err(error) => series.notice = Some(Message::new(with_causes(&error))),
        }
        Ok(series)
    }
}

fn put_before(series: &mut Series, older: Series) {
    let Some(last) = older.buckets.last().map(|last| last.at) else { return };
    series.buckets.retain(|bucket| bucket.at > last);
    series.source = if series.buckets.is_empty() { SeriesSource::Influxdb } else { SeriesSource::Both };
    series.step_ms = Millis(series.step_ms.0.max(older.step_ms.0));
    series.buckets.splice(0..0, older.buckets);
}

#[cfg(test)]
mod tests {
    use memdeck_model::telemetry::{Bucket, Metric};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    /// Has a value in every minute between two instants, which tells whose it is.
    struct Kept {
        seconds: std::ops::Range<i64>,
        value: f64,
        source: SeriesSource,
        is_away: bool,
    }

    #[async_trait]
    impl MetricStore for Kept {
        async fn series(&self, query: &SeriesQuery) -> Result<Series, HistoryError> {
            if self.is_away {
                return Err(FeedError::Settings { reason: "it is away".to_owned() }.into());
            }
            let step = query.step_ms.unwrap_or(Millis(60_000));
            let seconds = self.seconds.clone().step_by(60);
            let within = seconds.filter(|second| (query.from..query.to).contains(&at(*second)));
            let bucket = |second| Bucket {
                at: at(second),
                min: self.value,
                mean: self.value,
                max: self.value,
                raw: None,
            };
            Ok(Series {
                uuid: query.uuid.clone(),
                metric: query.metric,
                device: None,
                per_second: false,
                from: query.from,
                to: query.to,
                step_ms: step,
                source: self.source,
                buckets: within.map(bucket).collect(),
                notice: None,
            })
        }

        fn begins(&self) -> Option<Timestamp> {
            (!self.seconds.is_empty()).then(|| at(self.seconds.start))
        }
    }

    fn kept(seconds: std::ops::Range<i64>, source: SeriesSource, is_away: bool) -> Arc<dyn MetricStore> {
        let value = if source == SeriesSource::Embedded { 1.0 } else { 2.0 };
        Arc::new(Kept { seconds, value, source, is_away })
    }

    async fn asked(history: &History, from: i64, to: i64) -> (SeriesSource, Vec<(i64, f64)>, bool) {
        let uuid = "u".to_owned();
        let query = SeriesQuery {
            host: None,
            uuid,
            metric: Metric::MemRss,
            device: None,
            from: at(from),
            to: at(to),
            step_ms: None,
        };
        let series = history.series(&query).await.unwrap();
        let buckets = series.buckets.iter().map(|bucket| (bucket.at.unix_micros() / 1_000_000, bucket.mean));
        (series.source, buckets.collect(), series.notice.is_some())
    }

    #[tokio::test]
    async fn what_is_before_the_own_store_comes_from_the_other() {
        use SeriesSource::{Both, Embedded, Influxdb};
        let history = |is_away| {
            History::new(Some(kept(600..900, Embedded, false)), Some(kept(0..900, Influxdb, is_away)))
        };
        assert_eq!(asked(&history(false), 660, 780).await, (Embedded, vec![(660, 1.0), (720, 1.0)], false));
        // The first step of the own store may be a part of one.
        let both = vec![(480, 2.0), (540, 2.0), (600, 2.0), (660, 1.0)];
        assert_eq!(asked(&history(false), 480, 720).await, (Both, both, false));
        assert_eq!(asked(&history(false), 60, 180).await, (Influxdb, vec![(60, 2.0), (120, 2.0)], false));
        assert_eq!(asked(&history(true), 480, 720).await, (Embedded, vec![(600, 1.0), (660, 1.0)], true));
    }

    #[tokio::test]
    async fn either_store_does_alone_and_none_is_an_error() {
        use SeriesSource::{Embedded, Influxdb};
        let own = History::new(Some(kept(600..900, Embedded, false)), None);
        assert_eq!(asked(&own, 0, 660).await, (Embedded, vec![(600, 1.0)], false));
        let other = History::new(None, Some(kept(0..900, Influxdb, false)));
        assert_eq!(asked(&other, 840, 960).await, (Influxdb, vec![(840, 2.0)], false));
        let empty = History::new(Some(kept(0..0, Embedded, false)), Some(kept(0..900, Influxdb, false)));
        assert_eq!(asked(&empty, 840, 960).await, (Influxdb, vec![(840, 2.0)], false));
        let query = SeriesQuery {
            host: None,
            uuid: String::new(),
            metric: Metric::State,
            device: None,
            from: at(0),
            to: at(1),
            step_ms: None,
        };
        assert!(matches!(History::default().series(&query).await, Err(HistoryError::Closed)));
    }
}
