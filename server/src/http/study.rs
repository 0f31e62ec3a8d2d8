//! What stored images tell: two dumps compared.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use memdeck_model::{ComparedBytes, Comparison, ComparisonMap, GuestPhysAddr, InsideComparison, MapView};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{RestError, UrlPaths, UrlQuery};
use super::openapi::ErrorBody;

/// Cells of a map where nobody says how many.
const CELLS: u32 = 4096;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(compare))
        .routes(routes!(map))
        .routes(routes!(page))
        .routes(routes!(inside))
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
