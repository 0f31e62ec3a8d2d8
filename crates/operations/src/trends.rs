//! What became of dumps over time.

use std::sync::Arc;

use futures_util::future::join_all;
use memdeck_model::{Growth, PausesByMode, Problem, TrendRange, Trends, VolumeForecast};

use crate::{Caller, Operations, blocking, catalog_problem};

impl Operations {
    /// What became of dumps in `range` of the guests that the caller may see. When volumes will be full is for those who see all
    /// guests: it depends on them.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn trends(&self, range: TrendRange, caller: &Caller) -> Result<Trends, Problem> {
        let (catalog, reach) = (Arc::clone(&self.catalog), caller.reach.clone());
        let here = self.hosts.members().find(|member| member.is_here());
        let own_host = here.and_then(|here| here.host().name());
        let found = blocking(move || catalog.trends(range, &reach, own_host.as_deref()))
            .await
            .map_err(|error| catalog_problem(&error))?;
        let is_limited = caller.reach.is_limited();
        let pauses = found.pauses.iter().filter_map(|(mode, pauses)| {
            let pauses = pauses.distribution();
            (pauses.count > 0).then_some(PausesByMode { mode: *mode, pauses })
        });
        Ok(Trends {
            from: range.from(),
            to: range.to(),
            step_days: range.step_days(),
            steps: found.steps,
            guests: found.guests,
            pauses: pauses.collect(),
            durations: found.durations.distribution(),
            volumes: if is_limited { Vec::new() } else { self.volumes(&found.growth, range).await },
        })
    }

    /// When the volumes of the hosts will be full, of those that report how much is free.
    async fn volumes(&self, growth: &[(String, Growth)], range: TrendRange) -> Vec<VolumeForecast> {
        let now = self.now();
        let forecasts = self.hosts.members().map(async |member| {
            let free = member.host().facts().await.free_bytes?;
            // Records bear the name that the machine gives itself.
            let name = member.host().name().unwrap_or_else(|| member.name().to_string());
            let written = growth.iter().find(|(host, _)| *host == name);
            let none = Growth::default();
            let written = written.map_or(&none, |(_, growth)| growth);
            Some(VolumeForecast::of(&name, free, written, range, now))
        });
        join_all(forecasts).await.into_iter().flatten().collect()
    }
}
