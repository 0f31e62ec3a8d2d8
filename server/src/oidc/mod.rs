//! Signing in by `OpenID` Connect: the authorization code flow with PKCE, by the crate `openidconnect`.
//!
//! ```text
//! begin ──► the browser goes to the provider ──► it returns with a code ──► code + verifier ──► token of identity
//!                                                                                                    │ verified
//!                                                        session of ours ◄── Accounts::admit ◄── Proven
//! ```
//!
//! The provider is asked for its description when it is first needed, and again after a failure: memdeck starts without it. What
//! somebody may do is decided by `memdeck_operations`; nothing that the provider gives is kept but who it was.

mod begun;
mod claims;
mod client;
mod error;
mod proof;
mod provider;

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use memdeck_clock::Clock;
use memdeck_model::{AccountName, Rights};
use openidconnect::core::CoreAuthenticationFlow;
use openidconnect::{CsrfToken, Nonce, PkceCodeChallenge, Scope};
use reqwest::Url;

use crate::config::OidcConfig;
use begun::BegunSignIns;
pub use begun::{Begun, LIFETIME};
pub use error::{Cause, OidcError};
pub use provider::Provider;

/// What came back with the browser.
#[derive(Clone, Debug, Default)]
pub struct Returned {
    /// What is exchanged for the token of identity.
    pub code: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who says so (RFC 9207), where the provider says it.
    pub issuer: Option<String>,
}

/// Somebody who signed in at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// By which memdeck knows them.
    pub name: AccountName,
    /// By which the provider does.
    pub subject: String,
    /// What their groups allow; `None` where the account of that name decides.
    pub rights: Option<Rights>,
    /// Their groups.
    pub groups: Vec<String>,
}

/// Where somebody goes to sign in, and the cookie with which they must return.
pub struct Departure {
    pub url: Url,
    pub cookie: String,
}

/// Sign-ins by one provider.
pub struct Oidc {
    provider: Provider,
    begun: BegunSignIns,
    clock: Arc<dyn Clock>,
}

impl Oidc {
    /// Asks nobody yet.
    pub fn new(config: &OidcConfig, clock: &Arc<dyn Clock>) -> Self {
        Self {
            provider: Provider::new(config.clone(), Arc::clone(clock)),
            begun: BegunSignIns::new(Arc::clone(clock)),
            clock: Arc::clone(clock),
        }
    }

    /// How the provider is reached, and what is believed of it.
    pub fn config(&self) -> &OidcConfig {
        self.provider.config()
    }

    /// Begins a sign-in of a browser at `address`, which will return to `redirect_uri` and then wants to see `next`.
    ///
    /// # Errors
    /// The provider does not answer, or there are no random numbers.
    pub async fn begin(
        &self,
        redirect_uri: String,
        next: String,
        address: IpAddr,
    ) -> Result<Departure, OidcError> {
        let metadata = self.provider.metadata().await?;
        let client = self.provider.relying_party(&metadata, &redirect_uri)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let scopes = self.config().scopes.iter().cloned().map(Scope::new);
        let (url, state, nonce) = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| OidcError::Here(Cause::of(&error)))?;
        let cookie = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let begun = Begun { nonce, verifier, redirect_uri, next };
        self.begun.keep(state.secret(), &cookie, address, begun);
        Ok(Departure { url, cookie })
    }

    /// The sign-in of this state that a browser with this cookie began; it can be ended once.
    ///
    /// # Errors
    /// There is none.
    pub fn take(&self, state: &str, cookie: &str) -> Result<Begun, OidcError> {
        self.begun.take(state, cookie).ok_or(OidcError::NotBegun)
    }
}
