//! What is measured of guests: the collectors, the newest values, series over time.
//!
//! Each host measures its own guests. Here what they tell is put together: all are asked at the same time, one that is away keeps
//! nobody from the others, and a guest is found by its host and its UUID.

mod collectors;
mod live;
mod measurers;
mod stats;

use memdeck_model::telemetry::{Series, SeriesQuery, VmTelemetry};
use memdeck_model::{Millis, Problem, ProblemKind, Timestamp, Vm};

use crate::{Caller, Operations};

pub use collectors::run_collector;
pub use live::Live;

/// A guest without points for this long is not monitored any more.
const MONITORED: Millis = Millis(5 * 60 * 1000);

impl Operations {
    /// The guests that were measured in the last minutes, of those that the caller may see, and when one was last.
    ///
    /// # Errors
    /// Nothing is measured, or no host answers.
    pub async fn monitored_vms(&self, caller: &Caller) -> Result<(Option<Timestamp>, Vec<Vm>), Problem> {
        let told = self.measured(caller).await?;
        let last = told.iter().filter_map(|of| of.collected_at).max();
        let recent = told.into_iter().filter(|of| of.age_ms.is_some_and(|age| age <= MONITORED));
        let mut vms: Vec<Vm> =
            recent.flat_map(|of| of.guests).map(|measured| measured.telemetry.vm).collect();
        vms.sort_by(|a, b| (&a.name, &a.host).cmp(&(&b.name, &b.host)));
        Ok((last, vms))
    }

    /// The guests that were measured, of those that the caller may see, and how busy they are; and when one was measured last.
    ///
    /// # Errors
    /// Nothing is measured, or no host answers.
    pub async fn vm_telemetry(
        &self,
        caller: &Caller,
    ) -> Result<(Option<Timestamp>, Vec<VmTelemetry>), Problem> {
        let told = self.measured(caller).await?;
        let last = told.iter().filter_map(|of| of.collected_at).max();
        let mut vms: Vec<VmTelemetry> =
            told.into_iter().flat_map(|of| of.guests).map(|measured| measured.telemetry).collect();
        vms.sort_by(|a, b| (&a.vm.name, &a.vm.host).cmp(&(&b.vm.name, &b.vm.host)));
        Ok((last, vms))
    }

    /// One metric of a guest or device over time.
    ///
    /// # Errors
    /// Nothing is measured, the range cannot be used, or the store cannot be read; several hosts have measured a guest of this UUID,
    /// and none is named; or the caller does not see every guest, and this one is not measured now or not one of theirs.
    pub async fn series(&self, query: SeriesQuery, caller: &Caller) -> Result<Series, Problem> {
        let measurers = self.measurers_of(&query, caller).await?;
        query.check()?;
        let (mut empty, mut problem) = (None, None);
        for measurer in measurers {
            match measurer.telemetry.series(query.clone()).await {
                Ok(series) if series.buckets.is_empty() => empty = empty.or(Some(series)),
                Ok(series) => return Ok(series),
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        empty.ok_or_else(|| self.told_failure(problem.unwrap_or_else(nothing_measured), caller))
    }
}

/// No host measures its guests.
fn nothing_measured() -> Problem {
    let detail = "no guests are measured here: no host of this dashboard measures its guests for it";
    Problem::new(ProblemKind::Unavailable, detail)
}

/// A guest of which no values are known.
fn unmeasured(vm: &str) -> Problem {
    let shown: String = vm.chars().filter(|c| !c.is_control()).take(80).collect();
    Problem::new(ProblemKind::NotFound, format!("no guest '{shown}' was measured"))
}
