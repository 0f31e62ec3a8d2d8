//! The model's [`Problem`] as the error of a server function.

use memdeck_model::{Problem, ProblemKind};
use serde::{Deserialize, Serialize};

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

/// What the server's framework finds wrong with a request, before a server function is called.
#[cfg(feature = "ssr")]
impl leptos::server_fn::error::FromServerFnError for ApiError {
    type Encoder = leptos::server_fn::codec::JsonEncoding;

    fn from_server_fn_error(error: leptos::server_fn::error::ServerFnErrorErr) -> Self {
        use leptos::server_fn::error::ServerFnErrorErr as Error;
        // The answer gets the problem's status code.
        super::operations::refuse(match error {
            Error::Deserialization(reason) | Error::Args(reason) | Error::MissingArg(reason) => {
                Problem::new(ProblemKind::Invalid, format!("The request cannot be read: {reason}."))
            }
            other => Problem::new(ProblemKind::Internal, other.to_string()),
        })
    }
}

/// Reads why a call was refused: a problem, or the `{"detail": ...}` of a layer in front of the server functions.
#[cfg(any(not(feature = "ssr"), test))]
pub(super) fn refusal(answer: &[u8]) -> ApiError {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default = "invalid")]
        kind: ProblemKind,
        detail: String,
        #[serde(default)]
        request_id: Option<String>,
        #[serde(default)]
        candidates: Vec<String>,
    }
    fn invalid() -> ProblemKind {
        ProblemKind::Invalid
    }
    let problem = match serde_json::from_slice(answer) {
        Ok(Refusal { kind, detail, request_id, candidates }) => {
            Problem { request_id, candidates, ..Problem::new(kind, detail) }
        }
        Err(_) => unreachable_server(),
    };
    // Every refusal of every call comes through here: no caller can forget to look.
    #[cfg(any(feature = "csr", feature = "fuzzing", test))]
    crate::session::note_refusal(&problem);
    ApiError(problem)
}

/// No answer, or a failure that somebody between the page and memdeck reports in words of their own.
#[cfg(any(not(feature = "ssr"), test))]
pub(super) fn unreachable_server() -> Problem {
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
        let error = ApiError(Problem {
            request_id: Some("r-1".to_owned()),
            ..Problem::new(ProblemKind::Conflict, "web-01 is being dumped")
        });
        let json = serde_json::to_string(&error).unwrap();
        assert_eq!(json, r#"{"kind":"conflict","detail":"web-01 is being dumped","request_id":"r-1"}"#);
        assert_eq!(refusal(json.as_bytes()), error);
    }

    #[test]
    fn the_sentence_of_a_rest_refusal_is_kept() {
        let error = refusal(br#"{"detail": "This host name is not allowed."}"#);
        assert_eq!(error, Problem::new(ProblemKind::Invalid, "This host name is not allowed.").into());
    }

    #[test]
    fn a_refusal_for_want_of_a_session_is_told_apart() {
        let error = refusal(br#"{"detail": "sign in", "kind": "unauthorized"}"#);
        assert_eq!(error.0.kind, ProblemKind::Unauthorized);
    }

    #[test]
    fn what_is_no_answer_of_ours_is_told_as_a_server_that_does_not_answer() {
        let error = refusal(b"<html>502 Bad Gateway</html>");
        assert_eq!(error.0.kind, ProblemKind::Unavailable);
        assert_eq!(error.0, unreachable_server());
    }
}
