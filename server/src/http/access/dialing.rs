//! Agents that dial in. Each is known by the token of its host, which opens this one way in and nothing else; a wrong one is a
//! wrong token like any other.

use std::sync::Arc;

use axum::http::HeaderMap;
use memdeck_agent::Line;
use memdeck_model::Need;

use super::Access;
use super::head::bearer;

/// Finds the way to the agent whose token this is.
pub type LineOf = dyn Fn(&[u8]) -> Option<Arc<Line>> + Send + Sync;

/// The way to the agent that calls.
#[derive(Clone)]
pub struct DialingIn(pub Arc<Line>);

impl Access {
    /// The same rules; `line_of` knows the agents that dial in.
    #[must_use]
    pub fn with_lines(self, line_of: Arc<LineOf>) -> Self {
        Self { line_of: Some(line_of), ..self }
    }

    /// The agent that makes a call for agents alone.
    pub(super) fn dialing_in(&self, need: Need, headers: &HeaderMap) -> Option<DialingIn> {
        let line_of = self.line_of.as_ref().filter(|_| need == Need::BeingHost)?;
        line_of(bearer(headers)?).map(DialingIn)
    }
}
