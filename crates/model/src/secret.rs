//! What must never be shown.

use serde::{Deserialize, Serialize};

/// A token or a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// `secret` as a secret.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(secret.to_owned())
    }

    /// For the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A secret that is written into the catalog and into the request that brings it, because it must be sent on as it is.
/// No answer contains one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = Password))]
#[serde(from = "String", into = "String")]
pub struct SentSecret(Secret);

impl SentSecret {
    /// For the one place that sends it, or signs with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<String> for SentSecret {
    fn from(secret: String) -> Self {
        Self(Secret::new(&secret))
    }
}

impl From<SentSecret> for String {
    fn from(secret: SentSecret) -> Self {
        secret.expose().to_owned()
    }
}
