//! The page's calls about accounts, sessions and API tokens.

use memdeck_model::{
    Account, AccountChange, AccountName, ApiToken, Group, GroupChange, MadeApiToken, Me, NewAccount,
    NewApiToken, NewGroup, PasswordChange, SessionFacts,
};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;

server_functions! {
    /// Who the operator is, and what they may do.
    ///
    /// # Errors
    /// The server does not answer.
    "me": async fn fetch_me() -> Me {
        operations::present()?.me().await.map_err(operations::refuse)
    }

    /// Every account, by name.
    ///
    /// # Errors
    /// The operator does not manage users, or the server does not answer.
    "users": async fn fetch_users() -> Vec<Account> {
        operations::present()?.users().await.map_err(operations::refuse)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// There is one of this name, the password is weak, or the server does not answer.
    "add-user": async fn add_user(
        /// Name, role and password.
        new: NewAccount,
    ) -> Account {
        operations::present()?.add_user(new).await.map_err(operations::refuse)
    }

    /// Changes the role or the password of an account, or keeps it out.
    ///
    /// # Errors
    /// There is no such account, the password is weak, or the server does not answer.
    "change-user": async fn change_user(
        /// Whose.
        name: AccountName,
        /// What.
        change: AccountChange,
    ) -> Account {
        operations::present()?.change_user(name, change).await.map_err(operations::refuse)
    }

    /// Removes an account and ends its sessions.
    ///
    /// # Errors
    /// There is no such account, or the server does not answer.
    "remove-user": async fn remove_user(
        /// Which account.
        name: AccountName,
    ) -> () {
        operations::present()?.remove_user(name).await.map_err(operations::refuse)
    }

    /// Every group, by name.
    ///
    /// # Errors
    /// The operator does not manage users, or the server does not answer.
    "groups": async fn fetch_groups() -> Vec<Group> {
        operations::present()?.groups().await.map_err(operations::refuse)
    }

    /// Makes a group.
    ///
    /// # Errors
    /// There is one of this name, it has too many guests, or the server does not answer.
    "add-group": async fn add_group(
        /// Name and guests.
        new: NewGroup,
    ) -> Group {
        operations::present()?.add_group(new).await.map_err(operations::refuse)
    }

    /// Gives a group other guests.
    ///
    /// # Errors
    /// There is no such group, it has too many guests, or the server does not answer.
    "change-group": async fn change_group(
        /// Which group.
        name: AccountName,
        /// Its guests from now on.
        change: GroupChange,
    ) -> Group {
        operations::present()?.change_group(name, change).await.map_err(operations::refuse)
    }

    /// Removes a group that nobody is in.
    ///
    /// # Errors
    /// There is no such group, somebody is in it, or the server does not answer.
    "remove-group": async fn remove_group(
        /// Which group.
        name: AccountName,
    ) -> () {
        operations::present()?.remove_group(name).await.map_err(operations::refuse)
    }

    /// The open sessions: all of them for whoever manages users, else the operator's own.
    ///
    /// # Errors
    /// The server does not answer.
    "sessions": async fn fetch_sessions() -> Vec<SessionFacts> {
        operations::present()?.sessions().await.map_err(operations::refuse)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// There is no such session, or the server does not answer.
    "end-session": async fn end_session(
        /// Which session.
        id: String,
    ) -> () {
        operations::present()?.end_session(id).await.map_err(operations::refuse)
    }

    /// Every API token, by name.
    ///
    /// # Errors
    /// The operator does not manage users, or the server does not answer.
    "api-tokens": async fn fetch_api_tokens() -> Vec<ApiToken> {
        operations::present()?.api_tokens().await.map_err(operations::refuse)
    }

    /// Makes an API token, which is told this once.
    ///
    /// # Errors
    /// There is one of this name, or the server does not answer.
    "make-token": async fn make_token(
        /// Name, role and end.
        new: NewApiToken,
    ) -> MadeApiToken {
        operations::present()?.make_token(new).await.map_err(operations::refuse)
    }

    /// Revokes an API token.
    ///
    /// # Errors
    /// There is no such token, or the server does not answer.
    "revoke-token": async fn revoke_token(
        /// Which token.
        name: AccountName,
    ) -> () {
        operations::present()?.revoke_token(name).await.map_err(operations::refuse)
    }

    /// Changes the operator's own password, which ends every session of theirs.
    ///
    /// # Errors
    /// The present password is another one, the new one is weak, or the server does not answer.
    "change-password": async fn change_password(
        /// The present and the new one.
        change: PasswordChange,
    ) -> () {
        operations::present()?.change_password(change).await.map_err(operations::refuse)
    }
}
