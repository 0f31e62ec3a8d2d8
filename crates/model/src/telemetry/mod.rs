//! Telemetry of guests: what is measured, in which units, and the shapes in which it crosses HTTP and the page.
//!
//! A value that the hypervisor does not report is missing (`None`), never 0.

mod angle;
mod devices;
mod live;
mod measured;
mod metric;
mod report;
mod series;
mod status;
mod totals;
mod vm;
mod watch;

pub use angle::{change_degrees, needle_degrees};
pub use devices::{DeviceCounters, DeviceKind, DeviceStats, DiskCounters, NicCounters};
pub use live::{LiveDevice, LiveSample, LiveSummary};
pub use measured::{LiveValues, Measured, Measurements};
pub use metric::{Metric, MetricGroup, MetricKind, MetricScope, MetricUnit, ParseMetricError};
pub use report::{Check, CheckState, CheckedPart, Diagnosis, HostCollector, SettingInUse, TelemetryReport};
pub use series::{Bucket, Series, SeriesQuery, SeriesSource};
pub use status::{BalloonStats, CollectorStatus, Connection, UnmeasuredGuest};
pub use totals::VmTotals;
pub use vm::VmTelemetry;
pub use watch::Watch;
