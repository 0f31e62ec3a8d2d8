//! Telemetry: from the statistics of guests to rates, points and stored series.
//!
//! ```text
//! GuestStats ─► Collector ─► Rates ─► Snapshot ─┬─► whoever watches (pages, REST)
//!                                               ├─► PointQueue ─► whoever writes points
//!                                               └─► Store ─► History ─► ranges
//!                                         points in InfluxDB ─────┘
//! ```
//!
//! The collector has threads of its own and waits for nobody: not for a dump, not for the store, not for a reader.
//! What this crate does not do: HTTP, write points anywhere, keep anything in the catalog.

mod collector;
mod history;
mod influx_series;
mod points;
mod ranges;
mod rates;
mod snapshot;
mod store;

pub use collector::{Collector, CollectorOptions, Switch};
pub use history::{History, HistoryError, MetricStore};
pub use influx_series::InfluxSeries;
pub use points::points;
pub use ranges::MAX_POINTS;
pub use rates::{Change, GuestRates, Rates};
pub use snapshot::{GuestNow, Snapshot};
pub use store::{Store, StoreError};
