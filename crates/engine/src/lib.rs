//! The dump engine: it takes queued jobs, reads guests' memory into sealed images and keeps the catalog true.
//!
//! ```text
//! trigger ─► catalog (queued) ─► scheduler ─► worker: resolve ─ admit ─ read ─ seal ─ record ─► catalog (completed)
//!                                                └── anything fails: partial file gone, guest runs, job failed
//! ```
//!
//! At most `max_parallel` workers, one per guest, oldest job first. Everything here is synchronous and runs on threads
//! of its own. HTTP, configuration and the page are not here.

mod aftercare;
mod board;
mod context;
mod dump;
mod ends;
mod engine;
mod error;
mod guardian;
mod rebuild;
mod record;
mod recovery;
mod retry;
mod room;
mod schedule;
mod status;
mod threads;
mod turns;

pub use aftercare::{Restoration, report_left_paused, restore_max_downtime, resume_stranded};
pub use board::Ended;
pub use context::{EngineParts, EngineSettings};
pub use engine::Engine;
pub use error::EngineError;
pub use guardian::{Guardian, NoGuardian};
pub use memdeck_catalog::Intent;
pub use memdeck_clock::{Clock, ManualClock, SystemClock};
pub use memdeck_model::Target;
pub use rebuild::{NOT_KNOWN, Rebuilt, rebuild};
pub use recovery::recover;
pub use room::Volume;

use memdeck_catalog::Job;
use memdeck_model::DumpStatus;

/// The status of a job that no engine runs: one that waits or has ended.
pub fn status_of(job: &Job) -> DumpStatus {
    status::of(job, None)
}
