//! The calls of an agent about what it measures. One that has no such call is told apart by `None`.

use memdeck_model::telemetry::{
    Diagnosis, LiveValues, Measurements, Series, SeriesQuery, TelemetryReport, Watch,
};
use memdeck_model::{Actor, OnBehalf, Timestamp};
use reqwest::Method;

use crate::call::{CallError, answer, lacking_as_none};
use crate::checked::telemetry as checked;
use crate::client::{ServiceClient, now};
use crate::protocol::CollectorChange;

impl ServiceClient {
    /// `GET /api/telemetry/values`: the newest values of what `watch` names, once there are newer ones than those of `after`, or a
    /// moment later.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub(crate) async fn values(
        &self,
        watch: &Watch,
        after: Option<Timestamp>,
    ) -> Result<Option<LiveValues>, CallError> {
        let call = self.request(Method::GET, &["api", "telemetry", "values"]);
        let call = call.query(&[("watch", watch.to_string())]);
        let after = after.map(|after| [("after", after.to_string())]);
        let call = match &after {
            Some(after) => call.query(after),
            None => call,
        };
        let told = lacking_as_none(answer(call).await)?;
        Ok(told.map(|told| checked::values(told, now())))
    }

    /// `GET /api/telemetry/guests`
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub(crate) async fn measurements(&self) -> Result<Option<Measurements>, CallError> {
        let call = self.request(Method::GET, &["api", "telemetry", "guests"]);
        let told = lacking_as_none(answer(call).await)?;
        Ok(told.map(|told| checked::measurements(told, now())))
    }

    /// `GET /api/telemetry/report`
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub(crate) async fn collector(&self) -> Result<Option<TelemetryReport>, CallError> {
        let call = self.request(Method::GET, &["api", "telemetry", "report"]);
        let told = lacking_as_none(answer(call).await)?;
        Ok(told.map(|told| checked::report(told, now())))
    }

    /// `POST /api/telemetry/start` and `stop`: whether that changed anything.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub(crate) async fn run_collector(&self, run: bool, by: &Actor) -> Result<Option<bool>, CallError> {
        let call = self.request(Method::POST, &["api", "telemetry", if run { "start" } else { "stop" }]);
        let told = answer(call.json(&OnBehalf::of(by.clone()))).await;
        Ok(lacking_as_none::<CollectorChange>(told)?.map(|told| told.changed))
    }

    /// `GET /api/telemetry/diagnosis`
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub(crate) async fn diagnosis(&self) -> Result<Option<Diagnosis>, CallError> {
        let call = self.request(Method::GET, &["api", "telemetry", "diagnosis"]);
        Ok(lacking_as_none(answer(call).await)?.map(checked::diagnosis))
    }

    /// `GET /api/telemetry/series/{uuid}`
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub(crate) async fn series(&self, query: &SeriesQuery) -> Result<Option<Series>, CallError> {
        let call = self.request(Method::GET, &["api", "telemetry", "series", &query.uuid]);
        let mut sent = vec![
            ("metric", query.metric.to_string()),
            ("from", query.from.to_string()),
            ("to", query.to.to_string()),
        ];
        sent.extend(query.device.clone().map(|device| ("device", device)));
        sent.extend(query.step_ms.map(|step| ("step", step.0.div_ceil(1000).to_string())));
        let told = lacking_as_none(answer(call.query(&sent)).await)?;
        Ok(told.map(|told| checked::series(told, query)))
    }
}
