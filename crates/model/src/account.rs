//! People with an account, their sessions, and the tokens of programs, as they cross the wire. No password and no token is
//! ever told, but a new token once, to whoever makes it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Actor, GuestSelector, Rights, Role, Secret, Timestamp};

/// The name of an account or a token: letters, digits, `.`, `_`, `-` and `@`, beginning with a letter or digit. Two names
/// that differ in capitals only are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"))]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(String);

/// Text that cannot name an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to {} letters, digits, '.', '_', '-' and '@', and begins with a letter or digit",
    AccountName::MAX_BYTES
)]
pub struct ParseAccountNameError;

impl AccountName {
    /// The longest name.
    pub const MAX_BYTES: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// By what it is found, however it is written.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = ParseAccountNameError;

    fn from_str(text: &str) -> Result<Self, ParseAccountNameError> {
        let begins_well = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
        if begins_well && fits && text.len() <= Self::MAX_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseAccountNameError)
        }
    }
}

impl TryFrom<String> for AccountName {
    type Error = ParseAccountNameError;

    fn try_from(text: String) -> Result<Self, ParseAccountNameError> {
        text.parse()
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

/// A password on its way to where it is hashed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, format = Password, min_length = 12))]
#[serde(from = "String")]
pub struct Password(Secret);

/// A new password that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a password has {} to {} characters and is not the name of the account",
    Password::MIN_CHARS,
    Password::MAX_CHARS
)]
pub struct WeakPassword;

impl Password {
    /// The shortest new password.
    pub const MIN_CHARS: usize = 12;
    /// The longest: hashing must not take long.
    pub const MAX_CHARS: usize = 256;

    /// For the one place that hashes it, and the one that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether it will do for the account `name`.
    ///
    /// # Errors
    /// It is too short or too long, or is the account's name.
    pub fn check(&self, name: &AccountName) -> Result<(), WeakPassword> {
        let chars = self.expose().chars().count();
        let fits = (Self::MIN_CHARS..=Self::MAX_CHARS).contains(&chars);
        if fits && !self.expose().eq_ignore_ascii_case(name.as_str()) { Ok(()) } else { Err(WeakPassword) }
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Secret::new(&text))
    }
}

/// Only whoever sends a new password writes it.
impl Serialize for Password {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Account {
    /// Their name.
    pub name: AccountName,
    /// What they may do.
    pub role: Role,
    /// Whose guests they see: those of this group, and no others. Every guest, without one; an admin always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<AccountName>,
    /// Whether they are kept out.
    pub disabled: bool,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When they signed in last.
    pub last_sign_in: Option<Timestamp>,
    /// How many of their sessions are open.
    pub sessions: u32,
}

/// A request to make an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    pub name: AccountName,
    /// What it may do.
    pub role: Role,
    /// The group whose guests it sees; every guest where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<AccountName>,
    /// With what it signs in: at least 12 characters.
    pub password: Password,
}

/// A request to change an account. What is missing stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AccountChange {
    /// What it may do from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The group whose guests it sees from now on; `null` for none, so that it sees every guest.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<AccountName>))]
    pub group: Option<Option<AccountName>>,
    /// Whether it is kept out from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Its new password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// What stands there, `null` included, is given.
#[expect(clippy::option_option, reason = "what is missing stays, and nothing is a choice")]
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<AccountName>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A request to change one's own password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    pub present: Password,
    pub new: Password,
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionFacts {
    /// Names it in calls; opens nothing.
    pub id: String,
    /// Whose it is; `None` of whoever signed in with the token of this memdeck or a link.
    pub user: Option<AccountName>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was used last, to some minutes.
    pub used_at: Timestamp,
    /// From where it was opened.
    pub address: String,
    /// What the browser said it is.
    pub browser: Option<String>,
    /// Whether it is the one that asks.
    pub is_this: bool,
}

/// A token of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiToken {
    pub name: AccountName,
    /// What its holder may do.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::Permission>))]
    pub rights: Rights,
    /// The guests that its holder sees, and no others; every guest where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<Vec<GuestSelector>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    #[serde(deserialize_with = "Actor::deserialize_kept")]
    pub created_by: Actor,
    /// When it opens nothing any more; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When it was sent last, to some minutes.
    pub last_used_at: Option<Timestamp>,
}

/// A request for a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewApiToken {
    pub name: AccountName,
    /// What its holder may do at most.
    pub role: Role,
    /// Of what the role allows only this; everything where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<crate::Permission>>))]
    pub rights: Option<Rights>,
    /// The guests that its holder sees, and no others; every guest where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<Vec<GuestSelector>>,
    /// In how many days it expires; never where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// A token that was made. It is not told again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MadeApiToken {
    /// What callers send as `Authorization: Bearer`.
    pub token: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    pub facts: ApiToken,
}

/// Who asks, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// The account or the API token, or the name by which somebody signed in elsewhere; `None` of whoever holds the token of this
    /// memdeck or needs none.
    pub name: Option<AccountName>,
    /// That of the account, or the one that allows exactly what somebody without an account may.
    pub role: Option<Role>,
    /// What they may do.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<crate::Permission>))]
    pub rights: Rights,
    /// The guests that they see, and no others; every guest where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<Vec<GuestSelector>>,
    /// Whether they signed in elsewhere, at a proxy or a provider, and have no account here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    /// Whether there are accounts. Without them whoever is let in may do everything.
    pub has_accounts: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        for good in ["ada", "Ada.Lovelace@example.org", "0x"] {
            assert_eq!(good.parse::<AccountName>().unwrap().as_str(), good);
        }
        let long = "x".repeat(65);
        for bad in ["", "-ada", "ada lovelace", "ada/x", "ä", "a\n", long.as_str()] {
            assert_eq!(bad.parse::<AccountName>(), Err(ParseAccountNameError), "{bad}");
        }
        assert_eq!("ADA".parse::<AccountName>().unwrap().key(), "ada");
    }

    #[test]
    fn a_password_is_long_enough_and_shown_nowhere() {
        let name: AccountName = "administrator".parse().unwrap();
        let check = |text: &str| Password::from(text.to_owned()).check(&name);
        assert_eq!(check("correct horse"), Ok(()));
        for weak in ["short", "Administrator", &"x".repeat(257), "éééééééééé"] {
            assert_eq!(check(weak), Err(WeakPassword), "{weak}");
        }
        let request =
            NewAccount { name, role: Role::Admin, group: None, password: "correct horse".to_owned().into() };
        assert!(!format!("{request:?}").contains("correct"));
    }

    #[test]
    fn a_change_says_only_what_changes() {
        let change = AccountChange { role: Some(Role::Viewer), ..AccountChange::default() };
        assert_eq!(serde_json::to_string(&change).unwrap(), r#"{"role":"viewer"}"#);
        assert!(serde_json::from_str::<AccountChange>(r#"{"rol": "viewer"}"#).is_err());
        let read = |json: &str| serde_json::from_str::<AccountChange>(json).unwrap().group;
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"group": null}"#), Some(None));
        assert_eq!(read(r#"{"group": "north"}"#), Some(Some("north".parse().unwrap())));
        let out = AccountChange { group: Some(None), ..AccountChange::default() };
        assert_eq!(serde_json::to_string(&out).unwrap(), r#"{"group":null}"#);
    }
}
