//! The audit: what was done, page by page, as a file, and checked.

use std::fmt;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use memdeck_agent::AUDIT;
use memdeck_model::audit::{
    AuditAction, AuditDetails, AuditFilter, AuditObject, AuditPage, AuditQuery, AuditReport, AuditResult,
};
use memdeck_model::{Day, DumpId, SearchText};
use memdeck_operations::audit::{Audit, Deed};
use memdeck_operations::{Caller, noted};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Standing, Who};
use super::answer::{RestError, UrlQuery};
use super::audit_rows::Form;
use super::openapi::ErrorBody;
use super::record_parameters::{day_or_instant, instant, parse, read};

pub fn routes<S>(audit: Audit) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(verify))
        .routes(routes!(csv))
        .routes(routes!(json_lines))
        .with_state(audit)
}

/// The filter's parameters as text.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct AuditParameters {
    /// What was done at this instant (RFC 3339) or later; a day (`2026-11-14`, UTC) means its beginning.
    #[param(schema_with = day_or_instant, example = "2026-11-14")]
    pub from: Option<String>,
    /// What was done before this instant (RFC 3339); a day (`2026-11-14`, UTC) means its end.
    #[param(schema_with = day_or_instant, example = "2026-11-14T08:58:23Z")]
    pub to: Option<String>,
    /// Part of who did it or of the address, in either case.
    #[param(min_length = 1, max_length = 200)]
    pub actor: Option<String>,
    /// What was done.
    #[param(inline, value_type = Option<AuditAction>)]
    pub action: Option<String>,
    /// Part of the guest's name or UUID, in either case.
    #[param(min_length = 1, max_length = 200)]
    pub guest: Option<String>,
    /// The dump.
    #[param(inline, value_type = Option<DumpId>)]
    pub dump_id: Option<String>,
    /// How it went.
    #[param(inline, value_type = Option<AuditResult>)]
    pub result: Option<String>,
}

/// A word that names nothing, and those that do.
struct NoSuchWord(Vec<&'static str>);

impl fmt::Display for NoSuchWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is one of {}", self.0.join(", "))
    }
}

impl AuditParameters {
    /// What they mean.
    ///
    /// # Errors
    /// 400: one of them means nothing; the sentence names it.
    pub fn read(self) -> Result<AuditFilter, RestError> {
        let action = |text: &str| {
            let words = || NoSuchWord(AuditAction::ALL.iter().map(|action| action.as_str()).collect());
            text.parse::<AuditAction>().map_err(|()| words())
        };
        let result = |text: &str| {
            let words = || NoSuchWord(AuditResult::ALL.iter().map(|result| result.as_str()).collect());
            text.parse::<AuditResult>().map_err(|()| words())
        };
        Ok(AuditFilter {
            from: read("from", self.from, |text| instant(text, Day::start_utc))?,
            to: read("to", self.to, |text| instant(text, |day| day.next().start_utc()))?,
            actor: parse::<SearchText>("actor", self.actor)?,
            action: read("action", self.action, action)?,
            guest: parse::<SearchText>("guest", self.guest)?,
            dump_id: parse::<DumpId>("dump_id", self.dump_id)?,
            result: read("result", self.result, result)?,
        })
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// Entries with smaller numbers only: what `next` of the page before says.
    before: Option<u64>,
    /// At most this many, 1 to 500; 100 if it is not given.
    limit: Option<u32>,
}

/// What was done and by whom, newest first. A page may have fewer entries than were asked for although there are more: `next`
/// says.
#[utoipa::path(
    get,
    path = "/api/audit",
    tag = "audit",
    params(AuditParameters, PageQuery),
    responses(
        (status = 200, body = AuditPage),
        (status = 400, description = "A parameter means nothing", body = ErrorBody),
    )
)]
async fn list(
    State(audit): State<Audit>,
    UrlQuery(filter): UrlQuery<AuditParameters>,
    UrlQuery(page): UrlQuery<PageQuery>,
) -> Result<Response, RestError> {
    let query = AuditQuery { filter: filter.read()?, before: page.before, limit: page.limit.unwrap_or(100) };
    Ok(([(CACHE_CONTROL, "no-store")], Json(audit.list(query).await?)).into_response())
}

/// Checks every entry of the audit, and holds the manifests of stored images against it. A million entries take some
/// seconds; one check runs at a time.
#[utoipa::path(get, path = "/api/audit/verify", tag = "audit", responses((status = 200, body = AuditReport)))]
async fn verify(State(audit): State<Audit>) -> Result<Response, RestError> {
    Ok(([(CACHE_CONTROL, "no-store")], Json(audit.verify().await?)).into_response())
}

/// All entries that match, newest first, as a CSV file.
#[utoipa::path(
    get,
    path = "/api/audit/export.csv",
    operation_id = "export_audit_csv",
    tag = "audit",
    params(AuditParameters),
    responses(
        (status = 200, description = "RFC 4180 in UTF-8, with a line of names", body = String, content_type = "text/csv"),
        (status = 400, description = "A parameter means nothing", body = ErrorBody),
    )
)]
async fn csv(
    State(audit): State<Audit>,
    Extension(who): Extension<Who>,
    Extension(standing): Extension<Standing>,
    UrlQuery(filter): UrlQuery<AuditParameters>,
) -> Result<Response, RestError> {
    export(audit, &who.reads(&standing), filter.read()?, Form::Csv).await
}

/// All entries that match, newest first, one JSON object a line.
#[utoipa::path(
    get,
    path = "/api/audit/export.jsonl",
    operation_id = "export_audit_json_lines",
    tag = "audit",
    params(AuditParameters),
    responses(
        (status = 200, description = "An entry a line", body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "A parameter means nothing", body = ErrorBody),
    )
)]
async fn json_lines(
    State(audit): State<Audit>,
    Extension(who): Extension<Who>,
    Extension(standing): Extension<Standing>,
    UrlQuery(filter): UrlQuery<AuditParameters>,
) -> Result<Response, RestError> {
    export(audit, &who.reads(&standing), filter.read()?, Form::JsonLines).await
}

/// The middleware of an agent: says how its audit ends now, where the call was noted.
pub async fn tell(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(head) = noted().and_then(|head| HeaderValue::from_str(&head.to_string()).ok()) {
        response.headers_mut().insert(AUDIT, head);
    }
    response
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Some hundred entries are read and sent at a time: nothing grows with the audit or waits for a slow reader.
async fn export(
    audit: Audit,
    caller: &Caller,
    filter: AuditFilter,
    form: Form,
) -> Result<Response, RestError> {
    let format = Some(form.suffix().to_owned());
    let deed = Deed::new(AuditAction::AuditExported, AuditObject::Audit)
        .with(AuditDetails { format, ..AuditDetails::default() });
    // Before the first page is read, so the export tells of itself, too.
    audit.note(caller, deed, AuditResult::Succeeded).await?;
    let query = AuditQuery { filter: filter.clone(), before: None, limit: AuditQuery::MAX_LIMIT };
    let first = audit.list(query).await?;
    let beginning = form.head().map_err(|error| unwritable(&error))?;
    let rest = stream::try_unfold(Some((first, beginning)), move |next| {
        let (audit, filter) = (audit.clone(), filter.clone());
        async move {
            let Some((page, mut bytes)) = next else { return Ok(None) };
            bytes.extend(form.rows(&page.entries)?);
            let after = match page.next {
                None => None,
                before => {
                    let query = AuditQuery { filter, before, limit: AuditQuery::MAX_LIMIT };
                    Some((audit.list(query).await?, Vec::new()))
                }
            };
            Ok::<_, Failure>(Some((Bytes::from(bytes), after)))
        }
    });
    let headers = [
        (CONTENT_TYPE, form.media_type().to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"memdeck-audit.{}\"", form.suffix())),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(rest)).into_response())
}

fn unwritable(error: &csv::Error) -> RestError {
    tracing::error!(%error, "the audit cannot be written as CSV");
    RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "the audit cannot be written; the log says why")
}
