//! Signing in at a reverse proxy instead of here: which headers of it name who did.

use super::GroupRoles;
use super::settings::{BEHIND_PROXY, PROXY_GROUPS_HEADER, PROXY_ROLES, PROXY_USER_HEADER};
use super::sources::{ConfigError, Sources};
use axum::http::HeaderName;
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, ORIGIN, TRANSFER_ENCODING,
};

/// Headers that browsers and proxies send about something else.
const OTHERS: [HeaderName; 8] =
    [AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, ORIGIN, TRANSFER_ENCODING];

/// Whose word is taken for who signed in, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySignIn {
    /// The header with their name.
    pub user: HeaderName,
    /// What decides what they may do; `None`: the account of that name.
    pub groups: Option<ProxyGroups>,
}

/// What groups of the proxy's users may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyGroups {
    /// The header with the groups of whoever signed in, separated by commas.
    pub header: HeaderName,
    /// What each of them may do.
    pub roles: GroupRoles,
}

impl ProxySignIn {
    /// Reads its settings; `None` where nobody signs in at the proxy.
    ///
    /// # Errors
    /// A value is not allowed, or stands without another that it needs.
    pub(super) fn from_sources(sources: &Sources) -> Result<Option<Self>, ConfigError> {
        let header = |setting| {
            sources.parse(setting, None, "the name of a header, such as X-Remote-User", |text| {
                name(text).map(Some)
            })
        };
        let needs = |what: &'static str, other: &'static str| {
            Err(ConfigError::Missing(format!(
                "{what} is set and {other} is not: it says nothing without that"
            )))
        };
        let groups = header(&PROXY_GROUPS_HEADER)?;
        let roles = sources
            .parse(&PROXY_ROLES, None, GroupRoles::ALLOWED, |text| GroupRoles::parse(text).map(Some))?;
        let Some(user) = header(&PROXY_USER_HEADER)? else {
            return match groups {
                Some(_) => needs(PROXY_GROUPS_HEADER.name(), PROXY_USER_HEADER.name()),
                None if roles.is_some() => needs(PROXY_ROLES.name(), PROXY_GROUPS_HEADER.name()),
                None => Ok(None),
            };
        };
        if sources.text(&BEHIND_PROXY).is_none_or(str::is_empty) {
            return needs(PROXY_USER_HEADER.name(), BEHIND_PROXY.name());
        }
        let groups = match (groups, roles) {
            (Some(_), None) => return needs(PROXY_GROUPS_HEADER.name(), PROXY_ROLES.name()),
            (Some(header), Some(roles)) => Some(ProxyGroups { header, roles }),
            (None, Some(_)) => return needs(PROXY_ROLES.name(), PROXY_GROUPS_HEADER.name()),
            (None, None) => None,
        };
        Ok(Some(Self { user, groups }))
    }
}

fn name(text: &str) -> Option<HeaderName> {
    let name: HeaderName = text.parse().ok()?;
    (!OTHERS.contains(&name) && !name.as_str().starts_with("sec-")).then_some(name)
}
