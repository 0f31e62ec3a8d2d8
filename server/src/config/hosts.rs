//! The hosts of one dashboard: `[[hosts]]` in the configuration file, in this order, and those that operators add.

use std::path::PathBuf;
use std::time::Duration;

use memdeck_model::{HostId, NewHost, Secret, SentSecret};
use reqwest::Url;
use serde::Serialize;

use super::http::MIN_TOKEN_CHARS;
use super::sources::ConfigError;
use super::{ServiceConfig, plain_http_url};

/// What stands for this machine in place of a URL.
const LOCAL: &str = "local";

/// What stands in place of a URL for a host whose agent dials in.
const DIAL: &str = "dial";

/// The longest a call to a host may take, where the file does not say.
const DEFAULT_TIMEOUT: f64 = 30.0;

/// One host as the file names it, or as an operator added it.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Its name.
    pub name: HostId,
    /// Where it is.
    pub place: HostPlace,
    /// Whether an operator added it.
    pub added: bool,
}

impl HostConfig {
    /// This machine, where the file names no hosts.
    pub fn here() -> Self {
        Self { name: HostId::local(), place: HostPlace::Here, added: false }
    }

    /// A host that an operator adds.
    ///
    /// # Errors
    /// What about it cannot be used.
    pub fn added(host: &NewHost) -> Result<Self, String> {
        let too_long = |text: &str, most: usize| text.len() > most;
        let token = host.token.as_ref().map(SentSecret::expose);
        if too_long(&host.url, NewHost::MAX_TEXT_BYTES)
            || token.is_some_and(|token| too_long(token, NewHost::MAX_TEXT_BYTES))
        {
            return Err(format!("url and token have at most {} bytes each", NewHost::MAX_TEXT_BYTES));
        }
        if host.ca.as_ref().is_some_and(|ca| too_long(ca, NewHost::MAX_CA_BYTES)) {
            return Err(format!("ca has at most {} bytes", NewHost::MAX_CA_BYTES));
        }
        let timeout = Duration::from_secs_f64(DEFAULT_TIMEOUT);
        let token = token.map(sent_token).transpose()?;
        let service = if host.url == DIAL {
            dials_in(&host.name, token, host.ca.is_some(), timeout)?
        } else {
            let url = service_url(&host.url)?;
            let ca = host.ca.as_ref().map(|ca| issuers(|| Ok(ca.as_bytes().to_vec()), &url)).transpose()?;
            ServiceConfig { url, timeout, token, ca }
        };
        Ok(Self { name: host.name.clone(), place: HostPlace::Service(Box::new(service)), added: true })
    }

    /// What both have that only one host of a dashboard can have: the name, in capitals or not; the place; or, where agents dial
    /// in, the token by which they are known.
    pub fn has_in_common(&self, other: &Self) -> Option<&'static str> {
        if self.name.as_str().eq_ignore_ascii_case(other.name.as_str()) {
            return Some("name");
        }
        if self.place.key() == other.place.key() {
            return Some("url");
        }
        let dialer = |host: &Self| match &host.place {
            HostPlace::Service(service) if service.dials_in() => service.token.clone(),
            _ => None,
        };
        let is_one_token = dialer(self).zip(dialer(other)).is_some_and(|(a, b)| a == b);
        is_one_token.then_some("token")
    }
}

impl HostPlace {
    /// What only one host can have.
    fn key(&self) -> String {
        match self {
            Self::Here => LOCAL.to_owned(),
            Self::Service(service) => service.url.as_str().trim_end_matches('/').to_owned(),
        }
    }
}

/// Where a dump service answers.
fn service_url(text: &str) -> Result<Url, String> {
    plain_http_url(text).ok_or_else(|| {
        let url = super::effective::without_user(text);
        format!(
            "url is '{url}'; allowed: an http:// or https:// URL without user name, password, query and fragment, \
             '{LOCAL}' for this machine, or '{DIAL}' for an agent that dials in"
        )
    })
}

/// A host whose agent dials in, and is known by its token.
fn dials_in(
    name: &HostId,
    token: Option<Secret>,
    has_ca: bool,
    timeout: Duration,
) -> Result<ServiceConfig, String> {
    if has_ca {
        return Err("an agent that dials in has no certificate: url is 'dial', and takes no ca".to_owned());
    }
    let token = token.filter(|token| token.expose().chars().count() >= MIN_TOKEN_CHARS);
    let token = token.ok_or_else(|| {
        format!(
            "an agent that dials in is known by its token: set one of {MIN_TOKEN_CHARS} characters or more"
        )
    })?;
    let url = format!("{}://{name}", ServiceConfig::DIAL_SCHEME);
    let url = Url::parse(&url).map_err(|error| format!("its name makes no URL: {error}"))?;
    Ok(ServiceConfig { url, timeout, token: Some(token), ca: None })
}

/// A token as it is sent.
fn sent_token(token: &str) -> Result<Secret, String> {
    let token = token.trim();
    if token.is_empty() || token.chars().any(char::is_control) {
        return Err("its token is empty, or has control characters".to_owned());
    }
    Ok(Secret::new(token))
}

/// Certificates in PEM that sign the one of a service.
pub(super) fn issuers(read: impl FnOnce() -> Result<Vec<u8>, String>, url: &Url) -> Result<Vec<u8>, String> {
    if url.scheme() != "https" {
        return Err("ca is set, and url is not https://".to_owned());
    }
    let pem = read()?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(pem),
        Ok(_) => Err("there is no PEM certificate in ca".to_owned()),
        Err(error) => Err(format!("ca cannot be used: {error}")),
    }
}

/// Where a host is.
#[derive(Clone, Debug)]
pub enum HostPlace {
    /// This machine.
    Here,
    /// Behind a dump service.
    Service(Box<ServiceConfig>),
}

/// One `[[hosts]]` as it stands in the file.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostEntry {
    name: String,
    url: String,
    token: Option<String>,
    token_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    timeout: Option<f64>,
}

/// One host as `memdeck config` shows it.
#[derive(Debug, Serialize)]
pub struct ShownHost {
    name: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
}

impl HostEntry {
    /// With its secret masked.
    pub fn shown(&self) -> ShownHost {
        ShownHost {
            name: self.name.clone(),
            url: super::effective::without_user(&self.url),
            token: self.token.as_ref().map(|_| "***"),
            token_file: self.token_file.clone(),
            ca: self.ca.clone(),
            timeout: self.timeout,
        }
    }

    fn read(&self) -> Result<HostConfig, ConfigError> {
        let wrong = |what: String| ConfigError::Missing(format!("[[hosts]] {}: {what}", self.shown_name()));
        let name: HostId = self.name.parse().map_err(|error| wrong(format!("{error}")))?;
        if self.url == LOCAL {
            if self.token.is_some()
                || self.token_file.is_some()
                || self.ca.is_some()
                || self.timeout.is_some()
            {
                return Err(wrong("this machine takes no token, token_file, ca and timeout".to_owned()));
            }
            return Ok(HostConfig { name, place: HostPlace::Here, added: false });
        }
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        if !(0.1..=3600.0).contains(&timeout) {
            return Err(wrong(format!("timeout is {timeout}; allowed: seconds from 0.1 to 3600")));
        }
        let timeout = Duration::from_secs_f64(timeout);
        let token = self.secret().map_err(wrong)?;
        let service = if self.url == DIAL {
            dials_in(&name, token, self.ca.is_some(), timeout).map_err(wrong)?
        } else {
            let url = service_url(&self.url).map_err(wrong)?;
            let ca = self.issuers(&url).map_err(wrong)?;
            ServiceConfig { url, timeout, token, ca }
        };
        Ok(HostConfig { name, place: HostPlace::Service(Box::new(service)), added: false })
    }

    /// The name as far as it can be shown.
    fn shown_name(&self) -> String {
        self.name.chars().filter(|c| !c.is_control()).take(HostId::MAX_BYTES).collect()
    }

    fn secret(&self) -> Result<Option<Secret>, String> {
        let token = match (&self.token, &self.token_file) {
            (Some(_), Some(_)) => return Err("token and token_file are set: set one of the two".to_owned()),
            (Some(token), None) => token.clone(),
            (None, Some(file)) => {
                let handle = std::fs::File::open(file)
                    .map_err(|error| format!("token_file {} cannot be read: {error}", file.display()))?;
                crate::ownership::check_secret(file, &handle).map_err(|error| error.to_string())?;
                std::io::read_to_string(handle)
                    .map_err(|error| format!("token_file {} cannot be read: {error}", file.display()))?
            }
            (None, None) => return Ok(None),
        };
        sent_token(&token).map(Some)
    }

    fn issuers(&self, url: &Url) -> Result<Option<Vec<u8>>, String> {
        let Some(file) = &self.ca else { return Ok(None) };
        let read =
            || std::fs::read(file).map_err(|error| format!("ca {} cannot be read: {error}", file.display()));
        issuers(read, url).map(Some)
    }
}

/// The hosts of the file. `service` is whether a single dump service is set, too.
///
/// # Errors
/// An entry cannot be used, two contradict each other, or a single service is set beside them.
pub fn read(entries: &[HostEntry], service: bool) -> Result<Vec<HostConfig>, ConfigError> {
    let missing = |what: String| Err(ConfigError::Missing(what));
    if service && !entries.is_empty() {
        return missing(
            "MEMDUMP_SERVICE_URL is set, and [[hosts]] in the configuration file, too: name that service among the hosts, \
             and unset MEMDUMP_SERVICE_URL"
                .to_owned(),
        );
    }
    let hosts = entries.iter().map(HostEntry::read).collect::<Result<Vec<_>, _>>()?;
    // Names that differ in case alone are told apart by no operator at night.
    for (index, host) in hosts.iter().enumerate() {
        let found = hosts[..index].iter().find_map(|other| host.has_in_common(other));
        let (name, Some(common)) = (&host.name, found) else { continue };
        return missing(match common {
            "url" => format!("[[hosts]] {name}: another host has the url {}, too", host.place.key()),
            common => format!("[[hosts]] {name}: another host has this {common}"),
        });
    }
    Ok(hosts)
}
