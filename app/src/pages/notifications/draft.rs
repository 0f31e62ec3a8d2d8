//! A target while it is written: what stands in the fields, and what that makes.

use leptos::prelude::*;
use memdeck_model::SentSecret;
use memdeck_model::notice::{
    JsonTemplate, MailSecurity, MailSettings, MailTarget, NewTarget, Target, TargetAddress, TargetChange,
    TargetKind, TargetSettings,
};

/// What a new target of the kind JSON begins with.
const TEMPLATE: &str = r#"{"text": "{{title}}: {{text}}"}"#;

/// What the fields of the dialog hold.
#[derive(Clone, Copy)]
pub struct Draft {
    pub kind: RwSignal<String>,
    pub name: RwSignal<String>,
    pub url: RwSignal<String>,
    /// The secret, password or token.
    pub secret: RwSignal<String>,
    /// Whether the one that is kept is taken away.
    pub forgets: RwSignal<bool>,
    pub server: RwSignal<String>,
    pub port: RwSignal<String>,
    pub security: RwSignal<String>,
    pub user: RwSignal<String>,
    pub from: RwSignal<String>,
    pub to: RwSignal<String>,
    pub template: RwSignal<String>,
    pub ca_pem: RwSignal<String>,
}

/// What is sent.
#[derive(Clone, PartialEq)]
pub enum Written {
    New(NewTarget),
    Change(TargetChange),
}

impl Draft {
    pub fn new() -> Self {
        let text = || RwSignal::new(String::new());
        Self {
            kind: text(),
            name: text(),
            url: text(),
            secret: text(),
            forgets: RwSignal::new(false),
            server: text(),
            port: text(),
            security: text(),
            user: text(),
            from: text(),
            to: text(),
            template: text(),
            ca_pem: text(),
        }
    }

    /// Shows a target, of whose secrets nothing is known here; or begins a new one.
    pub fn fill(self, target: Option<&Target>) {
        let texts = [self.name, self.url, self.secret, self.server, self.port, self.user, self.from, self.to];
        for field in texts.into_iter().chain([self.ca_pem]) {
            field.set(String::new());
        }
        self.forgets.set(false);
        self.security.set(MailSecurity::default().as_str().to_owned());
        self.template.set(TEMPLATE.to_owned());
        let Some(target) = target else {
            self.kind.set(TargetKind::default().to_string());
            return;
        };
        self.kind.set(target.kind.to_string());
        self.name.set(target.name.to_string());
        match target.settings.clone() {
            TargetSettings::Webhook { ca_pem, .. } => self.ca_pem.set(ca_pem.unwrap_or_default()),
            TargetSettings::Slack { .. } | TargetSettings::Teams { .. } => {}
            TargetSettings::Json { template, ca_pem, .. } => {
                self.template.set(serde_json::to_string_pretty(&template).unwrap_or_default());
                self.ca_pem.set(ca_pem.unwrap_or_default());
            }
            TargetSettings::Email(mail) => {
                self.server.set(mail.server);
                self.port.set(mail.port.map(|port| port.to_string()).unwrap_or_default());
                self.security.set(mail.security.as_str().to_owned());
                self.user.set(mail.user.unwrap_or_default());
                self.from.set(mail.from);
                self.to.set(mail.to.join(", "));
                self.ca_pem.set(mail.ca_pem.unwrap_or_default());
            }
        }
    }

    /// What is written, or what is missing.
    pub fn written(self, is_new: bool) -> Result<Written, String> {
        let settings = self.settings(is_new)?;
        if !is_new {
            return Ok(Written::Change(TargetChange { address: settings }));
        }
        let name = trimmed(self.name).parse().map_err(|error| format!("{error}"))?;
        Ok(Written::New(NewTarget { name, address: address(settings) }))
    }

    /// In a new target everything is given; else what is left out stays.
    fn settings(self, is_new: bool) -> Result<TargetSettings, String> {
        let given = |field: RwSignal<String>| Some(trimmed(field)).filter(|text| !text.is_empty());
        let needed = |field, what: &str| given(field).ok_or_else(|| format!("{what} is missing"));
        let secret = |text: String| SentSecret::from(text);
        let url = || match given(self.url) {
            None if is_new => Err("the URL is missing".to_owned()),
            url => Ok(url.map(secret)),
        };
        let hidden = || {
            // As it was typed: a password may begin with a space.
            let typed = self.secret.get();
            match (typed.is_empty(), self.forgets.get()) {
                (false, _) => Some(secret(typed)),
                (true, true) => Some(secret(String::new())),
                (true, false) => None,
            }
        };
        let ca_pem = given(self.ca_pem);
        Ok(match self.kind.with(|kind| kind.parse()).unwrap_or_default() {
            TargetKind::Webhook => TargetSettings::Webhook { url: url()?, secret: hidden(), ca_pem },
            TargetKind::Slack => TargetSettings::Slack { url: url()? },
            TargetKind::Teams => TargetSettings::Teams { url: url()? },
            TargetKind::Json => {
                let template = self.template.with(|text| serde_json::from_str(text));
                let template = template.map_err(|error| format!("the template is no JSON: {error}"))?;
                TargetSettings::Json {
                    url: url()?,
                    token: hidden(),
                    template: JsonTemplate(template),
                    ca_pem,
                }
            }
            TargetKind::Email => {
                let port = given(self.port).map(|port| port.parse()).transpose();
                let port = port.map_err(|_| "the port is a number up to 65535".to_owned())?;
                let to = needed(self.to, "who gets the mail")?;
                let to =
                    to.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
                TargetSettings::Email(MailSettings {
                    server: needed(self.server, "the mail server")?,
                    port,
                    security: self.security.with(|word| word.parse()).unwrap_or_default(),
                    user: given(self.user),
                    password: hidden(),
                    from: needed(self.from, "the sender")?,
                    to,
                    ca_pem,
                })
            }
        })
    }
}

fn trimmed(field: RwSignal<String>) -> String {
    field.with(|text| text.trim().to_owned())
}

/// The address of a new target, whose URL was given.
fn address(settings: TargetSettings) -> TargetAddress {
    let url = |url: Option<SentSecret>| url.unwrap_or_else(|| SentSecret::from(String::new()));
    match settings {
        TargetSettings::Webhook { url: given, secret, ca_pem } => {
            TargetAddress::Webhook { url: url(given), secret, ca_pem }
        }
        TargetSettings::Slack { url: given } => TargetAddress::Slack { url: url(given) },
        TargetSettings::Teams { url: given } => TargetAddress::Teams { url: url(given) },
        TargetSettings::Json { url: given, token, template, ca_pem } => {
            TargetAddress::Json { url: url(given), token, template, ca_pem }
        }
        TargetSettings::Email(MailSettings { server, port, security, user, password, from, to, ca_pem }) => {
            TargetAddress::Email(MailTarget { server, port, security, user, password, from, to, ca_pem })
        }
    }
}
