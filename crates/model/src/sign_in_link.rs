//! The answer of the call that makes a sign-in link.

use serde::{Deserialize, Serialize};

/// A link with which one browser signs in, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignInLink {
    /// What follows the address of this dashboard. The code stands in the fragment, which no browser sends.
    pub path: String,
    /// How long it can be used.
    pub expires_in_sec: u64,
}
