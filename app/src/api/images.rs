//! The page's calls about one dump and its image.

use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use memdeck_model::{DumpId, Record, Verification};

#[cfg(feature = "ssr")]
use super::operations;
use super::{ApiError, ImageFacts};

/// The record of one dump.
///
/// # Errors
/// There is no such dump, the server does not answer, or the catalog cannot be read.
#[server(prefix = "/api/ui", endpoint = "record", input = Json, output = Json)]
pub async fn fetch_record(
    /// Which dump.
    dump_id: DumpId,
) -> Result<Record, ApiError> {
    operations::present()?.record(dump_id).await.map_err(operations::refuse)
}

/// What the image of a dump and its manifest tell.
///
/// # Errors
/// The image was deleted or is gone with its manifest, or the server or the dump service that has it does not answer.
#[server(prefix = "/api/ui", endpoint = "image", input = Json, output = Json)]
pub async fn fetch_image(
    /// Which dump.
    dump_id: DumpId,
) -> Result<ImageFacts, ApiError> {
    operations::present()?.image(dump_id).await.map_err(operations::refuse)
}

/// How far the newest verification of an image is, or what it found.
///
/// # Errors
/// The image was deleted, or the server or the dump service that has it does not answer.
#[server(prefix = "/api/ui", endpoint = "verification", input = Json, output = Json)]
pub async fn fetch_verification(
    /// Which dump.
    dump_id: DumpId,
) -> Result<Verification, ApiError> {
    operations::present()?.verification(dump_id).await.map_err(operations::refuse)
}

/// The newest verification of every image of which the server knows one.
///
/// # Errors
/// The server does not answer.
#[server(prefix = "/api/ui", endpoint = "verifications", input = Json, output = Json)]
pub async fn fetch_verifications() -> Result<Vec<Verification>, ApiError> {
    operations::present()?.verifications().await.map_err(operations::refuse)
}

/// Begins to verify an image, unless that goes on already. Its progress and its end come as events.
///
/// # Errors
/// The image was deleted, others are being verified, or the server or the dump service that has it does not answer.
#[server(prefix = "/api/ui", endpoint = "verify", input = Json, output = Json)]
pub async fn begin_verification(
    /// Which dump.
    dump_id: DumpId,
) -> Result<Verification, ApiError> {
    operations::present()?.verify(dump_id).await.map_err(operations::refuse)
}

/// Deletes an image. Its record stays, and is given as it is afterwards.
///
/// # Errors
/// `confirm` is not the name of the guest, the image is in use or was deleted, or the server or the dump service that
/// has it does not answer.
#[server(prefix = "/api/ui", endpoint = "delete-image", input = Json, output = Json)]
pub async fn delete_image(
    /// Which dump.
    dump_id: DumpId,
    /// The guest's name, as the operator wrote it.
    confirm: String,
) -> Result<Record, ApiError> {
    operations::present()?.delete_image(dump_id, confirm).await.map_err(operations::refuse)
}
