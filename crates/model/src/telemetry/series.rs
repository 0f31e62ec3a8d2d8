//! A metric over time.

use serde::{Deserialize, Serialize};

use super::Metric;
use crate::{HostId, Message, Millis, Problem, ProblemKind, Timestamp};

/// The longest range of a series: longer than anything is kept.
const MAX_RANGE_MS: u64 = 10 * 366 * 24 * 60 * 60 * 1000;

/// Where the values of a series were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum SeriesSource {
    /// memdeck's own file.
    Embedded,
    /// `InfluxDB`.
    Influxdb,
    /// `InfluxDB` until memdeck's own file begins, and that file from there on.
    Both,
}

/// Which series, and how fine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeriesQuery {
    /// The guest's host, where there are several; null: the one host that has measured such a guest.
    #[serde(default)]
    pub host: Option<HostId>,
    /// The guest's UUID.
    pub uuid: String,
    /// What was measured.
    pub metric: Metric,
    /// The device, where `metric` is one of a device.
    #[serde(default)]
    pub device: Option<String>,
    /// The start of the range.
    pub from: Timestamp,
    pub to: Timestamp,
    /// The length of a step; null: as fine as it is kept, and the points are few enough.
    #[serde(default)]
    pub step_ms: Option<Millis>,
}

impl SeriesQuery {
    /// Whether the range can be used.
    ///
    /// # Errors
    /// It has no length or is longer than anything is kept, or its steps have no length.
    pub fn check(&self) -> Result<(), Problem> {
        if self.to <= self.from || self.to.since(self.from).0 > MAX_RANGE_MS {
            let detail = "`to` must be later than `from`, by ten years at most";
            return Err(Problem::new(ProblemKind::Invalid, detail));
        }
        if self.step_ms.is_some_and(|step| step.0 == 0) {
            return Err(Problem::new(ProblemKind::Invalid, "a step must be longer than 0"));
        }
        Ok(())
    }

    /// The host, if it is named, and the UUID of a guest that is named as [`Guest::reference`](crate::Guest::reference) does it.
    #[must_use]
    pub fn guest(reference: &str) -> (Option<HostId>, String) {
        let qualified = reference.split_once('/').and_then(|(host, uuid)| Some((host.parse().ok()?, uuid)));
        match qualified {
            Some((host, uuid)) => (Some(host), uuid.to_owned()),
            None => (None, reference.to_owned()),
        }
    }
}

/// What was measured in one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bucket {
    /// The start of the step.
    pub at: Timestamp,
    /// The lowest value; of a counter, the lowest change per second.
    pub min: f64,
    /// The mean over the time that was measured.
    pub mean: f64,
    /// The highest value.
    pub max: f64,
    /// The last value itself; of a counter what it had counted.
    pub raw: Option<u64>,
}

/// A metric of one guest or device over time, oldest first. A step in which nothing was measured has no bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Series {
    /// The guest's UUID.
    pub uuid: String,
    /// What was measured.
    pub metric: Metric,
    /// The device, where `metric` is one of a device.
    pub device: Option<String>,
    /// Counters are changes per second.
    pub per_second: bool,
    /// The start of the range, which is part of it.
    pub from: Timestamp,
    /// The end of the range, which is not.
    pub to: Timestamp,
    /// The length of a step: what was asked for, or more where that is not kept or would be too many points.
    pub step_ms: Millis,
    /// Where the values came from.
    pub source: SeriesSource,
    /// What was measured.
    pub buckets: Vec<Bucket>,
    /// Why what is older than memdeck's own file is not there, though another store may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Message>,
}
