//! A name for every request: in the log, in the header `x-request-id` and beside what the page says of a failure. Hosts that
//! are called for it are told it in the same header, and log it beside their own name for the call.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use memdeck_app::api::RequestId;
use memdeck_operations::answer_named;
use tracing::Instrument as _;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Enough to find one request in the log of a day, and short enough to read to somebody.
const CHARS: usize = 12;

/// The middleware around everything. A name that a caller sends is not used for the request itself, and is logged only
/// where it has the form of ours: it would let callers write into the log.
pub async fn name(mut request: Request, next: Next) -> Response {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(CHARS);
    let span = if let Some(from) = sent(request.headers()) {
        tracing::info_span!("request", id, from)
    } else {
        tracing::info_span!("request", id)
    };
    let header = HeaderValue::from_str(&id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = answer_named(id, next.run(request).instrument(span)).await;
    if let Ok(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    response
}

/// The name of another memdeck's request for which this one is made.
fn sent(headers: &HeaderMap) -> Option<&str> {
    let sent = headers.get(HEADER)?.to_str().ok()?;
    let is_one = sent.len() == CHARS && sent.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_one.then_some(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_name_of_ours_gets_into_the_log() {
        let sent_as = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_static(value));
            sent(&headers).map(str::to_owned)
        };
        assert_eq!(sent_as("0123456789ab").as_deref(), Some("0123456789ab"));
        for other in ["", "0123456789a", "0123456789abc", "0123456789AB", "01234 6789ab", "id=\"x\" admin"] {
            assert_eq!(sent_as(other), None, "{other}");
        }
    }
}
