//! A name for every request: in the log, in the header `x-request-id` and beside what the page says of a failure.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use memdeck_app::api::RequestId;
use tracing::Instrument as _;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Enough to find one request in the log of a day, and short enough to read to somebody.
const CHARS: usize = 12;

/// The middleware around everything. A name that a caller sends is not used: it would let callers write into the log.
pub async fn name(mut request: Request, next: Next) -> Response {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(CHARS);
    let span = tracing::info_span!("request", id);
    let header = HeaderValue::from_str(&id);
    request.extensions_mut().insert(RequestId(id));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    response
}
