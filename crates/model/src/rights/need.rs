//! What a call needs.

use super::{Permission, Rights};

/// What somebody must be or may do to make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everybody may, known or not: nothing about guests is in it.
    Nothing,
    /// Everybody who is let in, about themselves or about what memdeck is.
    BeingKnown,
    /// Whoever has this permission.
    May(Permission),
    /// Whoever has every permission: what nobody named.
    Everything,
    /// No person and no script: the agent of a host, which is known by the token of that host.
    BeingHost,
}

impl Need {
    /// Whether somebody who is let in with `rights` may.
    #[must_use]
    pub const fn is_met_by(self, rights: Rights) -> bool {
        match self {
            Self::Nothing | Self::BeingKnown => true,
            Self::May(permission) => rights.may(permission),
            Self::Everything => rights.include(Rights::ALL),
            Self::BeingHost => false,
        }
    }

    /// What cannot be done without it, as part of a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::May(permission) => permission.words(),
            Self::Nothing | Self::BeingKnown | Self::Everything | Self::BeingHost => "do that",
        }
    }
}
