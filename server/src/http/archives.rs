//! Archives of records: what one would take, one that is made, and those that were.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use memdeck_model::archive::{ArchiveChoice, ArchiveList, ArchivePreview, MadeArchive};
use memdeck_model::{Actor, GuestName, Timestamp};
use memdeck_operations::Archives;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Who;
use super::answer::{JsonBody, RestError};
use super::openapi::ErrorBody;

pub fn routes<S>(archives: Arc<Archives>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new().routes(routes!(list, make)).routes(routes!(preview)).with_state(archives)
}

/// Which records are to be archived, and for whom. A word that is not known is refused: what it was to leave out would go.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct MakeArchive {
    /// Dumps that began before this instant.
    before: Option<Timestamp>,
    /// Dumps of the guest of this name, exactly.
    guest: Option<GuestName>,
    /// Dumps whose images were deleted.
    deleted: bool,
    /// Who wants it: an actor, or plain text about the caller.
    by: Option<Actor>,
}

impl MakeArchive {
    fn choice(self) -> ArchiveChoice {
        let Self { before, guest, deleted, by: _ } = self;
        ArchiveChoice { before, guest, deleted }
    }
}

/// The archives that were made here, the newest first.
#[utoipa::path(get, path = "/api/archives", tag = "archives", responses((status = 200, body = ArchiveList)))]
async fn list(
    State(archives): State<Arc<Archives>>,
    Extension(who): Extension<Who>,
) -> Result<Json<ArchiveList>, RestError> {
    Ok(Json(archives.list(&who.calls()).await?))
}

/// Writes the records that are chosen into the signed files of an archive, reads these back and verifies them, and then removes
/// the records.
#[utoipa::path(
    post,
    path = "/api/archives",
    tag = "archives",
    request_body = MakeArchive,
    responses(
        (status = 200, body = MadeArchive),
        (status = 400, description = "Nothing is chosen", body = ErrorBody),
        (status = 404, description = "There are no such records", body = ErrorBody),
        (status = 409, description = "All of them have to stay, or one changed meanwhile; the sentence says why", body = ErrorBody),
        (status = 503, description = "There is no room, or the key cannot be used", body = ErrorBody),
    )
)]
async fn make(
    State(archives): State<Arc<Archives>>,
    Extension(who): Extension<Who>,
    JsonBody(asked): JsonBody<MakeArchive>,
) -> Result<Json<MadeArchive>, RestError> {
    let caller = who.calls_for(Actor::claimed(asked.by.as_ref()));
    Ok(Json(archives.make(asked.choice(), &caller).await?))
}

/// What an archive would take now, and why the other records that are chosen stay. Nothing is written and nothing removed.
#[utoipa::path(
    post,
    path = "/api/archives/preview",
    tag = "archives",
    request_body = MakeArchive,
    responses(
        (status = 200, body = ArchivePreview),
        (status = 400, description = "Nothing is chosen", body = ErrorBody),
    )
)]
async fn preview(
    State(archives): State<Arc<Archives>>,
    Extension(who): Extension<Who>,
    JsonBody(asked): JsonBody<MakeArchive>,
) -> Result<Json<ArchivePreview>, RestError> {
    Ok(Json(archives.preview(asked.choice(), &who.calls()).await?))
}
