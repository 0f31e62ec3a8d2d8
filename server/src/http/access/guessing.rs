//! Names, passwords, tokens and links with which somebody signs in: whether they are right, and who is told that somebody
//! guesses.

use std::net::IpAddr;
use std::sync::Arc;

use memdeck_catalog::SessionOf;
use memdeck_model::audit::{AuditAction, AuditObject};
use memdeck_model::notice::Happening;
use memdeck_model::{Password, Problem};
use memdeck_operations::Accounts;
use sha2::{Digest as _, Sha256};

use super::attempts::{AccountKey, Attempts};
use super::{Access, Caller, Verdict};

/// Takes what happened.
pub type Tell = dyn Fn(Happening) + Send + Sync;

impl Access {
    /// Whose name and password these are, as `caller` says when signing in.
    ///
    /// # Errors
    /// Too many are being checked.
    pub async fn judge_password(
        &self,
        caller: &Caller,
        name: &str,
        password: Password,
    ) -> Result<(Verdict, Option<SessionOf>), Problem> {
        let account = Sha256::digest(name.to_ascii_lowercase()).into();
        if let Err(refused) = self.sign_ins.begin_password(caller.address, account) {
            self.failures.note(refused, caller.address, AuditAction::SignIn);
            return Ok((refused, None));
        }
        let found = self.accounts.sign_in(name, password).await?;
        let verdict = self.sign_ins.end_password(caller.address, account, found.is_some());
        verdict.log("password", caller.address);
        self.failures.note_of(name_of(&self.accounts, name), verdict, caller.address, AuditAction::SignIn);
        if matches!(verdict, Verdict::Wrong { .. }) {
            self.tell_of_guessing(&self.sign_ins, caller.address, Some((name, account)));
        }
        Ok((verdict, found))
    }

    /// Whether `given` is the token, as `caller` says when signing in.
    pub fn judge_sign_in(&self, caller: &Caller, given: &str) -> Verdict {
        let is_right = || self.tokens.read().opens(given.as_bytes(), false).is_some();
        let verdict = self.sign_ins.attempt(caller.address, is_right);
        verdict.log("sign-in", caller.address);
        self.failures.note(verdict, caller.address, AuditAction::SignIn);
        if matches!(verdict, Verdict::Wrong { .. }) {
            self.tell_of_guessing(&self.sign_ins, caller.address, None);
        }
        verdict
    }

    /// Whether `code` is that of a link that was made and not used.
    pub fn judge_link(&self, caller: &Caller, code: &str) -> Verdict {
        let verdict = self.sign_ins.attempt(caller.address, || self.links.take(code));
        verdict.log("sign-in link", caller.address);
        self.failures.note(verdict, caller.address, AuditAction::SignIn);
        if matches!(verdict, Verdict::Wrong { .. }) {
            self.tell_of_guessing(&self.sign_ins, caller.address, None);
        }
        verdict
    }

    /// The same rules; `tell` is called when somebody guesses.
    #[must_use]
    pub fn telling(self, tell: Arc<Tell>) -> Self {
        Self { tell: Some(tell), ..self }
    }

    /// Says that somebody guesses, if these attempts have just begun to refuse them.
    pub(super) fn tell_of_guessing(
        &self,
        attempts: &Attempts,
        address: IpAddr,
        tried: Option<(&str, AccountKey)>,
    ) {
        let Some(tell) = &self.tell else { return };
        let Some(lock_out) = attempts.lock_out(address, tried.map(|(_, key)| key)) else { return };
        // In the field for the name may be a password: only names that somebody has are told.
        let account = tried.map(|(name, _)| name).filter(|name| self.accounts.is_named(name));
        tell(Happening::SignInGuessing {
            address: address.to_string(),
            account: account.map(str::to_owned),
            attempts: lock_out.attempts,
        });
    }
}

/// The account that a name means, for the audit; nothing where nobody has it: what was typed may be a password.
fn name_of(accounts: &Accounts, name: &str) -> AuditObject {
    if accounts.is_named(name) { AuditObject::User { name: name.to_owned() } } else { AuditObject::Service }
}
