//! The model's [`Problem`] as the error of a server function.

use leptos::server_fn::Bytes;
use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use memdeck_model::{Problem, ProblemKind};
use serde::{Deserialize, Serialize};

#[cfg(any(feature = "csr", feature = "fuzzing", test))]
use crate::session;

/// Why a call failed. On the wire it is the [`Problem`] itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(transparent)]
#[error(transparent)]
pub struct ApiError(pub Problem);

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl FromServerFnError for ApiError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        told(match error {
            ServerFnErrorErr::Request(_) => unreachable_server(),
            // The same word for what the server cannot read and for what the page cannot.
            #[cfg(feature = "ssr")]
            ServerFnErrorErr::Deserialization(reason) => unreadable_request(&reason),
            #[cfg(not(feature = "ssr"))]
            ServerFnErrorErr::Deserialization(_) => Problem::new(
                ProblemKind::Internal,
                "The server’s answer cannot be read. memdeck may have been updated: reload the page.",
            ),
            ServerFnErrorErr::Args(reason) | ServerFnErrorErr::MissingArg(reason) => {
                unreadable_request(&reason)
            }
            other => Problem::new(ProblemKind::Internal, other.to_string()),
        })
    }

    /// Reads a problem; also the `{"detail": ...}` with which a layer in front of the server functions refuses.
    fn de(data: Bytes) -> Self {
        #[derive(Deserialize)]
        struct Refusal {
            detail: String,
        }
        let error = serde_json::from_slice(&data)
            .or_else(|_| {
                serde_json::from_slice(&data)
                    .map(|Refusal { detail }| Self(Problem::new(ProblemKind::Invalid, detail)))
            })
            .unwrap_or_else(|_| Self(unreachable_server()));
        // Every refusal of every call comes through here: no caller can forget to look.
        #[cfg(any(feature = "csr", feature = "fuzzing", test))]
        session::note_refusal(&error.0);
        error
    }
}

/// On the server the answer gets the problem's status code.
#[cfg(feature = "ssr")]
fn told(problem: Problem) -> ApiError {
    super::operations::refuse(problem)
}

#[cfg(not(feature = "ssr"))]
fn told(problem: Problem) -> ApiError {
    ApiError(problem)
}

fn unreadable_request(reason: &str) -> Problem {
    Problem::new(ProblemKind::Invalid, format!("The request cannot be read: {reason}."))
}

/// No answer, or a failure that somebody between the page and memdeck reports in words of their own.
fn unreachable_server() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "The server does not answer. Check that memdeck is running and that the network reaches it.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_crosses_the_wire_unchanged() {
        let error = ApiError(Problem::new(ProblemKind::Conflict, "web-01 is being dumped"));
        assert_eq!(error.ser(), Bytes::from(r#"{"kind":"conflict","detail":"web-01 is being dumped"}"#));
        assert_eq!(ApiError::de(error.ser()), error);
    }

    #[test]
    fn the_sentence_of_a_rest_refusal_is_kept() {
        let error = ApiError::de(Bytes::from(r#"{"detail": "This host name is not allowed."}"#));
        assert_eq!(error.0.detail.to_string(), "This host name is not allowed.");
    }

    #[test]
    fn a_refusal_for_want_of_a_session_is_told_apart() {
        let error = ApiError::de(Bytes::from(r#"{"detail": "sign in", "kind": "unauthorized"}"#));
        assert_eq!(error.0.kind, ProblemKind::Unauthorized);
    }

    #[test]
    fn what_is_no_answer_of_ours_is_told_as_a_server_that_does_not_answer() {
        let error = ApiError::de(Bytes::from("<html>502 Bad Gateway</html>"));
        assert_eq!(error.0.kind, ProblemKind::Unavailable);
        assert_eq!(error.0, unreachable_server());
    }
}
