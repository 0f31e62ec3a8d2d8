//! All records that a filter means, as a file to keep.

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt as _};
use memdeck_model::Timestamp;

use super::DashboardState;
use super::access::Who;
use super::answer::{RestError, UrlQuery};
use super::openapi::ErrorBody;
use super::record_parameters::FilterParameters;
use super::records_csv;

/// All records that match, newest first, as a CSV file.
#[utoipa::path(
    get,
    path = "/export.csv",
    operation_id = "export_csv",
    tag = "memory dumps",
    params(FilterParameters),
    responses(
        (status = 200, description = "RFC 4180 in UTF-8, with a line of names", body = String, content_type = "text/csv"),
        (status = 400, description = "A parameter means nothing", body = ErrorBody),
    )
)]
pub async fn csv(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlQuery(filter): UrlQuery<FilterParameters>,
) -> Result<Response, RestError> {
    // A few hundred records are read and sent at a time: neither memory nor a transaction grows with the catalog or
    // waits for a slow reader. Once the answer has begun, a failure can only cut it off, and the reader's program notices.
    let filter = filter.read()?;
    let caller = who.calls();
    let (records, place) = state.operations.walk_records(&filter, None, &caller).await?;
    let mut beginning = records_csv::head().map_err(|error| unwritable(&error))?;
    beginning.extend(records_csv::rows(&records).map_err(|error| unwritable(&error))?);

    let disposition = format!("attachment; filename=\"{}\"", file_name(state.operations.now()));
    let rest = stream::try_unfold((state, place), move |(state, place)| {
        let (filter, caller) = (filter.clone(), caller.clone());
        async move {
            if place.is_none() {
                return Ok(None);
            }
            let (records, place) = state.operations.walk_records(&filter, place, &caller).await?;
            let rows = records_csv::rows(&records).map_err(csv_failure)?;
            Ok::<_, Failure>(Some((Bytes::from(rows), (state, place))))
        }
    });
    let beginning = stream::once(std::future::ready(Ok(Bytes::from(beginning))));
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_owned()),
        (CONTENT_DISPOSITION, disposition),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(beginning.chain(rest))).into_response())
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn csv_failure(error: csv::Error) -> Failure {
    Box::new(error)
}

fn unwritable(error: &csv::Error) -> RestError {
    tracing::error!(%error, "records cannot be written as CSV");
    RestError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the records cannot be written as CSV; the log says why",
    )
}

/// `memory-dumps-20251114T085823Z.csv`: a name that every file system takes.
fn file_name(now: Timestamp) -> String {
    let second = now.to_string();
    let second: String =
        second.split('.').next().unwrap_or_default().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("memory-dumps-{second}Z.csv")
}
