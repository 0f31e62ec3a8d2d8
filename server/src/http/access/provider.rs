//! People who return from the provider of `OpenID` Connect: who of them is let in, and what is noted of the others.

use std::sync::Arc;

use memdeck_catalog::SessionOf;
use memdeck_model::audit::{AuditAction, AuditObject};
use memdeck_model::{Message, with_causes};
use memdeck_operations::NotAdmitted;

use super::{Access, Caller};
use crate::oidc::{Oidc, OidcError, Proven};

impl Access {
    /// The provider where people sign in, if there is one.
    pub fn oidc(&self) -> Option<&Arc<Oidc>> {
        self.oidc.as_ref()
    }

    /// The name of the cookie of a browser that is at the provider.
    pub fn oidc_cookie_name(&self, caller: &Caller) -> String {
        self.cookie_name(caller).replace("_session", "_oidc")
    }

    /// Whose session it is that somebody proved at the provider.
    ///
    /// # Errors
    /// They are not let in.
    pub fn admit(&self, oidc: &Oidc, proven: Proven) -> Result<SessionOf, OidcError> {
        let Proven { name, rights, groups, .. } = proven;
        let admitted = self.accounts.admit(&name, rights, groups, oidc.config().fingerprint());
        admitted.map_err(|why| match why {
            NotAdmitted::NoRole => OidcError::NoRole { user: name },
            NotAdmitted::NameTaken => OidcError::NameTaken { user: name },
        })
    }

    /// Notes that somebody was not signed in; an outage is only logged. Failures are as many as the audit and the log have room
    /// for.
    pub fn note_not_admitted(&self, error: &OidcError, caller: &Caller) {
        let verdict = self.by_provider.attempt(caller.address, || false);
        let object =
            error.user().map_or(AuditObject::Service, |user| AuditObject::User { name: user.to_string() });
        let reason = Some(Message::new(error.to_string()));
        if !error.is_outage() {
            self.failures.note_why(object, reason, verdict, caller.address, AuditAction::SignIn);
        }
        if verdict.is_logged() {
            let why = with_causes(error);
            tracing::warn!(address = %caller.address, why, "somebody was not signed in by the provider");
        }
    }
}
