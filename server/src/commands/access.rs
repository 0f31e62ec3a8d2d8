//! Who is let in, as both services decide it at their start; and how an operator's browser gets in.

use std::net::SocketAddr;
use std::sync::Arc;

use memdeck_catalog::LockHolder;
use memdeck_operations::Accounts;

use super::{Failure, with_causes};
use crate::config::{Config, HttpConfig, Secret};
use crate::dialing;
use crate::http::{Access, LineOf, LocalTrust, Tell, link_path};
use crate::node::{self, State};
use crate::token::{self, TokenError};

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::new(with_causes(&error))
    }
}

/// What the access of a dashboard works with, beside that of an agent.
pub struct OfDashboard {
    /// Called when somebody guesses.
    pub tell: Arc<Tell>,
    /// Knows the agents that dial in.
    pub line_of: Arc<LineOf>,
}

/// The rules of the service that listens on `address`. The caller holds the state directory.
pub async fn open(
    config: &Config,
    state: &State,
    address: SocketAddr,
    accounts: Arc<Accounts>,
    of_dashboard: Option<OfDashboard>,
) -> Result<Arc<Access>, Failure> {
    let token = match &config.http.token {
        Some(token) => token.clone(),
        None => token::read_or_make(&config.state_dir)?,
    };
    let http = HttpConfig { token: Some(token), ..config.http.clone() };
    let trust = Arc::new(LocalTrust::new(&config.libvirt.uri));
    if http.open_access.is_used() {
        tracing::warn!(
            open_access = %http.open_access,
            "callers need no token there, as OPEN_ACCESS says: they can take, read and delete every dump"
        );
    } else if let Some(distrust) = trust.distrust().await {
        tracing::warn!("root and memdeck's own user need the token too: {distrust}");
    }
    let instance = state.catalog_id().map_err(|error| Failure::new(with_causes(&error)))?;
    let access = Access::new(address, &http, &node::clock()).with_local_trust(trust).with_instance(&instance);
    let access = access.with_accounts(accounts).await.with_audit(node::audit(config, state));
    Ok(Arc::new(match of_dashboard {
        Some(OfDashboard { tell, line_of }) => access.telling(tell).with_lines(line_of),
        None => access,
    }))
}

/// The rules over the connection with the dashboard that this agent dials: whoever calls there needs the token with which it was
/// opened, wherever they are and whatever else is open.
pub fn over_dialed(config: &Config, state: &State, address: SocketAddr) -> Access {
    let http = dialing::tokens(config.dashboard.as_ref());
    Access::new(address, &http, &node::clock()).with_audit(node::audit(config, state))
}

/// The token with which the command line calls the service that holds the state directory.
pub fn token_for(config: &Config, holder: &LockHolder) -> Result<Option<Secret>, Failure> {
    match &config.http.token {
        Some(token) => Ok(Some(token.clone())),
        None if holder.token_in_state_dir => Ok(token::read(&config.state_dir)?),
        None => Ok(None),
    }
}

/// The address under which a browser reaches the service that answers at `url` on this machine.
pub fn browser_url(http: &HttpConfig, url: &str) -> String {
    let named = http.allowed_hosts.first().filter(|_| !http.proxies.is_empty());
    match named {
        Some(host) => format!("https://{host}{}", http.base_path.clone().unwrap_or_default()),
        None => url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:"),
    }
}

/// What is printed for an operator who sits at a terminal.
pub fn invitation(http: &HttpConfig, url: &str, access: &Access) -> Result<String, Failure> {
    let url = browser_url(http, url);
    if http.open_access.loopback {
        return Ok(format!("memdeck is at {url}"));
    }
    let code = access
        .links()
        .make()
        .map_err(|error| Failure::new(format!("the system returned no random numbers: {error}")))?;
    Ok(format!(
        "memdeck is at {url}\nSign in with this link, once and within five minutes: {url}{}",
        link_path(&code)
    ))
}
