//! Which store to write to.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;

use crate::FeedError;

/// Which store to write to, and how long to wait for it.
#[derive(Clone)]
pub struct InfluxSettings {
    /// Where it answers: `http://host:8086`, with a path where it is behind a proxy that needs one.
    pub url: String,
    /// The database; created when it does not exist.
    pub database: String,
    /// The organisation of version 2.
    pub org: Option<String>,
    /// The bucket of version 2; `database` where it has none.
    pub bucket: Option<String>,
    /// How the writer is authenticated.
    pub login: Login,
    /// How long one call may take, from connecting to the end of the answer.
    pub timeout: Duration,
}

/// How the writer is authenticated. Never in a URL.
#[derive(Clone)]
pub enum Login {
    /// Not at all.
    None,
    /// `Authorization: Bearer`, or `Token` for the calls of version 2.
    Token(String),
    /// `Authorization: Basic`: the users of version 1.
    User { name: String, password: String },
}

impl Login {
    /// What must not be repeated.
    pub(crate) fn secret(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Token(secret) | Self::User { password: secret, .. } => Some(secret),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Token(_) => f.write_str("Token(***)"),
            Self::User { name, .. } => write!(f, "User({name:?}, ***)"),
        }
    }
}

/// Neither the login's secret nor what the URL may hold beside the address.
impl fmt::Debug for InfluxSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InfluxSettings")
            .field("url", &self.base_url().map(|url| public(&url)).unwrap_or_default())
            .field("database", &self.database)
            .field("org", &self.org)
            .field("bucket", &self.bucket)
            .field("login", &self.login)
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl InfluxSettings {
    /// The URL under which the calls are, ending in `/`.
    pub(crate) fn base_url(&self) -> Result<Url, FeedError> {
        // The text itself is not repeated: it may hold a password.
        let refuse = |reason: &str| FeedError::Settings { reason: format!("INFLUX_URL {reason}") };
        let mut url =
            Url::parse(self.url.trim()).map_err(|error| refuse(&format!("is not a URL ({error})")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refuse("must start with http:// or https:// and name a host"));
        }
        url.set_query(None);
        url.set_fragment(None);
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(url)
    }
}

/// The URL without user name and password.
pub(crate) fn public(url: &Url) -> String {
    let mut url = url.clone();
    // These fail only for URLs without a host, which have neither.
    let _none_to_remove = url.set_username("");
    let _none_to_remove = url.set_password(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// Whether the URL leads to this machine, where no proxy has a place in between.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> InfluxSettings {
        InfluxSettings {
            url: url.to_owned(),
            database: "vmstats".to_owned(),
            org: None,
            bucket: None,
            login: Login::Token("s3cret".to_owned()),
            timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn calls_are_made_under_the_path_of_the_url() {
        let base = |url| settings(url).base_url().unwrap().to_string();
        assert_eq!(base("http://db:8086"), "http://db:8086/");
        assert_eq!(base(" https://db/influx?x=1#y "), "https://db/influx/");
    }

    #[test]
    fn what_is_not_an_http_url_is_refused_without_repeating_it() {
        for bad in ["", "db:8086", "ftp://user:s3cret@db", "http://", "http://s3cret:x@[::1"] {
            let error = settings(bad).base_url().unwrap_err();
            assert!(error.to_string().contains("INFLUX_URL"), "{error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn nothing_printed_holds_a_secret() {
        let with_user = Login::User { name: "memdeck".to_owned(), password: "s3cret".to_owned() };
        for login in [Login::Token("s3cret".to_owned()), with_user] {
            let settings = InfluxSettings { login, ..settings("http://admin:s3cret@db:8086/?p=s3cret") };
            let printed = format!("{settings:?}");
            assert!(printed.contains("http://db:8086") && printed.contains("***"), "{printed}");
            assert!(!printed.contains("s3cret") && !printed.contains("admin"), "{printed}");
        }
    }

    #[test]
    fn this_machine_is_known_by_all_its_names() {
        let local = |url: &str| is_loopback(&Url::parse(url).unwrap());
        assert!(local("http://localhost:8086") && local("http://127.0.0.2") && local("http://[::1]:8086"));
        assert!(!local("http://localhost.example") && !local("http://192.168.0.1") && !local("http://db"));
    }
}
