//! Accounts, sessions and API tokens: who somebody is and what they may do, and the use cases that change it.
//!
//! ```text
//! name + password ──► AccountId ──► session ──► cookie ──┐
//! token of this memdeck, link ────► session ──► cookie ──┼──► Known: who, with what rights, over which guests
//! provider ──► account, or Person ► session ──► cookie ──┤
//! API token ─────────────────────────────────────────────┘
//! ```
//!
//! With which guests is said by the group of an account, or by a token.
//!
//! The catalog keeps them; this process, which alone writes it, has them in memory too: every request asks. Guessing is
//! slowed down by whoever takes requests.

mod api_tokens;
mod elsewhere;
mod groups;
mod hashing;
mod open_session;
mod people;
mod sessions;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use memdeck_catalog::{AccountRow, Catalog, CatalogError, SecretDigest, SessionOf};
use memdeck_clock::Clock;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject};
use memdeck_model::{AccountName, Actor, Me, Permission, Problem, ProblemKind, Reach, Rights, SessionFacts};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::audit::{Audit, Deed};
use crate::{Caller, blocking, catalog_problem};
use api_tokens::KnownToken;
pub use elsewhere::NotAdmitted;
use elsewhere::role_of;
use groups::KnownGroup;
use hashing::Hashing;
pub use open_session::OpenSession;
pub use sessions::{NewSession, OpenError, Sessions};

/// Whom memdeck knows a caller to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// `None` of whoever signed in with the token of this memdeck.
    pub identity: Option<Actor>,
    /// What they may do.
    pub rights: Rights,
    /// The guests that they may see and touch.
    pub reach: Reach,
}

impl Known {
    /// Whoever holds the token of this memdeck.
    #[must_use]
    pub fn administrator() -> Self {
        Self { identity: None, rights: Rights::ALL, reach: Reach::Everything }
    }

    /// Somebody with these rights over guests within `reach`; what is about all guests, nobody may who sees only some.
    fn of(identity: Actor, rights: Rights, reach: Reach) -> Self {
        let rights = if reach.is_limited() { rights.and(Rights::OF_LIMITED) } else { rights };
        Self { identity: Some(identity), rights, reach }
    }
}

/// The accounts of one memdeck.
pub struct Accounts {
    /// `None` where there are none: an agent, which one dashboard calls.
    catalog: Option<Arc<Catalog>>,
    /// Where changes are noted; `None` where nothing can be changed.
    audit: Option<Audit>,
    clock: Arc<dyn Clock>,
    people: RwLock<BTreeMap<i64, AccountRow>>,
    tokens: RwLock<HashMap<SecretDigest, KnownToken>>,
    groups: RwLock<BTreeMap<i64, KnownGroup>>,
    sessions: Arc<Sessions>,
    hashing: Hashing,
    /// Held while accounts or tokens are changed, so that memory and catalog change in the same order.
    changing: tokio::sync::Mutex<()>,
    /// Hears when somebody may see other guests than before.
    regrouped: watch::Sender<()>,
}

impl Accounts {
    /// Those of a catalog. Blocks.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub fn load(catalog: &Arc<Catalog>, clock: &Arc<dyn Clock>) -> Result<Self, CatalogError> {
        let people = catalog.accounts()?.into_iter().map(|row| (row.id, row)).collect();
        let tokens = catalog.api_tokens()?.into_iter();
        let tokens = tokens.map(|(digest, facts)| (digest, KnownToken::of(facts))).collect();
        let groups = catalog.groups()?.into_iter().map(|row| (row.id, KnownGroup::of(row))).collect();
        let sessions = Arc::new(Sessions::load(Arc::clone(catalog), Arc::clone(clock))?);
        Ok(Self {
            catalog: Some(Arc::clone(catalog)),
            audit: Some(Audit::new(Arc::clone(catalog), Arc::clone(clock))),
            clock: Arc::clone(clock),
            people: RwLock::new(people),
            tokens: RwLock::new(tokens),
            groups: RwLock::new(groups),
            sessions,
            hashing: Hashing::default(),
            changing: tokio::sync::Mutex::default(),
            regrouped: watch::channel(()).0,
        })
    }

    /// None at all; sessions are kept in memory.
    #[must_use]
    pub fn none(clock: &Arc<dyn Clock>) -> Self {
        Self {
            catalog: None,
            audit: None,
            clock: Arc::clone(clock),
            people: RwLock::default(),
            tokens: RwLock::default(),
            groups: RwLock::default(),
            sessions: Arc::new(Sessions::in_memory(Arc::clone(clock))),
            hashing: Hashing::default(),
            changing: tokio::sync::Mutex::default(),
            regrouped: watch::channel(()).0,
        }
    }

    /// The open sessions.
    #[must_use]
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Whether there is an account.
    #[must_use]
    pub fn are_there(&self) -> bool {
        !self.people.read().is_empty()
    }

    /// Whether an account has this name.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        name.parse().is_ok_and(|name| self.account_named(&name).is_some())
    }

    /// The session of a cookie, which is used hereby, and whose it is.
    #[must_use]
    pub fn resume(&self, cookie: &str) -> Option<(OpenSession, Known)> {
        let session = self.sessions.resume(cookie)?;
        let known = self.known(session.of())?;
        Some((session, known))
    }

    /// Whoever a session is of; `None` if they are kept out.
    fn known(&self, of: &SessionOf) -> Option<Known> {
        let id = match of {
            SessionOf::Token(_) => return Some(Known::administrator()),
            SessionOf::Person(_, person) => return self.known_person(person),
            SessionOf::Account(id) => id,
        };
        let people = self.people.read();
        let account = people.get(id).filter(|account| !account.disabled)?;
        let identity = Actor::User { name: account.name.to_string() };
        Some(Known::of(identity, account.role.rights(), self.reach_of(account)))
    }

    /// Who a caller is, for the caller.
    #[must_use]
    pub fn me(&self, caller: &Caller) -> Me {
        let account = self.account_of(caller);
        let elsewhere = account.is_none() && matches!(caller.actor, Actor::User { .. });
        let name = match &caller.actor {
            Actor::Token { name } | Actor::User { name } if account.is_none() => name.parse().ok(),
            _ => account.as_ref().map(|account| account.name.clone()),
        };
        let role = if elsewhere { role_of(caller) } else { account.map(|account| account.role) };
        let guests = caller.reach.limit().map(|set| set.selectors().to_vec());
        Me { name, role, rights: caller.rights, guests, elsewhere, has_accounts: self.are_there() }
    }

    /// The account that makes a call, if one does.
    fn account_of(&self, caller: &Caller) -> Option<AccountRow> {
        let Actor::User { name } = &caller.actor else { return None };
        self.account_named(&name.parse().ok()?)
    }

    fn account_named(&self, name: &AccountName) -> Option<AccountRow> {
        let key = name.key();
        self.people.read().values().find(|account| account.name.key() == key).cloned()
    }

    /// The open sessions, those that were used last first: every one for whoever manages users, else the caller's own.
    #[must_use]
    pub fn list_sessions(&self, caller: &Caller, this: Option<&OpenSession>) -> Vec<SessionFacts> {
        let own = self.account_of(caller).map(|account| account.id);
        let is_own = |of: &SessionOf| match of {
            SessionOf::Account(id) => own == Some(*id),
            SessionOf::Person(_, person) => {
                matches!(&caller.actor, Actor::User { name } if name.eq_ignore_ascii_case(person.name.as_str()))
            }
            SessionOf::Token(_) => false,
        };
        let is_all = caller.rights.may(Permission::ManageUsers);
        let people = self.people.read();
        let mut sessions = self.sessions.list();
        sessions.retain(|session| is_all || is_own(&session.of));
        sessions.sort_by(|a, b| b.used_at.cmp(&a.used_at).then_with(|| a.id.cmp(&b.id)));
        let facts = sessions.into_iter().map(|session| SessionFacts {
            user: match &session.of {
                SessionOf::Account(id) => people.get(id).map(|account| account.name.clone()),
                SessionOf::Person(_, person) => Some(person.name.clone()),
                SessionOf::Token(_) => None,
            },
            is_this: this.is_some_and(|this| this.is(&session.key)),
            id: session.id,
            opened_at: session.opened_at,
            used_at: session.used_at,
            address: session.address,
            browser: session.browser,
        });
        facts.collect()
    }

    /// Ends a session: any for whoever manages users, else one of the caller's own.
    ///
    /// # Errors
    /// There is no such session that the caller may see.
    pub async fn end_session(&self, id: &str, caller: &Caller) -> Result<(), Problem> {
        let found = self.list_sessions(caller, None).into_iter().find(|session| session.id == id);
        let is_there = found.is_some();
        let user = found.and_then(|session| session.user);
        let object = AuditObject::Session { user: user.map(|name| name.to_string()).unwrap_or_default() };
        let effect = async {
            if !is_there || !self.sessions.end(id).await {
                let detail = format!("there is no open session {id}");
                return Err(Problem::new(ProblemKind::NotFound, detail));
            }
            tracing::info!(by = %caller.actor.to_json(), session = id, "a session was ended");
            Ok(())
        };
        self.noted(caller, Deed::new(AuditAction::SessionEnded, object), effect).await
    }

    /// Whoever is signed in by a session: for the audit of who signed in and out.
    #[must_use]
    pub fn actor_of(&self, of: Option<&SessionOf>) -> Actor {
        of.and_then(|of| self.known(of)?.identity).unwrap_or(Actor::Page)
    }

    /// Does something and notes it, before and after.
    async fn noted<T>(
        &self,
        caller: &Caller,
        deed: Deed,
        effect: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        match &self.audit {
            Some(audit) => audit.around(caller, deed, effect).await,
            None => effect.await,
        }
    }

    /// Runs a call of the catalog off this thread.
    async fn in_catalog<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, Problem> {
        let Some(catalog) = self.catalog.clone() else {
            let detail = "this service has no accounts: they are those of its dashboard";
            return Err(Problem::new(ProblemKind::Conflict, detail));
        };
        blocking(move || work(&catalog)).await.map_err(|error| catalog_problem(&error))
    }
}

/// Something done to an account; `value` says what it has become.
fn of_user(action: AuditAction, name: &AccountName, value: Option<String>) -> Deed {
    let details = AuditDetails { value, ..AuditDetails::default() };
    Deed::new(action, AuditObject::User { name: name.to_string() }).with(details)
}
