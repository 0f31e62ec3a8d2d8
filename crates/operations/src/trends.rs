//! What became of dumps over time.

use std::sync::Arc;

use futures_util::future::join_all;
use memdeck_model::{Growth, PausesByMode, Problem, TrendRange, Trends, VolumeForecast};

use crate::{Operations, blocking, catalog_problem};

impl Operations {
    /// What became of dumps in `range`.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn trends(&self, range: TrendRange) -> Result<Trends, Problem> {
        let catalog = Arc::clone(&self.catalog);
        let found = blocking(move || catalog.trends(range)).await.map_err(|error| catalog_problem(&error))?;
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
            volumes: self.volumes(&found.growth, range).await,
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
