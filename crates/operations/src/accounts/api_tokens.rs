//! Tokens of programs: 256 random bits, kept as a hash, told once.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use memdeck_catalog::SecretDigest;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject};
use memdeck_model::{
    AccountName, Actor, ApiToken, MadeApiToken, Millis, NewApiToken, Permission, Problem, ProblemKind, Reach,
};
use sha2::{Digest as _, Sha256};

use super::{Accounts, Known, groups};
use crate::audit::Deed;
use crate::{Caller, blocking};

/// By what people and scanners of leaked secrets know one.
const PREFIX: &str = "mdk_";
/// More tokens than any memdeck has programs that call it.
const MOST: usize = 1000;
/// How far behind the kept time of the last use may be.
const USE_STEP: Millis = Millis(5 * 60 * 1000);
/// Ten years.
const MOST_DAYS: u32 = 3653;

/// A token, and its guests as they are looked for.
pub(super) struct KnownToken {
    facts: ApiToken,
    reach: Reach,
}

impl KnownToken {
    pub(super) fn of(facts: ApiToken) -> Self {
        Self { reach: facts.guests.clone().map_or(Reach::Everything, Reach::only), facts }
    }
}

impl Accounts {
    /// Whose token was sent, which is used hereby.
    #[must_use]
    pub fn token(&self, given: &[u8]) -> Option<Known> {
        if !given.starts_with(PREFIX.as_bytes()) {
            return None;
        }
        // Found by its hash: how long that takes says nothing about tokens that exist.
        let digest: SecretDigest = Sha256::digest(given).into();
        let now = self.clock.now();
        let mut tokens = self.tokens.write();
        let is_valid = |token: &&mut KnownToken| token.facts.expires_at.is_none_or(|end| now < end);
        let KnownToken { facts: token, reach } = tokens.get_mut(&digest).filter(is_valid)?;
        let known = Known::of(Actor::Token { name: token.name.to_string() }, token.rights, reach.clone());
        if token.last_used_at.is_none_or(|last| now.since(last) >= USE_STEP) {
            token.last_used_at = Some(now);
            drop(tokens);
            self.keep_use(digest, now);
        }
        Some(known)
    }

    /// In the background: no call waits for it, and if it fails, the next one tries again after some minutes.
    fn keep_use(&self, digest: SecretDigest, at: memdeck_model::Timestamp) {
        let Some(catalog) = self.catalog.clone() else { return };
        tokio::spawn(async move {
            if let Err(error) = blocking(move || catalog.use_api_token(&digest, at)).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the use of a token was not noted");
            }
        });
    }

    /// Every token, by name.
    ///
    /// # Errors
    /// The caller does not manage users.
    pub fn list_tokens(&self, caller: &Caller) -> Result<Vec<ApiToken>, Problem> {
        caller.must(Permission::ManageUsers)?;
        let mut tokens: Vec<ApiToken> =
            self.tokens.read().values().map(|token| token.facts.clone()).collect();
        tokens.sort_by_key(|token| token.name.key());
        Ok(tokens)
    }

    /// Makes a token, which is told this once.
    ///
    /// # Errors
    /// The caller does not manage users, there is one of this name, it would expire in no or too many days, or the catalog
    /// failed.
    pub async fn make_token(&self, new: NewApiToken, caller: &Caller) -> Result<MadeApiToken, Problem> {
        caller.must(Permission::ManageUsers)?;
        let object = AuditObject::Token { name: new.name.to_string() };
        let mut value = match new.expires_in_days {
            Some(days) => format!("role {}, for {days} days", new.role),
            None => format!("role {}, without end", new.role),
        };
        if let Some(guests) = &new.guests {
            value = format!("{value}, {}", groups::in_words(guests));
        }
        let details = AuditDetails { value: Some(value), ..AuditDetails::default() };
        let deed = Deed::new(AuditAction::TokenMade, object).with(details);
        self.noted(caller, deed, self.make_checked_token(new, caller)).await
    }

    async fn make_checked_token(&self, new: NewApiToken, caller: &Caller) -> Result<MadeApiToken, Problem> {
        if new.expires_in_days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
            let detail = format!("a token expires in 1 to {MOST_DAYS} days, or never");
            return Err(Problem::new(ProblemKind::Invalid, detail));
        }
        groups::check(new.guests.as_deref().unwrap_or_default())?;
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| {
            tracing::error!(%error, "the system returned no random numbers");
            Problem::new(ProblemKind::Internal, "the system returned no random numbers")
        })?;
        let token = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let digest: SecretDigest = Sha256::digest(&token).into();
        let created_at = self.clock.now();
        let life = |days: u32| Duration::from_secs(u64::from(days) * 24 * 60 * 60);
        let facts = ApiToken {
            name: new.name,
            rights: new.rights.map_or(new.role.rights(), |rights| rights.and(new.role.rights())),
            guests: new.guests,
            created_at,
            created_by: caller.actor.clone(),
            expires_at: new.expires_in_days.map(|days| created_at.plus(Millis::from(life(days)))),
            last_used_at: None,
        };
        let _changing = self.changing.lock().await;
        if self.tokens.read().len() >= MOST {
            let detail = format!("there are {MOST} tokens, which is the most there can be; revoke some");
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        let row = facts.clone();
        if !self.in_catalog(move |catalog| catalog.add_api_token(&digest, &row)).await? {
            let detail = format!("there is a token {} already", facts.name);
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        self.tokens.write().insert(digest, KnownToken::of(facts.clone()));
        tracing::info!(by = %caller.actor.to_json(), token = %facts.name, "a token was made");
        Ok(MadeApiToken { token, facts })
    }

    /// Revokes a token: it opens nothing from now on.
    ///
    /// # Errors
    /// The caller does not manage users, there is no such token, or the catalog failed.
    pub async fn revoke_token(&self, name: &AccountName, caller: &Caller) -> Result<(), Problem> {
        caller.must(Permission::ManageUsers)?;
        let effect = async {
            let _changing = self.changing.lock().await;
            let removed = name.clone();
            if !self.in_catalog(move |catalog| catalog.remove_api_token(&removed)).await? {
                return Err(Problem::new(ProblemKind::NotFound, format!("there is no token {name}")));
            }
            let key = name.key();
            self.tokens.write().retain(|_, token| token.facts.name.key() != key);
            self.regrouped.send_replace(());
            tracing::info!(by = %caller.actor.to_json(), token = %name, "a token was revoked");
            Ok(())
        };
        let object = AuditObject::Token { name: name.to_string() };
        self.noted(caller, Deed::new(AuditAction::TokenRevoked, object), effect).await
    }
}
