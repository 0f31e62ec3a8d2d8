//! What was measured of one guest over time, as both services are asked for it.

use axum::extract::State;
use axum::{Extension, Json};
use memdeck_model::telemetry::{Metric, Series, SeriesQuery};
use memdeck_model::{HostId, Millis, Problem, ProblemKind, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{RestError, UrlPath, UrlQuery};
use super::openapi::ErrorBody;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new().routes(routes!(series))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// A field of `vm_totals` or `vm_devices`, such as `cputime` or `rd_bytes`. Counters are given per second.
    #[param(inline, value_type = Metric)]
    metric: String,
    /// The device, for a metric of a device.
    device: Option<String>,
    /// The start of the range. An hour before `to` if it is not given.
    #[param(example = "2025-11-14T07:00:00Z")]
    from: Option<Timestamp>,
    /// The end of the range. The present if it is not given.
    to: Option<Timestamp>,
    /// Seconds in a step. It becomes longer where so short a step is not kept, or would be more than 2,000 points.
    step: Option<u32>,
}

impl Range {
    /// The series of a guest that it means: of the guest of a UUID, and of a host where one is named.
    ///
    /// # Errors
    /// There is no such metric.
    pub(super) fn query(
        self,
        (host, uuid): (Option<HostId>, String),
        now: Timestamp,
    ) -> Result<SeriesQuery, Problem> {
        let metric = self.metric.parse::<Metric>();
        let metric = metric.map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
        let to = self.to.unwrap_or(now);
        let from = self.from.unwrap_or_else(|| to.minus(Millis(60 * 60 * 1000)));
        let step_ms = self.step.map(|seconds| Millis(u64::from(seconds) * 1000));
        Ok(SeriesQuery { host, uuid, metric, device: self.device, from, to, step_ms })
    }
}

/// One metric of a guest or device over time: lowest, mean and highest value of each step.
#[utoipa::path(
    get,
    path = "/series/{uuid}",
    tag = "telemetry",
    params(
        ("uuid" = String, Path, description = "UUID of the guest; of several hosts as `host/UUID`, with the slash as `%2F`"),
        Range
    ),
    responses(
        (status = 200, body = Series),
        (status = 409, description = "Several hosts have measured such a guest; `candidates` names them", body = ErrorBody),
    )
)]
async fn series(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(uuid): UrlPath,
    UrlQuery(range): UrlQuery<Range>,
) -> Result<Json<Series>, RestError> {
    let query = range.query(SeriesQuery::guest(&uuid), state.operations.now())?;
    Ok(Json(state.operations.series(query, &who.calls()).await?))
}
