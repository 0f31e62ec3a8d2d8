//! What stored images tell: two dumps compared, and the dumps of a guest over time.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use memdeck_model::{
    ComparedBytes, ComparedPage, Comparison, ComparisonMap, GuestPhysAddr, GuestTimeline, InsideComparison,
    MapView,
};
use memdeck_operations::{AskedPages, PagesForm};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::{Standing, Who};
use super::answer::{RestError, UrlPath, UrlPaths, UrlQuery};
use super::openapi::ErrorBody;
use super::pages_csv;

/// Cells of a map where nobody says how many.
const CELLS: u32 = 4096;
/// From which address on there are more pages.
const NEXT: HeaderName = HeaderName::from_static("x-memdeck-next");

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(compare))
        .routes(routes!(map))
        .routes(routes!(page))
        .routes(routes!(pages))
        .routes(routes!(inside))
        .routes(routes!(timeline))
}

/// Which part of memory is drawn, and how finely.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct MapParameters {
    /// The guest-physical address where the map begins; 0 if missing. Hexadecimal with `0x`, else decimal.
    #[param(example = "0x0")]
    from: Option<String>,
    /// The address before which it ends; the end of memory if missing.
    #[param(example = "0x100000")]
    until: Option<String>,
    /// The most cells, 1 to 16384; 4096 if missing.
    #[param(minimum = 1, maximum = 16384)]
    cells: Option<u32>,
}

/// What changed between two dumps, in figures: pages that changed, were zeroed, are new or moved, by class and by region. From
/// their page maps; no memory is read.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/compare/{other_id}",
    tag = "study",
    params(
        ("dump_id" = String, Path, description = "The first dump"),
        ("other_id" = String, Path, description = "The second dump, which is compared with the first"),
    ),
    responses(
        (status = 200, body = Comparison),
        (status = 409, description = "An image is on another host, or cannot be compared", body = ErrorBody),
    )
)]
async fn compare(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPaths((first, second)): UrlPaths<(String, String)>,
) -> Result<Json<Comparison>, RestError> {
    let drawn = state.operations.compare_dumps(&first, &second, MapView::whole(1), &who.calls()).await?;
    Ok(Json(drawn.comparison))
}

/// A map of what changed between two dumps: memory in cells of so many pages.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/compare/{other_id}/map",
    tag = "study",
    params(
        ("dump_id" = String, Path, description = "The first dump"),
        ("other_id" = String, Path, description = "The second dump"),
        MapParameters,
    ),
    responses(
        (status = 200, body = ComparisonMap),
        (status = 409, description = "An image is on another host, or cannot be compared", body = ErrorBody),
    )
)]
async fn map(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPaths((first, second)): UrlPaths<(String, String)>,
    UrlQuery(parameters): UrlQuery<MapParameters>,
) -> Result<Json<ComparisonMap>, RestError> {
    let whole = MapView::whole(parameters.cells.unwrap_or(CELLS));
    let from = parameters.from.as_deref().map_or(Ok(whole.from), address)?;
    let until = parameters.until.as_deref().map_or(Ok(whole.until), address)?;
    let view = MapView { from, until, ..whole };
    Ok(Json(state.operations.compare_dumps(&first, &second, view, &who.calls()).await?.map))
}

/// The bytes that two dumps have of one page. The audit notes it for both.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/compare/{other_id}/pages/{address}",
    tag = "study",
    params(
        ("dump_id" = String, Path, description = "The first dump"),
        ("other_id" = String, Path, description = "The second dump"),
        ("address" = String, Path, description = "Where the page begins in the guest's physical memory: a multiple of 4096, \
                                                   hexadecimal with `0x`, else decimal"),
    ),
    responses(
        (status = 200, body = ComparedBytes),
        (status = 404, description = "Neither dump has such a page", body = ErrorBody),
        (status = 409, description = "An image is on another host, or cannot be compared", body = ErrorBody),
    )
)]
async fn page(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPaths((first, second, at)): UrlPaths<(String, String, String)>,
) -> Result<Json<ComparedBytes>, RestError> {
    Ok(Json(state.operations.compare_page(&first, &second, address(&at)?, &who.calls()).await?))
}

/// As what pages that differ are sent.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Pages {
    /// A line for each that says what it was and is.
    #[default]
    Csv,
    /// The bytes that the second dump has, as `LiME` writes memory.
    Lime,
}

/// Which pages that differ are sent.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PagesParameters {
    /// `csv` if missing.
    #[param(inline)]
    format: Option<Pages>,
    /// Those at lower addresses are left out: what `x-memdeck-next` of an answer says.
    #[param(example = "0x100000")]
    from: Option<String>,
    /// At most this many: 262144 as `csv`, 16384 as `lime`, which are also what is sent if it is missing.
    #[param(minimum = 1, maximum = 262_144)]
    limit: Option<u32>,
}

/// The pages that differ between two dumps, in ascending order of addresses: as a list, or the bytes that the second dump has. The audit
/// notes it for both. Where there are more than are sent at once, the header `x-memdeck-next` has the address from which on to ask
/// again.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/compare/{other_id}/pages",
    tag = "study",
    params(
        ("dump_id" = String, Path, description = "The first dump"),
        ("other_id" = String, Path, description = "The second dump, which is compared with the first"),
        PagesParameters,
    ),
    responses(
        (status = 200, description = "RFC 4180 in UTF-8 with a line of names; or memory in the format LiME", content(
            (String = "text/csv"),
            (Vec<u8> = "application/octet-stream"),
        )),
        (status = 409, description = "An image is on another host, or cannot be compared", body = ErrorBody),
    )
)]
async fn pages(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    Extension(standing): Extension<Standing>,
    UrlPaths((first, second)): UrlPaths<(String, String)>,
    UrlQuery(PagesParameters { format, from, limit }): UrlQuery<PagesParameters>,
) -> Result<Response, RestError> {
    let form = match format.unwrap_or_default() {
        Pages::Csv => PagesForm::Csv,
        Pages::Lime => PagesForm::Lime,
    };
    let from = from.as_deref().map_or(Ok(GuestPhysAddr(0)), address)?;
    let asked = AskedPages { form, from, most: limit };
    let read = state.operations.changed_pages(&first, &second, asked, &who.reads(&standing)).await?;
    let (kind, end, bytes) = match read.lime {
        Some(lime) => ("application/octet-stream", "lime", lime),
        None => ("text/csv; charset=utf-8; header=present", "csv", csv(&read.changed.pages)?),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"memdeck-changed.{end}\""));
    headers.extend(disposition.map(|value| (CONTENT_DISPOSITION, value)));
    let next = read.changed.next.and_then(|next| HeaderValue::try_from(next.to_string()).ok());
    headers.extend(next.map(|next| (NEXT, next)));
    Ok((headers, bytes).into_response())
}

fn csv(pages: &[ComparedPage]) -> Result<Vec<u8>, RestError> {
    pages_csv::file(pages).map_err(|error| {
        tracing::error!(%error, "pages cannot be written as CSV");
        RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "the pages cannot be written; the log says why")
    })
}

/// What came and went inside of a guest between two dumps: processes, modules, connections and open files. `changes` is null until
/// both images were read, which `POST /api/memory-dumps/{dump_id}/inside` begins. The audit notes it for both.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/compare/{other_id}/inside",
    tag = "study",
    params(
        ("dump_id" = String, Path, description = "The first dump"),
        ("other_id" = String, Path, description = "The second dump, which is compared with the first"),
    ),
    responses((status = 200, body = InsideComparison))
)]
async fn inside(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPaths((first, second)): UrlPaths<(String, String)>,
) -> Result<Json<InsideComparison>, RestError> {
    let images = state.operations.images();
    Ok(Json(images.compare_inside(&first, &second, false, &who.calls()).await?))
}

/// How many dumps a timeline shows.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TimelineParameters {
    /// The newest so many dumps, 1 to 500; 100 if missing.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// A guest's memory over the dumps whose images are kept on this machine: how much changed from each to the next, mean entropy, and,
/// for who may read memory, how many programs began. From page maps and from what was read inside of the guest already; what is not
/// known is missing, and never 0. Where `pending` is not 0, a further call knows more.
#[utoipa::path(
    get,
    path = "/api/guests/{vm}/timeline",
    tag = "study",
    params(("vm" = String, Path, description = "The guest by name or UUID"), TimelineParameters),
    responses(
        (status = 200, body = GuestTimeline),
        (status = 404, description = "No image of such a guest is kept on this machine", body = ErrorBody),
        (status = 409, description = "Several guests had the name: the sentence has their UUIDs", body = ErrorBody),
    )
)]
async fn timeline(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(vm): UrlPath,
    UrlQuery(TimelineParameters { limit }): UrlQuery<TimelineParameters>,
) -> Result<Json<GuestTimeline>, RestError> {
    Ok(Json(state.operations.timeline(&vm, limit, &who.calls()).await?))
}

/// An address as people and programs write one.
fn address(text: &str) -> Result<GuestPhysAddr, RestError> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let refuse =
        |_| RestError::new(StatusCode::BAD_REQUEST, "an address is a number, hexadecimal with 0x in front");
    number.map(GuestPhysAddr).map_err(refuse)
}
