//! The page's calls about schedules.

use memdeck_model::schedule::{NewSchedule, Plan, Preview, RunList, Schedule, ScheduleList, ScheduleName};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;

server_functions! {
    /// Every schedule by name, with its next run and its last one.
    ///
    /// # Errors
    /// The server does not answer, or the catalog cannot be read.
    "schedules": async fn fetch_schedules() -> ScheduleList {
        operations::present()?.schedules().await.map_err(operations::refuse)
    }

    /// What a plan would do: its next runs.
    ///
    /// # Errors
    /// The plan cannot be read, or the server does not answer.
    "preview-schedule": async fn preview_schedule(
        plan: Plan,
    ) -> Preview {
        operations::present()?.preview_schedule(plan).await.map_err(operations::refuse)
    }

    /// Makes a schedule, or changes what the one of this name does.
    ///
    /// # Errors
    /// The plan cannot be read, the name is taken or unknown, or the server does not answer.
    "save-schedule": async fn save_schedule(
        /// Its name and plan.
        schedule: NewSchedule,
        /// Whether there must be none of this name yet.
        is_new: bool,
    ) -> Schedule {
        operations::present()?.save_schedule(schedule, is_new).await.map_err(operations::refuse)
    }

    /// Pauses a schedule or lets it run again.
    ///
    /// # Errors
    /// There is no such schedule, or the server does not answer.
    "pause-schedule": async fn pause_schedule(
        /// Which one.
        name: ScheduleName,
        /// Whether it is to start no runs.
        paused: bool,
    ) -> Schedule {
        operations::present()?.pause_schedule(name, paused).await.map_err(operations::refuse)
    }

    /// Starts a run of a schedule now.
    ///
    /// # Errors
    /// There is no such schedule, or the server does not answer.
    "run-schedule": async fn run_schedule(
        /// Which one.
        name: ScheduleName,
    ) -> Schedule {
        operations::present()?.run_schedule(name).await.map_err(operations::refuse)
    }

    /// Forgets a schedule and the history of its runs.
    ///
    /// # Errors
    /// There is no such schedule, or the server does not answer.
    "remove-schedule": async fn remove_schedule(
        /// Which one.
        name: ScheduleName,
    ) -> Schedule {
        operations::present()?.remove_schedule(name).await.map_err(operations::refuse)
    }

    /// The newest runs of a schedule, each with its guests.
    ///
    /// # Errors
    /// There is no such schedule, or the server does not answer.
    "schedule-runs": async fn fetch_schedule_runs(
        /// Which one.
        name: ScheduleName,
    ) -> RunList {
        operations::present()?.schedule_runs(name).await.map_err(operations::refuse)
    }
}
