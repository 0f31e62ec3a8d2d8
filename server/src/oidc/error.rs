//! Why somebody is not signed in by the provider.

use std::error::Error;

use memdeck_model::{AccountName, with_causes};

/// Each says in a sentence for people what failed and what to do now; its source has what an administrator needs beside it.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// Its description or its keys did not come.
    #[error("The provider {name} does not answer as it should. Try again, or sign in otherwise.")]
    Discovery {
        /// What people call it.
        name: String,
        #[source]
        cause: Cause,
    },
    /// No sign-in with this state was begun by this browser, or it was ended already.
    #[error("This sign-in took too long, was ended already, or was begun in another window. Try again.")]
    NotBegun,
    /// It says that somebody is not to be let in.
    #[error("The provider {name} refused the sign-in ({code}). Try again, or ask its administrator.")]
    Refused { name: String, code: String },
    /// The answer is of another provider than the one that was asked.
    #[error("The answer does not come from the provider {name}. Try again.")]
    OtherIssuer { name: String },
    /// The code was not exchanged for a token of identity.
    #[error("The provider {name} did not confirm the sign-in. Try again.")]
    Exchange {
        name: String,
        #[source]
        cause: Cause,
    },
    /// The token of identity proves nothing.
    #[error(
        "What the provider {name} says of who you are cannot be verified. Tell an administrator of memdeck."
    )]
    Unverified {
        name: String,
        #[source]
        cause: Cause,
    },
    /// More about somebody was asked for, in vain.
    #[error(
        "The provider {name} does not say more about you. Try again, or tell an administrator of memdeck."
    )]
    UserInfo {
        name: String,
        #[source]
        cause: Cause,
    },
    /// There is no name, or one that nobody can have here.
    #[error(
        "The provider {name} gives you no name that memdeck takes: letters, digits, '.', '_', '-' and '@'. Tell an \
         administrator of memdeck (OIDC_USER_CLAIM)."
    )]
    NoName { name: String },
    /// Which groups somebody is in cannot be kept.
    #[error("The provider {name} says that you are in too many groups. Tell its administrator.")]
    TooManyGroups { name: String },
    /// They may do nothing here.
    #[error("You signed in as {user}, who may do nothing here: ask an administrator of memdeck for a role.")]
    NoRole { user: AccountName },
    /// Somebody with an account here has that name, and need not be the same.
    #[error(
        "You signed in as {user}, and an account here has that name: ask an administrator of memdeck to remove it."
    )]
    NameTaken { user: AccountName },
    /// No random numbers, no HTTP client, or no room for a session.
    #[error("The sign-in failed here. The log of memdeck says why.")]
    Here(#[source] Cause),
}

impl OidcError {
    /// Whether it is the provider that cannot be reached, or this memdeck that fails: who signs in has nothing to do with it.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Discovery { .. } | Self::Here(_))
    }

    /// Who it was, where that is proven.
    pub fn user(&self) -> Option<&AccountName> {
        match self {
            Self::NoRole { user } | Self::NameTaken { user } => Some(user),
            _ => None,
        }
    }
}

/// What a library says of it, which may repeat what the provider sent: short, and on one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    const MOST_CHARS: usize = 500;

    pub fn of(error: &dyn Error) -> Self {
        Self::said(&with_causes(error))
    }

    pub fn said(text: &str) -> Self {
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        Self(text.chars().take(Self::MOST_CHARS).map(printable).collect())
    }
}
