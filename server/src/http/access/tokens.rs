//! The tokens of a service, as far as they must be known to tell them: their digests.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::{HttpConfig, Secret};

/// What callers may send.
pub struct Tokens {
    pub operators: Option<TokenDigest>,
    /// Opens `/metrics` and nothing else.
    metrics: Option<TokenDigest>,
}

impl Tokens {
    pub fn of(http: &HttpConfig) -> Self {
        Self {
            operators: http.token.as_ref().map(TokenDigest::of),
            metrics: http.metrics_token.as_ref().map(TokenDigest::of),
        }
    }

    /// What `given` opens of what is asked for. Each token is compared, whichever is right.
    pub fn opens(&self, given: &[u8], is_metrics: bool) -> Option<Opens> {
        let is = |token: Option<&TokenDigest>| token.is_some_and(|token| token.matches(given));
        let everything = is(self.operators.as_ref());
        let metrics = is(self.metrics.as_ref().filter(|_| is_metrics));
        if everything { Some(Opens::Everything) } else { metrics.then_some(Opens::Metrics) }
    }
}

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// Whatever there is.
    Everything,
    /// `/metrics` alone.
    Metrics,
}

/// The SHA-256 of a token: of fixed length, so that comparing takes the same time whatever is compared.
#[derive(PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    fn of(token: &Secret) -> Self {
        Self(Sha256::digest(token.expose()).into())
    }

    /// Tells this token from another one, and is kept in the catalog: of what callers send it is a hash of a hash.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    fn matches(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.ct_eq(&given).into()
    }
}
