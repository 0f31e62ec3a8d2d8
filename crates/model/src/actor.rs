//! Who asks for something: data that travels with every request, and the words that people read, made here.
//!
//! On the wire an object whose `kind` says who it is: `{"kind": "command_line", "user": "ops"}`. A caller may also send
//! plain text about itself, which becomes [`Actor::Named`].

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::schedule_name::ScheduleName;
use crate::{Remark, Timestamp};

/// Who asked. `Display` names them within a sentence: "cancelled by ops (command line)".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "Told")]
#[non_exhaustive]
pub enum Actor {
    /// Somebody at the page.
    Page,
    /// A program that called the API and did not say more.
    Api,
    /// Somebody at the command line.
    CommandLine {
        /// The user of the operating system, if it is known.
        user: Option<String>,
    },
    /// The caller, by the name it gave itself.
    Named {
        /// In the caller's words.
        name: String,
    },
    /// Somebody with an account, who is signed in or sent a token of their own.
    User {
        /// The name of the account.
        name: String,
    },
    /// A program that sent an API token.
    Token {
        /// The name of the token.
        name: String,
    },
    /// A dashboard that passes on what it was asked for.
    Dashboard {
        /// The dashboard's host.
        name: String,
        /// Who asked there.
        #[cfg_attr(feature = "openapi", schema(no_recursion))]
        actor: Box<Self>,
    },
    /// A schedule.
    Schedule {
        name: ScheduleName,
        /// The planned instant of the run.
        planned: Timestamp,
    },
    /// memdeck itself.
    Service,
    /// Somebody of a kind that this version does not know.
    Unknown,
}

/// What is wrong with an actor that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActorError {
    /// A name is no short text.
    #[error("a name of who asks has 1 to {} characters and no control characters", Remark::MAX_CHARS)]
    Name,
    /// It is neither text nor an object with a kind and what that kind has.
    #[error("who asks is text, or an object with the field kind")]
    Shape,
    /// Too many dashboards, one before the other.
    #[error("a request passes at most {} dashboards", Actor::MOST_DASHBOARDS)]
    TooManyDashboards,
}

impl Actor {
    /// Dashboards that a request may pass, one before the other.
    pub const MOST_DASHBOARDS: usize = 3;

    /// A caller by the name it gave itself: at most 500 characters, on one line.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let name: String = name.chars().take(Remark::MAX_CHARS).map(printable).collect();
        if name.trim().is_empty() { Self::Unknown } else { Self::Named { name } }
    }

    /// The dashboard on this host passes on what `self` asked for.
    #[must_use]
    pub fn by_way_of(&self, host: &str) -> Self {
        Self::Dashboard { name: host.to_owned(), actor: Box::new(self.clone()) }
    }

    /// Whom a call to the API is made for, as it says itself. The page, schedules and memdeck do not call the API, and
    /// accounts are known by what they sign in with, so nobody is believed to be one of them.
    #[must_use]
    pub fn claimed(told: Option<&Self>) -> Self {
        match told {
            None
            | Some(
                Self::Page
                | Self::Schedule { .. }
                | Self::Service
                | Self::Unknown
                | Self::User { .. }
                | Self::Token { .. },
            ) => Self::Api,
            Some(actor) => actor.clone(),
        }
    }

    /// The form in which it is kept.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only a map with keys that are no text could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what was kept, in this version or another one. Before there were kinds, words were kept.
    #[must_use]
    pub fn from_kept(text: &str) -> Self {
        if text.starts_with('{') {
            return serde_json::from_str(text).unwrap_or(Self::Unknown);
        }
        match text {
            "page" | "an operator on the page" => Self::Page,
            "api" | "a call to the API" => Self::Api,
            "command line" | "Ctrl-C on the command line" => Self::CommandLine { user: None },
            _ => match text.strip_suffix(" (command line)") {
                Some(user) if user.parse::<Remark>().is_ok() => {
                    Self::CommandLine { user: Some(user.to_owned()) }
                }
                _ => Self::named(text),
            },
        }
    }

    /// Reads what another memdeck kept, in any version; what cannot be understood is [`Actor::Unknown`].
    ///
    /// # Errors
    /// It is no JSON.
    pub fn deserialize_kept<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(Self::kept)
    }

    /// The same of what was read already.
    #[must_use]
    pub fn kept(told: Value) -> Self {
        match told {
            Value::String(words) => Self::from_kept(&words),
            told => Self::try_from(Told(told)).unwrap_or(Self::Unknown),
        }
    }

    fn is_well_named(&self) -> bool {
        let is_name = |name: &str| name.parse::<Remark>().is_ok() && !name.contains('\n');
        match self {
            Self::CommandLine { user: Some(name) }
            | Self::Named { name }
            | Self::User { name }
            | Self::Token { name } => is_name(name),
            Self::Dashboard { name, actor } => is_name(name) && actor.is_well_named(),
            Self::Page
            | Self::Api
            | Self::CommandLine { user: None }
            | Self::Schedule { .. }
            | Self::Service
            | Self::Unknown => true,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page => f.write_str("an operator at the page"),
            Self::Api => f.write_str("a call to the API"),
            Self::CommandLine { user: Some(user) } => write!(f, "{user} (command line)"),
            Self::CommandLine { user: None } => f.write_str("somebody at the command line"),
            Self::Named { name } | Self::User { name } => f.write_str(name),
            Self::Token { name } => write!(f, "the token {name}"),
            Self::Dashboard { name, actor } => write!(f, "{actor}, by way of {name}"),
            Self::Schedule { name, .. } => write!(f, "the schedule {name}"),
            Self::Service => f.write_str("memdeck"),
            Self::Unknown => f.write_str("somebody"),
        }
    }
}

/// What a caller sent: read once as JSON, and then taken apart level by level, so that whatever is nested in it costs no
/// more than its own length.
#[derive(Deserialize)]
#[serde(transparent)]
struct Told(Value);

impl TryFrom<Told> for Actor {
    type Error = ActorError;

    fn try_from(Told(told): Told) -> Result<Self, ActorError> {
        let actor = read(told, Self::MOST_DASHBOARDS)?;
        if actor.is_well_named() { Ok(actor) } else { Err(ActorError::Name) }
    }
}

fn read(told: Value, dashboards: usize) -> Result<Actor, ActorError> {
    let mut fields = match told {
        // On one line, whatever the caller wrote.
        Value::String(name) => return Ok(Actor::Named { name: name.replace(['\r', '\n'], " ") }),
        Value::Object(fields) => fields,
        _ => return Err(ActorError::Shape),
    };
    let mut text = |field: &str| match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ActorError::Shape),
    };
    let kind = text("kind")?.ok_or(ActorError::Shape)?;
    Ok(match kind.as_str() {
        "page" => Actor::Page,
        "api" => Actor::Api,
        "command_line" => Actor::CommandLine { user: text("user")? },
        "named" => Actor::Named { name: text("name")?.ok_or(ActorError::Shape)? },
        "user" => Actor::User { name: text("name")?.ok_or(ActorError::Shape)? },
        "token" => Actor::Token { name: text("name")?.ok_or(ActorError::Shape)? },
        "dashboard" => {
            let name = text("name")?.ok_or(ActorError::Shape)?;
            let left = dashboards.checked_sub(1).ok_or(ActorError::TooManyDashboards)?;
            let actor = Box::new(read(fields.remove("actor").ok_or(ActorError::Shape)?, left)?);
            Actor::Dashboard { name, actor }
        }
        "schedule" => {
            let name = text("name")?.ok_or(ActorError::Shape)?.parse().map_err(|_| ActorError::Name)?;
            let planned = text("planned")?.ok_or(ActorError::Shape)?;
            Actor::Schedule { name, planned: planned.parse().map_err(|_| ActorError::Shape)? }
        }
        "service" => Actor::Service,
        _ => Actor::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> [Actor; 11] {
        let name = || "ops-01".to_owned();
        [
            Actor::Page,
            Actor::Api,
            Actor::CommandLine { user: Some("ops".to_owned()) },
            Actor::CommandLine { user: None },
            Actor::named("nightly.sh"),
            Actor::User { name: "ada".to_owned() },
            Actor::Token { name: "nightly".to_owned() },
            Actor::Page.by_way_of(&name()),
            Actor::Schedule {
                name: "nightly".parse().unwrap(),
                planned: "2026-11-14T02:30:00Z".parse().unwrap(),
            },
            Actor::Service,
            Actor::Unknown,
        ]
    }

    #[test]
    fn every_actor_is_read_as_it_was_written() {
        for actor in every_kind() {
            assert_eq!(serde_json::from_str::<Actor>(&actor.to_json()).unwrap(), actor);
            assert_eq!(Actor::from_kept(&actor.to_json()), actor);
        }
        let told = serde_json::to_value(Actor::Page.by_way_of("ops-01")).unwrap();
        let expected = serde_json::json!({"kind": "dashboard", "name": "ops-01", "actor": {"kind": "page"}});
        assert_eq!(told, expected);
    }

    #[test]
    fn words_of_earlier_versions_are_understood() {
        for (words, expected) in [
            ("page", Actor::Page),
            ("an operator on the page", Actor::Page),
            ("api", Actor::Api),
            ("ops (command line)", Actor::CommandLine { user: Some("ops".to_owned()) }),
            ("command line", Actor::CommandLine { user: None }),
            ("nightly.sh", Actor::named("nightly.sh")),
        ] {
            assert_eq!(Actor::from_kept(words), expected);
        }
        for unknown in [
            r#"{"kind": "robot"}"#,
            r#"{"kind": "schedule"}"#,
            r#"{"kind": "named", "name": "\u0000"}"#,
            "",
            " ",
        ] {
            assert_eq!(Actor::from_kept(unknown), Actor::Unknown, "{unknown}");
        }
        assert_eq!(
            Actor::from_kept(&"x\n".repeat(400)).to_string(),
            "x ".repeat(250),
            "short and on one line"
        );
    }

    #[test]
    fn plain_text_is_what_a_caller_says_of_itself_on_one_line() {
        let read = |json: &str| serde_json::from_str::<Actor>(json);
        assert_eq!(read(r#""page""#).unwrap(), Actor::named("page"));
        assert_eq!(read(r#""a\r\nb""#).unwrap(), Actor::named("a  b"));
        for bad in
            [r#""""#, r#""\u001b[31m""#, r#"{"kind": "named", "name": "a\nb"}"#, "7", r#"{"name": "x"}"#]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&format!("\"{}\"", "x".repeat(501))).is_err());
    }

    #[test]
    fn nobody_who_calls_the_api_is_believed_to_be_the_page_or_memdeck() {
        assert_eq!(Actor::claimed(None), Actor::Api);
        for actor in every_kind() {
            let is_believed = matches!(
                actor,
                Actor::Api | Actor::CommandLine { .. } | Actor::Named { .. } | Actor::Dashboard { .. }
            );
            assert_eq!(Actor::claimed(Some(&actor)), if is_believed { actor } else { Actor::Api });
        }
    }

    #[test]
    fn a_request_does_not_pass_dashboards_without_end() {
        let passed = |times| (0..times).fold(Actor::Page, |actor, _| actor.by_way_of("ops-01")).to_json();
        assert!(serde_json::from_str::<Actor>(&passed(Actor::MOST_DASHBOARDS)).is_ok());
        for too_many in [Actor::MOST_DASHBOARDS + 1, 100] {
            assert!(serde_json::from_str::<Actor>(&passed(too_many)).is_err());
        }
    }

    #[test]
    fn who_asked_reads_as_part_of_a_sentence() {
        let words = every_kind().map(|actor| actor.to_string());
        let expected = [
            "an operator at the page",
            "a call to the API",
            "ops (command line)",
            "somebody at the command line",
            "nightly.sh",
            "ada",
            "the token nightly",
            "an operator at the page, by way of ops-01",
            "the schedule nightly",
            "memdeck",
            "somebody",
        ];
        assert_eq!(words, expected);
    }
}
