//! Where notifications go, and what of that is shown.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{JsonTemplate, TargetSettings, UnknownWord};
use crate::{SentSecret, Timestamp};

/// The name of a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"))]
#[serde(try_from = "String", into = "String")]
pub struct TargetName(String);

/// Text that cannot be the name of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a target's name has 1 to 63 letters, digits, '.', '_' and '-', and begins with a letter or digit")]
pub struct ParseTargetNameError;

impl TargetName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TargetName {
    type Err = ParseTargetNameError;

    fn from_str(text: &str) -> Result<Self, ParseTargetNameError> {
        // As those of hosts, for the same reasons: it stands in paths and logs.
        text.parse::<crate::HostId>().map(|name| Self(name.into())).map_err(|_| ParseTargetNameError)
    }
}

impl TryFrom<String> for TargetName {
    type Error = ParseTargetNameError;

    fn try_from(text: String) -> Result<Self, ParseTargetNameError> {
        text.parse()
    }
}

impl From<TargetName> for String {
    fn from(name: TargetName) -> Self {
        name.0
    }
}

/// What a target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// A URL that receives JSON with a signature.
    #[default]
    Webhook,
    /// Addresses that receive mail through a mail server.
    Email,
    /// A channel of Slack, by its incoming webhook.
    Slack,
    /// A channel of Microsoft Teams, by its workflow's webhook.
    Teams,
    /// A URL that receives JSON of the operator's own shape.
    Json,
}

impl TargetKind {
    pub const ALL: [Self; 5] = [Self::Webhook, Self::Email, Self::Slack, Self::Teams, Self::Json];

    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TargetKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UnknownWord::new(word, Self::ALL.into_iter().map(Self::as_str)))
    }
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// TLS begins with STARTTLS, and nothing is sent without it.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None: for a server on this machine. No password is sent.
    None,
}

impl MailSecurity {
    pub const ALL: [Self; 3] = [Self::Starttls, Self::Tls, Self::None];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starttls => "starttls",
            Self::Tls => "tls",
            Self::None => "none",
        }
    }

    /// The port where nobody names one.
    #[must_use]
    pub fn usual_port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

impl FromStr for MailSecurity {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|security| security.as_str() == word)
            .ok_or_else(|| UnknownWord::new(word, Self::ALL.into_iter().map(Self::as_str)))
    }
}

/// A mail server, and who gets mail through it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MailTarget {
    /// The host name of the mail server; its certificate must be for that name.
    pub server: String,
    /// Its port; the usual one of `security` if it is left out.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub security: MailSecurity,
    /// The account, if the server wants one.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password. It is never shown again.
    #[serde(default)]
    pub password: Option<SentSecret>,
    /// The sender's address.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// Certificates of authorities, PEM, that count instead of the machine's.
    #[serde(default)]
    pub ca_pem: Option<String>,
}

/// Where notifications go, secrets included. The URL of a channel is a secret itself: who knows it can write there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TargetAddress {
    Webhook {
        url: SentSecret,
        /// What each message is signed with; without one it is not signed.
        #[serde(default)]
        secret: Option<SentSecret>,
        /// Certificates of authorities, PEM, that count instead of the machine's.
        #[serde(default)]
        ca_pem: Option<String>,
    },
    Email(MailTarget),
    Slack {
        url: SentSecret,
    },
    Teams {
        url: SentSecret,
    },
    Json {
        url: SentSecret,
        /// Sent as `Authorization: Bearer`.
        #[serde(default)]
        token: Option<SentSecret>,
        template: JsonTemplate,
        /// Certificates of authorities, PEM, that count instead of the machine's.
        #[serde(default)]
        ca_pem: Option<String>,
    },
}

impl TargetAddress {
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        match self {
            Self::Webhook { .. } => TargetKind::Webhook,
            Self::Email(_) => TargetKind::Email,
            Self::Slack { .. } => TargetKind::Slack,
            Self::Teams { .. } => TargetKind::Teams,
            Self::Json { .. } => TargetKind::Json,
        }
    }

    /// The server and whatever else is no secret.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Email(mail) => {
                let port = mail.port.unwrap_or(mail.security.usual_port());
                format!("{} by {}:{port}", mail.to.join(", "), mail.server)
            }
            Self::Webhook { url, .. }
            | Self::Slack { url }
            | Self::Teams { url }
            | Self::Json { url, .. } => origin(url.expose()),
        }
    }

    /// Whether a secret is kept beside the URL.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        match self {
            Self::Webhook { secret, .. } => secret.is_some(),
            Self::Email(mail) => mail.password.is_some(),
            Self::Slack { .. } | Self::Teams { .. } => true,
            Self::Json { token, .. } => token.is_some(),
        }
    }
}

/// Scheme, host and port of a URL: what comes before the path, without the name and password of a user.
pub(super) fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

/// A target to add.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewTarget {
    pub name: TargetName,
    pub address: TargetAddress,
}

/// A target as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Target {
    pub name: TargetName,
    pub kind: TargetKind,
    /// The server, and of mail who gets it. Nothing secret: of a URL no path.
    pub shown: String,
    /// Whether a secret, a password or a token is kept. It is never shown.
    pub has_secret: bool,
    /// All of it that is no secret: what to send back, changed, to change it.
    pub settings: TargetSettings,
    pub created_at: Timestamp,
    /// Messages that wait to be sent.
    pub waiting: u64,
    /// Messages that were given up.
    pub dead: u64,
}

/// The answer of `GET /api/notifications/targets`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TargetList {
    pub count: usize,
    pub targets: Vec<Target>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_target_names_no_secret() {
        for (json, shown, has_secret) in [
            (
                r#"{"kind": "webhook", "url": "https://u:p4ss@ops.example:8443/hook?key=s3cret", "secret": "s3cret"}"#,
                "https://ops.example:8443",
                true,
            ),
            (
                r#"{"kind": "slack", "url": "https://hooks.slack.com/services/s3cret"}"#,
                "https://hooks.slack.com",
                true,
            ),
            (
                r#"{"kind": "email", "server": "mail.example", "from": "a@x.example", "to": ["b@x.example"],
                    "user": "a", "password": "s3cret"}"#,
                "b@x.example by mail.example:587",
                true,
            ),
            (
                r#"{"kind": "json", "url": "http://127.0.0.1:9/p4ss", "template": {}}"#,
                "http://127.0.0.1:9",
                false,
            ),
        ] {
            let address: TargetAddress = serde_json::from_str(json).unwrap();
            assert_eq!((address.shown().as_str(), address.has_secret()), (shown, has_secret));
            let debug = format!("{address:?}{}", address.shown());
            assert!(!debug.contains("s3cret") && !debug.contains("p4ss"), "{debug}");
            let kept = serde_json::to_string(&address).unwrap();
            assert_eq!(serde_json::from_str::<TargetAddress>(&kept).unwrap(), address);
        }
    }
}
