//! Telemetry: from the statistics of guests to rates, points and stored series.
//!
//! ```text
//! GuestStats ─► Collector ─► Rates ─► Snapshot ─┬─► whoever watches (pages, REST)
//!                                               ├─► PointQueue ─► whoever writes points
//!                                               └─► Store ─► ranges
//! ```
//!
//! The collector has threads of its own and waits for nobody: not for a dump, not for the store, not for whoever reads.
//! What this crate does not do: HTTP, write points anywhere, keep anything in the catalog.

mod collector;
mod points;
mod ranges;
mod rates;
mod snapshot;
mod store;

pub use collector::{Collector, CollectorOptions, Switch};
pub use points::points;
pub use ranges::MAX_POINTS;
pub use rates::{Change, GuestRates, Rates};
pub use snapshot::{GuestNow, Snapshot};
pub use store::{Store, StoreError};
