//! Requests that are not passed on.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use memdeck_model::Need;
use memdeck_operations::{beyond_reach, forbidden};

use super::Caller;
use super::local::Distrust;
use crate::http::answer::RestError;

/// Why a request is not passed on.
pub(super) enum Refusal {
    Plain(RestError),
    /// Somebody who is known may not do that.
    Forbidden(Need),
    /// Somebody who sees only some guests may not do what is about others, too.
    Limited,
    TooMany {
        retry_after_s: u64,
    },
}

impl From<RestError> for Refusal {
    fn from(error: RestError) -> Self {
        Self::Plain(error)
    }
}

impl Refusal {
    /// The name of what a caller who is known lacks, if that is why.
    pub(super) fn lacking(&self) -> Option<&'static str> {
        match self {
            Self::Forbidden(Need::May(permission)) => Some(permission.name()),
            Self::Forbidden(Need::Nothing | Need::BeingKnown | Need::Everything) => Some("everything"),
            Self::Forbidden(Need::BeingHost) => Some("being-a-host"),
            Self::Limited => Some("every-guest"),
            Self::Plain(_) | Self::TooMany { .. } => None,
        }
    }

    /// To a caller of this machine it says why it needs the token too.
    pub(super) fn unauthorized(caller: &Caller, distrust: Option<Distrust>) -> Self {
        let mut detail = "sign in, or send the service's token as `Authorization: Bearer <token>`".to_owned();
        match distrust {
            Some(distrust) if caller.address.is_loopback() && distrust != Distrust::NotUsed => {
                detail.push_str("; root and memdeck's own user need it too: ");
                detail.push_str(&distrust.to_string());
            }
            _ => {}
        }
        Self::Plain(RestError::unauthorized(detail))
    }

    pub(super) fn into_response(self) -> Response {
        match self {
            Self::Plain(error) => {
                let mut response = error.into_response();
                if response.status() == StatusCode::UNAUTHORIZED {
                    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                }
                response
            }
            Self::Forbidden(need) => RestError::from(forbidden(need.words())).into_response(),
            Self::Limited => RestError::from(beyond_reach()).into_response(),
            Self::TooMany { retry_after_s } => {
                let detail =
                    format!("too many wrong tokens came from your address; try again in {retry_after_s} s");
                let mut response = RestError::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
                response
            }
        }
    }
}
