//! The dump engine: it takes queued jobs, reads guests' memory into sealed images and keeps the catalog true.
//!
//! ```text
//! trigger ─► catalog (queued) ─► scheduler ─► worker: resolve ─ admit ─ read ─ seal ─ record ─► catalog (completed)
//!                                                └── anything fails: partial file gone, guest runs, job failed
//! ```
//!
//! At most `max_parallel` workers, one per guest, oldest job first. Everything here is synchronous and runs on threads
//! of its own; [`LocalBackend`] is the door from async code. HTTP, configuration and the page are not here.

mod attempt;
mod backend;
mod clock;
mod dump;
mod engine;
mod error;
mod frozen;
mod guardian;
mod guest;
mod hold;
mod keeper;
mod live;
mod local;
mod rebuild;
mod recovery;
mod retry;
mod room;
mod status;
mod stream;
mod throttle;

pub use backend::{BackendError, DumpBackend, Target};
pub use clock::{Clock, ManualClock, SystemClock};
pub use engine::{Engine, EngineError, EngineParts, EngineSettings};
pub use guardian::{Guardian, NoGuardian};
pub use keeper::{RETRY_INTERVAL, Restoration, restore_max_downtime, resume_stranded};
pub use local::LocalBackend;
pub use memdeck_catalog::Intent;
pub use rebuild::{NOT_KNOWN, Rebuilt, rebuild};
pub use room::Volume;

use memdeck_catalog::Job;
use memdeck_model::DumpStatus;

/// The status of a job that no engine runs: one that waits or has ended.
pub fn status_of(job: &Job) -> DumpStatus {
    status::of(job, None)
}
