//! Targets are changed without their secrets being told again.

use serde::{Deserialize, Serialize};

use super::target::origin;
use super::{JsonTemplate, MailSecurity, MailTarget, TargetAddress, TargetKind};
use crate::SentSecret;

/// What a target is, without its secrets: as it is shown, and as it is sent to change it.
///
/// Whatever is shown can be sent back. A secret that is left out stays as it is; an empty one is taken away. Everything else
/// becomes what is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum TargetSettings {
    Webhook {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<SentSecret>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<SentSecret>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca_pem: Option<String>,
    },
    Email(MailSettings),
    Slack {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<SentSecret>,
    },
    Teams {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<SentSecret>,
    },
    Json {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<SentSecret>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<SentSecret>,
        template: JsonTemplate,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca_pem: Option<String>,
    },
}

/// A mail server and who gets mail through it, without the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    pub server: String,
    /// Its port; the usual one of `security` if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(default)]
    pub security: MailSecurity,
    /// The account, if the server wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Left out it stays as it is, and empty it is taken away. It is never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SentSecret>,
    pub from: String,
    pub to: Vec<String>,
    /// Certificates of authorities, PEM, that count instead of the machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

/// The body of `PUT /api/notifications/targets/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TargetChange {
    pub address: TargetSettings,
}

/// Why a target cannot be changed like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetChangeError {
    #[error("the target is of the kind {is}, not {asked}: remove it and add another one")]
    Kind { is: TargetKind, asked: TargetKind },
    /// Or whoever may configure could have it sent to a server of their own.
    #[error("the kept {secret} is not sent to another server: give it again, or an empty one for none")]
    Elsewhere { secret: &'static str },
}

impl TargetSettings {
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
}

impl TargetAddress {
    /// All of it but the secrets.
    #[must_use]
    pub fn settings(&self) -> TargetSettings {
        match self.clone() {
            Self::Webhook { ca_pem, .. } => TargetSettings::Webhook { url: None, secret: None, ca_pem },
            Self::Slack { .. } => TargetSettings::Slack { url: None },
            Self::Teams { .. } => TargetSettings::Teams { url: None },
            Self::Json { template, ca_pem, .. } => {
                TargetSettings::Json { url: None, token: None, template, ca_pem }
            }
            Self::Email(MailTarget { server, port, security, user, password: _, from, to, ca_pem }) => {
                let password = None;
                TargetSettings::Email(MailSettings {
                    server,
                    port,
                    security,
                    user,
                    password,
                    from,
                    to,
                    ca_pem,
                })
            }
        }
    }

    /// What it becomes. A URL cannot be taken away: an empty one stays.
    ///
    /// # Errors
    /// It is of another kind, or what is kept and sent to the target would be sent elsewhere.
    pub fn changed(&self, change: TargetSettings) -> Result<Self, TargetChangeError> {
        let asked = change.kind();
        let url_or = |given: Option<SentSecret>, kept: &SentSecret| {
            given.filter(|url| !url.expose().is_empty()).unwrap_or_else(|| kept.clone())
        };
        Ok(match (self, change) {
            (
                Self::Webhook { url: kept_url, secret: kept, .. },
                TargetSettings::Webhook { url, secret, ca_pem },
            ) => Self::Webhook {
                url: url_or(url, kept_url),
                // It signs, and is not sent: it may go with another URL.
                secret: secret_or(secret, kept.as_ref()),
                ca_pem,
            },
            (Self::Slack { url: kept }, TargetSettings::Slack { url }) => {
                Self::Slack { url: url_or(url, kept) }
            }
            (Self::Teams { url: kept }, TargetSettings::Teams { url }) => {
                Self::Teams { url: url_or(url, kept) }
            }
            (
                Self::Json { url: kept_url, token: kept, ca_pem: kept_ca, .. },
                TargetSettings::Json { url, token, template, ca_pem },
            ) => {
                let url = url_or(url, kept_url);
                let is_there = origin(url.expose()) == origin(kept_url.expose()) && ca_pem == *kept_ca;
                if token.is_none() && kept.is_some() && !is_there {
                    return Err(TargetChangeError::Elsewhere { secret: "token" });
                }
                Self::Json { url, token: secret_or(token, kept.as_ref()), template, ca_pem }
            }
            (Self::Email(kept), TargetSettings::Email(mail)) => {
                let MailSettings { server, port, security, user, password, from, to, ca_pem } = mail;
                let is_there = (&server, port, security, &ca_pem)
                    == (&kept.server, kept.port, kept.security, &kept.ca_pem);
                if password.is_none() && kept.password.is_some() && !is_there {
                    return Err(TargetChangeError::Elsewhere { secret: "password" });
                }
                let password = secret_or(password, kept.password.as_ref());
                Self::Email(MailTarget { server, port, security, user, password, from, to, ca_pem })
            }
            (kept, _) => return Err(TargetChangeError::Kind { is: kept.kind(), asked }),
        })
    }
}

fn secret_or(given: Option<SentSecret>, kept: Option<&SentSecret>) -> Option<SentSecret> {
    match given {
        None => kept.cloned(),
        Some(given) => Some(given).filter(|given| !given.expose().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(json: &str) -> TargetAddress {
        serde_json::from_str(json).unwrap()
    }

    fn settings(json: &str) -> TargetSettings {
        serde_json::from_str(json).unwrap()
    }

    const ALL: [&str; 5] = [
        r#"{"kind": "webhook", "url": "https://a.example/s3cret", "secret": "s3cret", "ca_pem": "PEM"}"#,
        r#"{"kind": "email", "server": "mail.example", "port": 25, "security": "tls", "user": "u", "password": "s3cret",
            "from": "a@x.example", "to": ["b@x.example"]}"#,
        r#"{"kind": "slack", "url": "https://a.example/s3cret"}"#,
        r#"{"kind": "teams", "url": "https://a.example/s3cret"}"#,
        r#"{"kind": "json", "url": "https://a.example/s3cret", "token": "s3cret", "template": {"a": "{{title}}"}}"#,
    ];

    #[test]
    fn what_is_shown_holds_no_secret_and_sent_back_changes_nothing() {
        for json in ALL {
            let kept = address(json);
            let shown = serde_json::to_string(&kept.settings()).unwrap();
            assert!(!shown.contains("s3cret"), "{shown}");
            assert_eq!(kept.changed(settings(&shown)).unwrap(), kept);
        }
    }

    #[test]
    fn an_empty_secret_is_taken_away_and_an_empty_url_stays() {
        let kept = address(ALL[0]);
        let changed = kept.changed(settings(r#"{"kind": "webhook", "url": "", "secret": ""}"#)).unwrap();
        assert_eq!(changed, address(r#"{"kind": "webhook", "url": "https://a.example/s3cret"}"#));
    }

    #[test]
    fn what_is_sent_to_a_target_is_never_sent_elsewhere() {
        let token = TargetChangeError::Elsewhere { secret: "token" };
        let json = address(ALL[4]);
        for (change, expected) in [
            (r#"{"kind": "json", "url": "https://a.example/other", "template": {}}"#, None),
            (r#"{"kind": "json", "url": "https://a.example:444/", "template": {}}"#, Some(token)),
            (r#"{"kind": "json", "url": "https://b.example/", "template": {}}"#, Some(token)),
            (r#"{"kind": "json", "ca_pem": "OTHER", "template": {}}"#, Some(token)),
            (r#"{"kind": "json", "url": "https://b.example/", "token": "", "template": {}}"#, None),
            (r#"{"kind": "json", "url": "https://b.example/", "token": "new", "template": {}}"#, None),
        ] {
            assert_eq!(json.changed(settings(change)).err(), expected, "{change}");
        }
        let mail = address(ALL[1]);
        let password = TargetChangeError::Elsewhere { secret: "password" };
        let changed = |edit: &dyn Fn(&mut MailSettings)| {
            let TargetSettings::Email(mut settings) = mail.settings() else { panic!() };
            edit(&mut settings);
            mail.changed(TargetSettings::Email(settings)).err()
        };
        assert_eq!(changed(&|mail| mail.to = vec!["c@x.example".to_owned()]), None);
        assert_eq!(changed(&|mail| mail.server = "evil.example".to_owned()), Some(password));
        assert_eq!(changed(&|mail| mail.port = None), Some(password));
        assert_eq!(changed(&|mail| mail.security = MailSecurity::Starttls), Some(password));
        assert_eq!(changed(&|mail| mail.ca_pem = Some("PEM".to_owned())), Some(password));
        let other = address(ALL[2]).changed(settings(r#"{"kind": "teams"}"#));
        let error = TargetChangeError::Kind { is: TargetKind::Slack, asked: TargetKind::Teams };
        assert_eq!(other, Err(error));
    }
}
