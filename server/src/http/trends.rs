//! What became of dumps over time.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use memdeck_model::{Day, Millis, TrendRange, Trends};
use serde::Deserialize;
use utoipa::IntoParams;

use super::DashboardState;
use super::access::Who;
use super::answer::{RestError, UrlQuery};
use super::openapi::ErrorBody;
use super::record_parameters::{day_or_instant, instant, read};

/// How many days are told where nothing is said.
const USUAL_DAYS: u32 = 30;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct TrendParameters {
    /// The first instant (RFC 3339), or a day (`2026-11-14`, UTC), from whose beginning on; 30 days before `to` where it is
    /// not given.
    #[param(schema_with = day_or_instant, example = "2026-11-01")]
    from: Option<String>,
    /// The first instant that does not belong to it (RFC 3339), or the last day (UTC); now where it is not given.
    #[param(schema_with = day_or_instant, example = "2026-11-30")]
    to: Option<String>,
}

/// How many dumps there were, how much is kept, how long guests stood still and dumps took, and when a volume will be full.
#[utoipa::path(
    get,
    path = "/trends",
    tag = "memory dumps",
    params(TrendParameters),
    responses(
        (status = 200, body = Trends),
        (status = 400, description = "A parameter means nothing, or the range is empty or too long", body = ErrorBody),
    )
)]
pub async fn trends(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlQuery(parameters): UrlQuery<TrendParameters>,
) -> Result<Json<Trends>, RestError> {
    let to = read("to", parameters.to, |text| instant(text, |day| day.next().start_utc()))?;
    let from = read("from", parameters.from, |text| instant(text, Day::start_utc))?;
    // A range that begins in the future has nothing to tell yet, and is no mistake.
    let now = state.operations.now();
    let to = to.unwrap_or_else(|| from.filter(|from| *from >= now).map_or(now, |from| from.plus(Millis(1))));
    let range = match from {
        Some(from) => TrendRange::new(from, to)
            .map_err(|error| RestError::new(StatusCode::BAD_REQUEST, error.to_string()))?,
        None => TrendRange::days_before(to, USUAL_DAYS),
    };
    Ok(Json(state.operations.trends(range, &who.calls()).await?))
}
