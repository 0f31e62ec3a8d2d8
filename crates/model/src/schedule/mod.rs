//! Dumps that are taken by plan: what a schedule says, what became of its runs, and which run is due.
//!
//! A **run** is one planned instant of a schedule. It is named by both, so a run is started at most once, whatever happens to
//! the clock or to memdeck. When a plan comes to an instant is a matter of time zones and is asked of [`Occurrences`]: the
//! page carries this crate, and no table of time zones.
//!
//! ```text
//!                ┌──► missed    (memdeck did not run then, or a newer run is made up instead)
//! (an instant) ──┼──► skipped   (the run before it had not ended)
//!                └──► waiting ──► running ──► done
//! ```

mod decide;
mod plan;
mod run;
mod when;

pub use crate::schedule_name::{ParseScheduleNameError, ScheduleName};
pub use decide::{Decided, Missed, ON_TIME, Occurrences, Standing, decide};
pub use plan::{GuestChoice, NewSchedule, Overlap, Plan, PlanError, Preview, Schedule, ScheduleList};
pub use run::{RunCounts, RunGuest, RunGuestState, RunList, RunState, ScheduleRun};
pub use when::{TimeOfDay, Weekday, When};
