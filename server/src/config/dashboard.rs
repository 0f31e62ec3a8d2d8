//! The dashboard that an agent dials.

use std::time::Duration;

use super::hosts::issuers;
use super::settings::{DASHBOARD_CA, DASHBOARD_TOKEN, DASHBOARD_URL, INSECURE_HTTP};
use super::sources::{ConfigError, Sources};
use super::{ServiceConfig, http, http_url, is_of_this_machine};

/// The longest one call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The dashboard to dial; `None` where none is.
///
/// # Errors
/// A value is not allowed, one is missing, or the token would be sent where others could read it.
pub fn read(sources: &Sources, insecure_http: bool) -> Result<Option<ServiceConfig>, ConfigError> {
    let missing = |what: String| Err(ConfigError::Missing(what));
    let Some(url) = http_url(sources, &DASHBOARD_URL)? else {
        let alone = [&DASHBOARD_TOKEN, &DASHBOARD_CA].into_iter().find(|of| sources.text(of).is_some());
        return alone.map_or(Ok(None), |alone| {
            missing(format!("{} is set without {}: set both, or none", alone.name(), DASHBOARD_URL.name()))
        });
    };
    let Some(token) = http::token(sources, &DASHBOARD_TOKEN)? else {
        return missing(format!(
            "{} is set without {}: set both, or none",
            DASHBOARD_URL.name(),
            DASHBOARD_TOKEN.name()
        ));
    };
    if url.scheme() != "https" && !is_of_this_machine(&url) && !insecure_http {
        return missing(format!(
            "{} is {url}, and without TLS the token and guest memory can be read on the way: set an https:// URL or, on a \
             network where nobody else listens, say --{} ({}=true)",
            DASHBOARD_URL.name(),
            INSECURE_HTTP.flag(),
            INSECURE_HTTP.name(),
        ));
    }
    let ca = sources.text(&DASHBOARD_CA).map(|file| {
        let read = || std::fs::read(file).map_err(|error| format!("ca {file} cannot be read: {error}"));
        issuers(read, &url).map_err(|why| ConfigError::Missing(format!("{}: {why}", DASHBOARD_CA.name())))
    });
    let ca = ca.transpose()?;
    Ok(Some(ServiceConfig { url, timeout: TIMEOUT, token: Some(token), ca }))
}
