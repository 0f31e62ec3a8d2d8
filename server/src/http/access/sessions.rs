//! The sessions of browsers: how their cookie is called, and whose they are.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use memdeck_catalog::SessionOf;
use memdeck_model::Actor;
use memdeck_operations::{NewSession, OpenError};

use super::{Access, Caller};

impl Access {
    /// The name of the session's cookie. With TLS it has the prefix that binds it to this very host.
    pub fn cookie_name(&self, caller: &Caller) -> String {
        let prefix = if caller.secure { "__Host-" } else { "" };
        format!("{prefix}memdeck_session{}", self.instance)
    }

    /// Opens a session for `of`; whoever holds the token of this memdeck if it is nobody with an account. What its cookie
    /// holds.
    ///
    /// # Errors
    /// It cannot be kept.
    pub async fn open_session(
        &self,
        of: Option<SessionOf>,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<String, OpenError> {
        let browser = headers.get(USER_AGENT).and_then(|name| name.to_str().ok()).map(str::to_owned);
        let of = of.unwrap_or_else(|| SessionOf::Token(self.token_digest()));
        self.accounts.open_session(NewSession { of, address: caller.address.to_string(), browser }).await
    }

    /// Who signs in or out with a session of this kind.
    pub fn actor_of(&self, of: Option<&SessionOf>) -> Actor {
        self.accounts.actor_of(of)
    }

    /// Whether there are accounts to sign in with.
    pub fn has_accounts(&self) -> bool {
        self.accounts.are_there()
    }
}
