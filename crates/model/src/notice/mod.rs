//! What is worth telling somebody who looks at no page: what happened, how bad it is, and who is told.

mod change;
mod delivery;
mod happening;
mod message;
mod rule;
mod target;
mod template;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{HostId, Timestamp};

pub use change::{MailSettings, TargetChange, TargetChangeError, TargetSettings};
pub use delivery::{Delivery, DeliveryLog, DeliveryQuery, DeliveryState, TestResult};
pub use happening::{GuestOf, Happening};
pub use message::NoticeMessage;
pub use rule::{NewRule, Rule, RuleList};
pub use target::{
    MailSecurity, MailTarget, NewTarget, ParseTargetNameError, Target, TargetAddress, TargetKind, TargetList,
    TargetName,
};
pub use template::JsonTemplate;

/// How bad it is. The order is that of the words: from what is good to know to what needs somebody now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Somebody should look at it.
    Warning,
    /// Something did not work, and somebody is needed.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text that is none of the words of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{word}' is none of {allowed}")]
pub struct UnknownWord {
    word: String,
    allowed: String,
}

impl UnknownWord {
    fn new(word: &str, allowed: impl Iterator<Item = &'static str>) -> Self {
        Self {
            word: word.chars().take(64).filter(|c| !c.is_control()).collect(),
            allowed: allowed.collect::<Vec<_>>().join(", "),
        }
    }
}

impl std::str::FromStr for Severity {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.as_str() == word)
            .ok_or_else(|| UnknownWord::new(word, Self::ALL.into_iter().map(Self::as_str)))
    }
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A dump ended without an image, and nobody wanted that.
    DumpFailed,
    /// A live dump was not possible, so the guest was stopped.
    FellBack,
    /// A guest stood still for longer than the limit of notifications.
    PausedLong,
    /// A stored image is not what it was.
    VerificationFailed,
    /// A volume has less room than it should have.
    SpaceLow,
    /// A host does not answer.
    HostAway,
    /// It answers again.
    HostBack,
    /// A schedule did not run when it should have.
    ScheduleMissed,
    /// Somebody tries passwords or tokens.
    SignInGuessing,
    /// What must not be deleted may be deleted now.
    LegalHoldLifted,
    /// An operator tries a target.
    Test,
}

impl NoticeKind {
    /// All that rules choose from. [`Self::Test`] goes to the target that is tried, whatever its rules are.
    pub const ALL: [Self; 10] = [
        Self::DumpFailed,
        Self::FellBack,
        Self::PausedLong,
        Self::VerificationFailed,
        Self::SpaceLow,
        Self::HostAway,
        Self::HostBack,
        Self::ScheduleMissed,
        Self::SignInGuessing,
        Self::LegalHoldLifted,
    ];

    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DumpFailed => "dump_failed",
            Self::FellBack => "fell_back",
            Self::PausedLong => "paused_long",
            Self::VerificationFailed => "verification_failed",
            Self::SpaceLow => "space_low",
            Self::HostAway => "host_away",
            Self::HostBack => "host_back",
            Self::ScheduleMissed => "schedule_missed",
            Self::SignInGuessing => "sign_in_guessing",
            Self::LegalHoldLifted => "legal_hold_lifted",
            Self::Test => "test",
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DumpFailed => "Dump failed",
            Self::FellBack => "Fell back to frozen",
            Self::PausedLong => "Guest paused too long",
            Self::VerificationFailed => "Verification failed",
            Self::SpaceLow => "Space low",
            Self::HostAway => "Host away",
            Self::HostBack => "Host back",
            Self::ScheduleMissed => "Schedule missed",
            Self::SignInGuessing => "Sign-in guessing",
            Self::LegalHoldLifted => "Legal hold lifted",
            Self::Test => "Test",
        }
    }

    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::HostBack | Self::Test => Severity::Info,
            Self::FellBack | Self::PausedLong | Self::SignInGuessing | Self::LegalHoldLifted => {
                Severity::Warning
            }
            Self::DumpFailed
            | Self::VerificationFailed
            | Self::SpaceLow
            | Self::HostAway
            | Self::ScheduleMissed => Severity::Critical,
        }
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for NoticeKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UnknownWord::new(word, Self::ALL.into_iter().map(Self::as_str)))
    }
}

/// Something that happened once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Notice {
    /// Names it: whoever receives it twice can tell.
    pub id: String,
    pub at: Timestamp,
    /// How bad it is.
    pub severity: Severity,
    /// Where it happened; `None` where there is only one host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The run of a schedule, or whatever else it happened in together with others. Those of one run are told together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What happened.
    pub event: Happening,
}

impl Notice {
    #[must_use]
    pub fn kind(&self) -> NoticeKind {
        self.event.kind()
    }

    /// One sentence for people, which names the host too.
    #[must_use]
    pub fn sentence(&self) -> String {
        let event = &self.event;
        match &self.host {
            Some(host) => format!("{host}: {event}"),
            None => event.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for kind in NoticeKind::ALL {
            assert_eq!(kind.as_str().parse::<NoticeKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for severity in Severity::ALL {
            assert_eq!(severity.as_str().parse::<Severity>().unwrap(), severity);
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
        }
        let error = "grave".parse::<Severity>().unwrap_err();
        assert_eq!(error.to_string(), "'grave' is none of info, warning, critical");
        assert!("test".parse::<NoticeKind>().is_err(), "no rule chooses it");
    }
}
