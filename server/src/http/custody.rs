//! The chain of custody of a dump or a case, as a page that stands by itself.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use memdeck_model::{Problem, ProblemKind, Remark};
use memdeck_operations::CustodyOf;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::{Standing, Who};
use super::answer::{RestError, UrlPath, UrlQuery};
use super::openapi::ErrorBody;
use crate::evidence::custody::document;

/// It loads nothing and runs nothing, and a browser takes it for a page of nobody.
const ALONE: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new().routes(routes!(of_dump)).routes(routes!(of_case))
}

/// The chain of custody of a dump: who took it, what vouches for it, and everything that was done with it since, on a page that is
/// printed or kept. Needs the right to read the audit, which notes it.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/custody",
    operation_id = "custody_of_dump",
    tag = "audit",
    params(("dump_id" = String, Path, description = "Which dump")),
    responses(
        (status = 200, description = "One HTML file without scripts and links", body = String, content_type = "text/html"),
        (status = 404, description = "There is no such dump", body = ErrorBody),
    )
)]
async fn of_dump(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    Extension(standing): Extension<Standing>,
    UrlPath(dump_id): UrlPath,
) -> Result<Response, RestError> {
    told(&state, CustodyOf::Dump(dump_id), &who, &standing).await
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CaseQuery {
    /// The case, as it was given with the dumps.
    case: String,
}

/// The same of every dump of a case, at most 200.
#[utoipa::path(
    get,
    path = "/api/custody",
    operation_id = "custody_of_case",
    tag = "audit",
    params(CaseQuery),
    responses(
        (status = 200, description = "One HTML file without scripts and links", body = String, content_type = "text/html"),
        (status = 400, description = "It is no case, or has too many dumps", body = ErrorBody),
        (status = 404, description = "No dump was taken for it", body = ErrorBody),
    )
)]
async fn of_case(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    Extension(standing): Extension<Standing>,
    UrlQuery(query): UrlQuery<CaseQuery>,
) -> Result<Response, RestError> {
    let case = query.case.parse::<Remark>();
    let case = case.map_err(|error| Problem::new(ProblemKind::Invalid, format!("case: {error}")))?;
    told(&state, CustodyOf::Case(case), &who, &standing).await
}

async fn told(
    state: &DashboardState,
    of: CustodyOf,
    who: &Who,
    standing: &Standing,
) -> Result<Response, RestError> {
    let custody = state.operations.custody(of, &who.reads(standing)).await?;
    let name = match &custody.case {
        Some(_) => "custody-of-case.html".to_owned(),
        None => custody
            .dumps
            .first()
            .map_or_else(|| "custody.html".to_owned(), |dump| format!("custody-{}.html", dump.dump_id)),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(ALONE)),
        // A dump id is of letters, digits and dashes.
        (
            CONTENT_DISPOSITION,
            HeaderValue::from_str(&format!("inline; filename=\"{name}\""))
                .unwrap_or(HeaderValue::from_static("inline")),
        ),
    ];
    Ok((headers, document(&custody)).into_response())
}
