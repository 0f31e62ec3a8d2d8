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

mod points;
mod queue;
mod rates;
mod snapshot;

pub use points::points;
pub use queue::PointQueue;
pub use rates::{Change, GuestRates, Rates};
pub use snapshot::{GuestNow, Snapshot};
