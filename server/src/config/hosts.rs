//! `[[hosts]]` in the configuration file: the hosts of one dashboard, in this order.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use memdeck_model::{HostId, Secret};
use reqwest::Url;
use serde::Serialize;

use super::sources::ConfigError;
use super::{ServiceConfig, plain_http_url};

/// What stands for this machine in place of a URL.
const LOCAL: &str = "local";

/// The longest a call to a host may take, where the file does not say.
const DEFAULT_TIMEOUT: f64 = 30.0;

/// One host as the file names it.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Its name.
    pub name: HostId,
    /// Where it is.
    pub place: HostPlace,
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
            return Ok(HostConfig { name, place: HostPlace::Here });
        }
        let url = plain_http_url(&self.url).ok_or_else(|| {
            let url = super::effective::without_user(&self.url);
            wrong(format!(
                "url is '{url}'; allowed: an http:// or https:// URL without user name, password, query and fragment, or \
                 '{LOCAL}' for this machine"
            ))
        })?;
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        if !(0.1..=3600.0).contains(&timeout) {
            return Err(wrong(format!("timeout is {timeout}; allowed: seconds from 0.1 to 3600")));
        }
        let ca = self.issuers(&url).map_err(wrong)?;
        let token = self.secret().map_err(wrong)?;
        let service = ServiceConfig { url, timeout: Duration::from_secs_f64(timeout), token, ca };
        Ok(HostConfig { name, place: HostPlace::Service(Box::new(service)) })
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
        let token = token.trim();
        if token.is_empty() || token.chars().any(char::is_control) {
            return Err("its token is empty, or has control characters".to_owned());
        }
        Ok(Some(Secret::new(token)))
    }

    fn issuers(&self, url: &Url) -> Result<Option<Vec<u8>>, String> {
        let Some(file) = &self.ca else { return Ok(None) };
        if url.scheme() != "https" {
            return Err("ca is set, and url is not https://".to_owned());
        }
        let pem =
            std::fs::read(file).map_err(|error| format!("ca {} cannot be read: {error}", file.display()))?;
        match reqwest::Certificate::from_pem_bundle(&pem) {
            Ok(found) if !found.is_empty() => Ok(Some(pem)),
            Ok(_) => Err(format!("there is no PEM certificate in ca {}", file.display())),
            Err(error) => Err(format!("ca {} cannot be used: {error}", file.display())),
        }
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
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    for HostConfig { name, place } in &hosts {
        // Names that differ in case alone are told apart by no operator at night.
        if !names.insert(name.as_str().to_ascii_lowercase()) {
            return missing(format!("[[hosts]] {name}: another host has this name"));
        }
        let place = match place {
            HostPlace::Here => LOCAL.to_owned(),
            HostPlace::Service(service) => service.url.as_str().trim_end_matches('/').to_owned(),
        };
        if !places.insert(place.clone()) {
            return missing(format!("[[hosts]] {name}: another host has the url {place}, too"));
        }
    }
    Ok(hosts)
}
