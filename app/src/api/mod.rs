//! The page's calls to the server: server functions, each of which translates, calls one use case of [`Operations`] and
//! translates back.
//!
//! Only the signatures are compiled into the page. The bodies exist under the feature `ssr`.

mod details;
mod error;
#[cfg(any(feature = "ssr", test))]
mod image_facts;
mod images;
#[cfg(feature = "ssr")]
mod operations;
mod overview;

use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use memdeck_model::{Activity, DumpId, DumpStatus, Guest, RecordPage, RecordQuery, TriggerRequest};

pub use details::{Details, Fact, Form, Group, Notice, PageClass, PageStatistics, Value, Weight};
pub use error::ApiError;
#[cfg(any(feature = "ssr", test))]
pub use image_facts::ImageFacts;
pub use images::{ask_verification, delete_image, fetch_details};
#[cfg(feature = "ssr")]
pub use operations::{Operations, RequestId, router};
pub use overview::Overview;

/// The figures and the health of the parts, for the status section.
///
/// # Errors
/// The server does not answer, or the catalog cannot be read.
#[server(prefix = "/api/ui", endpoint = "overview", input = Json, output = Json)]
pub async fn fetch_overview() -> Result<Overview, ApiError> {
    operations::present()?.overview().await.map_err(operations::refuse)
}

/// Every guest of the hypervisor, running or not.
///
/// # Errors
/// The server or the hypervisor does not answer.
#[server(prefix = "/api/ui", endpoint = "guests", input = Json, output = Json)]
pub async fn fetch_guests() -> Result<Vec<Guest>, ApiError> {
    operations::present()?.guests().await.map_err(operations::refuse)
}

/// The dumps that are queued or running, and those that ended in the last minutes.
///
/// # Errors
/// The server or the dump service does not answer.
#[server(prefix = "/api/ui", endpoint = "dumps", input = Json, output = Json)]
pub async fn fetch_dumps() -> Result<Vec<DumpStatus>, ApiError> {
    operations::present()?.dumps().await.map_err(operations::refuse)
}

/// The last things that happened to dumps, newest first, whether a page was open or not.
///
/// # Errors
/// The server does not answer, or the catalog cannot be read.
#[server(prefix = "/api/ui", endpoint = "activity", input = Json, output = Json)]
pub async fn fetch_activity() -> Result<Vec<Activity>, ApiError> {
    operations::present()?.activity().await.map_err(operations::refuse)
}

/// Asks for dumps; answers with the present state of each. A guest that is being dumped is not started again.
///
/// # Errors
/// The request names no guest, or the server or the dump service does not answer.
#[server(prefix = "/api/ui", endpoint = "trigger", input = Json, output = Json)]
pub async fn trigger_dumps(
    /// The guests.
    request: TriggerRequest,
) -> Result<Vec<DumpStatus>, ApiError> {
    operations::present()?.trigger(request).await.map_err(operations::refuse)
}

/// Cancels a dump that waits or runs. Answers before it has ended: the end comes as an event. One that has ended
/// already stays as it ended.
///
/// # Errors
/// There is no such dump, or the server or the dump service does not answer or cannot cancel.
#[server(prefix = "/api/ui", endpoint = "cancel", input = Json, output = Json)]
pub async fn cancel_dump(
    /// Which dump.
    dump_id: DumpId,
) -> Result<(), ApiError> {
    operations::present()?.cancel(dump_id).await.map_err(operations::refuse)
}

/// One page of the records that a filter means.
///
/// # Errors
/// The filter cannot be used, the server does not answer, or the catalog cannot be read.
#[server(prefix = "/api/ui", endpoint = "records", input = Json, output = Json)]
pub async fn fetch_records(
    /// Which records, in what order, and which page of them.
    query: RecordQuery,
) -> Result<RecordPage, ApiError> {
    operations::present()?.records(query).await.map_err(operations::refuse)
}

/// The hosts that records name, in alphabetical order.
///
/// # Errors
/// The server does not answer, or the catalog cannot be read.
#[server(prefix = "/api/ui", endpoint = "record-hosts", input = Json, output = Json)]
pub async fn fetch_record_hosts() -> Result<Vec<String>, ApiError> {
    operations::present()?.record_hosts().await.map_err(operations::refuse)
}

/// Whether this page may still call: asked where nothing else was refused that would tell.
///
/// # Errors
/// The server does not answer, or the session has ended.
#[server(prefix = "/api/ui", endpoint = "session", input = Json, output = Json)]
pub async fn check_session() -> Result<(), ApiError> {
    // Whoever comes this far has passed the guard. A server function must wait for something.
    std::future::ready(Ok(())).await
}
