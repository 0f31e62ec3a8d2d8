//! Signing in by `OpenID` Connect: the provider, how it knows this memdeck, and what its users may do.

use memdeck_model::Secret;
use reqwest::Url;
use sha2::{Digest as _, Sha256};

use super::settings::{
    OIDC_CA, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_GROUPS_CLAIM, OIDC_ISSUER, OIDC_NAME, OIDC_ROLES,
    OIDC_SCOPES, OIDC_USER_CLAIM,
};
use super::sources::{ConfigError, Sources};
use super::{GroupRoles, Setting, is_of_this_machine, plain_http_url};

/// The provider is asked for this in any case: without it there is no sign-in.
const OPENID: &str = "openid";

/// The provider where people sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcConfig {
    /// As it names itself: it is compared letter by letter.
    pub issuer: String,
    /// How it knows this memdeck.
    pub client_id: String,
    /// What it gave this memdeck.
    pub client_secret: Secret,
    /// What people call it.
    pub name: String,
    /// What it is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// Where it says who signed in.
    pub user_claim: String,
    /// Where it says in which groups they are.
    pub groups_claim: String,
    /// What those groups may do; `None` where the account of that name decides.
    pub roles: Option<GroupRoles>,
    /// Certificates in PEM that sign its own; `None` for those that this machine trusts.
    pub ca: Option<Vec<u8>>,
}

impl OidcConfig {
    /// Reads its settings; `None` where nobody signs in so.
    ///
    /// # Errors
    /// A value is not allowed, or one is missing that the others need.
    pub(super) fn from_sources(sources: &Sources) -> Result<Option<Self>, ConfigError> {
        let needs = |what: &Setting, other: &Setting| {
            Err(ConfigError::Missing(format!(
                "{} is set and {} is not: it says nothing without that",
                what.name(),
                other.name()
            )))
        };
        let issuer = sources.parse(&OIDC_ISSUER, None, ISSUER, |text| issuer(text).map(Some))?;
        let Some((issuer, url)) = issuer else {
            let others = [&OIDC_CLIENT_ID, &OIDC_CLIENT_SECRET, &OIDC_ROLES, &OIDC_CA];
            return match others.into_iter().find(|setting| is_set(sources, setting)) {
                Some(setting) => needs(setting, &OIDC_ISSUER),
                None => Ok(None),
            };
        };
        let text = |setting| {
            sources.parse(setting, None, "1 to 255 characters without control characters", |text| {
                plain(text, 255).map(Some)
            })
        };
        let Some(client_id) = text(&OIDC_CLIENT_ID)? else { return needs(&OIDC_ISSUER, &OIDC_CLIENT_ID) };
        let Some(client_secret) = sources.text(&OIDC_CLIENT_SECRET).filter(|secret| !secret.is_empty())
        else {
            return needs(&OIDC_ISSUER, &OIDC_CLIENT_SECRET);
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        let claim = |setting, default: &str| {
            sources.parse(
                setting,
                default.to_owned(),
                "the name of a claim, 1 to 255 characters without control characters",
                |text| plain(text, 255),
            )
        };
        Ok(Some(Self {
            client_id,
            client_secret: Secret::new(client_secret),
            name: sources.parse(
                &OIDC_NAME,
                host,
                "a name of 1 to 60 characters without control characters",
                |text| plain(text, 60),
            )?,
            scopes: sources.parse(
                &OIDC_SCOPES,
                vec!["profile".to_owned()],
                "scopes separated by spaces, such as openid profile groups",
                scopes,
            )?,
            user_claim: claim(&OIDC_USER_CLAIM, "preferred_username")?,
            groups_claim: claim(&OIDC_GROUPS_CLAIM, "groups")?,
            roles: sources
                .parse(&OIDC_ROLES, None, GroupRoles::ALLOWED, |text| GroupRoles::parse(text).map(Some))?,
            ca: issuers(sources, &url)?,
            issuer,
        }))
    }

    /// Tells these settings from others by which somebody else could be let in, or for more.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut said = vec![&self.issuer, &self.client_id, &self.user_claim, &self.groups_claim];
        let roles: Vec<String> = self
            .roles
            .iter()
            .flat_map(GroupRoles::iter)
            .map(|(group, role)| format!("{role}={group}"))
            .collect();
        said.extend(&roles);
        let mut hash = Sha256::new();
        for text in said {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }
}

const ISSUER: &str =
    "an https:// URL without user name, password, query and fragment; http:// for this machine alone";

/// As it was written, and read. In the clear nobody but this machine is asked: who listens could be let in.
fn issuer(text: &str) -> Option<(String, Url)> {
    let url = plain_http_url(text)?;
    let is_safe = url.scheme() == "https" || is_of_this_machine(&url);
    is_safe.then(|| (text.to_owned(), url))
}

fn is_set(sources: &Sources, setting: &Setting) -> bool {
    sources.text(setting).is_some_and(|text| !text.is_empty())
}

fn plain(text: &str, most: usize) -> Option<String> {
    let fits = (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// The letters of scopes are those of RFC 6749.
fn scopes(text: &str) -> Option<Vec<String>> {
    let all = text.split_ascii_whitespace().filter(|scope| *scope != OPENID);
    let fits = |scope: &str| scope.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
    all.map(|scope| fits(scope).then(|| scope.to_owned())).collect()
}

fn issuers(sources: &Sources, url: &Url) -> Result<Option<Vec<u8>>, ConfigError> {
    let Some(file) = sources.text(&OIDC_CA).filter(|file| !file.is_empty()) else { return Ok(None) };
    if url.scheme() != "https" {
        let why = format!("{} is set, and {} is not https://", OIDC_CA.name(), OIDC_ISSUER.name());
        return Err(ConfigError::Missing(why));
    }
    let wrong = |why: String| ConfigError::Missing(format!("{} is {file}: {why}", OIDC_CA.name()));
    let pem = std::fs::read(file).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(Some(pem)),
        Ok(_) => Err(wrong("there is no PEM certificate in it".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}
