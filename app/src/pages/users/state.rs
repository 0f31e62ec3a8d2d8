//! Who may do what, as it was fetched, and what the operator is asked about.

use std::future::Future;

use leptos::prelude::*;
use memdeck_model::{Account, AccountName, ApiToken, Group, Me, Permission, Problem, Role, SessionFacts};

use crate::api::{self, ApiError};
use crate::data::Loader;
use crate::feed::Feed;
use crate::ui::erase::memo;
use crate::ui::{ToastKind, Toaster};

/// What the operator is asked before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Role(AccountName, Role),
    Disable(AccountName),
    Enable(AccountName),
    Remove(AccountName),
    RemoveGroup(AccountName),
    EndSession(SessionFacts),
    Revoke(AccountName),
}

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct UsersState {
    pub me: Loader<Me>,
    pub users: Loader<Vec<Account>>,
    pub groups: Loader<Vec<Group>>,
    pub sessions: Loader<Vec<SessionFacts>>,
    pub tokens: Loader<Vec<ApiToken>>,
    pub asked: RwSignal<Option<Ask>>,
    /// The account that gets a new password.
    pub new_password: RwSignal<Option<AccountName>>,
    /// The account that is put into a group or taken out.
    pub regrouped: RwSignal<Option<Account>>,
    /// The group that gets other guests.
    pub reguested: RwSignal<Option<Group>>,
    toaster: Toaster,
}

impl UsersState {
    pub fn provide() -> Self {
        let state = Self {
            me: Loader::new(),
            users: Loader::new(),
            groups: Loader::new(),
            sessions: Loader::new(),
            tokens: Loader::new(),
            asked: RwSignal::new(None),
            new_password: RwSignal::new(None),
            regrouped: RwSignal::new(None),
            reguested: RwSignal::new(None),
            toaster: Toaster::expect(),
        };
        provide_context(state);
        Feed::expect().on_connected(move || state.fetch());
        state
    }

    pub fn expect() -> Self {
        expect_context()
    }

    /// Whether the operator manages users; false while that is not known.
    pub fn manages(self) -> Memo<bool> {
        memo(move || self.me.with_data(|me| me.rights.may(Permission::ManageUsers)).unwrap_or_default())
    }

    pub fn fetch(self) {
        self.me.fetch_with(api::fetch_me(), move |kept, me| {
            if me.rights.may(Permission::ManageUsers) {
                self.users.fetch(api::fetch_users());
                self.groups.fetch(api::fetch_groups());
                self.tokens.fetch(api::fetch_api_tokens());
            }
            *kept = Some(me);
        });
        self.sessions.fetch(api::fetch_sessions());
    }

    /// Does something, says so, and loads what it changed.
    pub async fn act<T, F>(self, request: F, said: String) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let done = request.await.map_err(|ApiError(problem)| problem)?;
        self.toaster.show(ToastKind::Success, said);
        self.fetch();
        Ok(done)
    }
}
