//! How clients reach a service: address, names, token, TLS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::settings::{
    ALLOWED_HOSTS, BASE_PATH, BEHIND_PROXY, BIND, INSECURE_HTTP, METRICS_TOKEN, OPEN_ACCESS, SITE_DIR,
    TLS_CERT, TLS_KEY, TOKEN,
};
use super::{BasePath, ConfigError, OidcConfig, ProxySignIn, Secret, Setting, Sources};

/// Shortest token accepted for incoming calls.
pub(super) const MIN_TOKEN_CHARS: usize = 16;

/// Which service listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Serve,
    /// The dump service of one hypervisor.
    Agent,
}

impl Role {
    fn default_port(self) -> u16 {
        match self {
            Self::Serve => 8000,
            Self::Agent => 5001,
        }
    }
}

/// The files of TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then those of its issuers.
    pub cert: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
}

/// Who needs no token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenAccess {
    /// Every caller of this machine.
    pub loopback: bool,
    /// Callers at these addresses; of an agent only.
    pub addresses: Vec<IpAddr>,
}

impl OpenAccess {
    /// Every caller of this machine.
    #[must_use]
    pub fn loopback() -> Self {
        Self { loopback: true, addresses: Vec::new() }
    }

    /// Whether a caller at `address` needs none.
    #[must_use]
    pub fn includes(&self, address: IpAddr) -> bool {
        (self.loopback && address.is_loopback()) || self.addresses.contains(&address)
    }

    /// Whether anybody needs none.
    #[must_use]
    pub fn is_used(&self) -> bool {
        *self != Self::default()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut open = Self::default();
        for item in list(text) {
            match item {
                "loopback" => open.loopback = true,
                address => {
                    let address: IpAddr = address.parse().ok()?;
                    // One address of this machine is not apart from the others, and `any` is nobody's.
                    let is_somebody = !address.is_unspecified() && !address.to_canonical().is_loopback();
                    open.addresses.push(address.to_canonical());
                    is_somebody.then_some(())?;
                }
            }
        }
        Some(open)
    }
}

impl std::fmt::Display for OpenAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let loopback = self.loopback.then(|| "loopback".to_owned());
        let all: Vec<_> =
            loopback.into_iter().chain(self.addresses.iter().map(ToString::to_string)).collect();
        f.write_str(&all.join(", "))
    }
}

/// How clients reach this service.
#[derive(Clone, Debug, Default)]
pub struct HttpConfig {
    /// Set where the default of the role does not hold.
    pub bind: Option<SocketAddr>,
    /// What callers must send, where somebody set it.
    pub token: Option<Secret>,
    /// What Prometheus may send to read metrics and nothing else.
    pub metrics_token: Option<Secret>,
    /// Who needs no token.
    pub open_access: OpenAccess,
    /// Host names beyond loopback and the bind address, lower case, without port.
    pub allowed_hosts: Vec<String>,
    /// Set where this service speaks TLS itself.
    pub tls: Option<TlsFiles>,
    /// Reverse proxies that add TLS, whose word on who calls is taken.
    pub proxies: Vec<IpAddr>,
    /// How who signed in at one of them is known.
    pub proxy_sign_in: Option<ProxySignIn>,
    /// The provider of `OpenID` Connect where people sign in.
    pub oidc: Option<OidcConfig>,
    /// Whether other machines may call without TLS.
    pub insecure_http: bool,
    /// The path below which a reverse proxy shows the dashboard; `None`: what a declared proxy says.
    pub base_path: Option<BasePath>,
    /// The built page.
    pub site_dir: Option<PathBuf>,
}

impl HttpConfig {
    /// Reads the settings of this concern.
    ///
    /// # Errors
    /// A value is not allowed.
    pub(super) fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let token = token(sources, &TOKEN)?;
        let metrics_token = token_of_metrics(sources, token.as_ref())?;
        Ok(Self {
            bind: sources.parse(&BIND, None, "an address and port such as 127.0.0.1:8000", |text| {
                SocketAddr::from_str(text).ok().map(Some)
            })?,
            token,
            metrics_token,
            open_access: sources.parse(
                &OPEN_ACCESS,
                OpenAccess::default(),
                "`loopback`, and for an agent addresses of dashboards such as 10.0.0.7, separated by commas",
                OpenAccess::parse,
            )?,
            allowed_hosts: sources.parse(
                &ALLOWED_HOSTS,
                Vec::new(),
                "host names separated by commas, without ports",
                host_names,
            )?,
            tls: tls_files(sources)?,
            proxies: sources.parse(
                &BEHIND_PROXY,
                Vec::new(),
                "IP addresses separated by commas, such as 127.0.0.1",
                addresses,
            )?,
            proxy_sign_in: ProxySignIn::from_sources(sources)?,
            oidc: OidcConfig::from_sources(sources)?,
            insecure_http: sources.parse(&INSECURE_HTTP, false, "true or false", |text| text.parse().ok())?,
            base_path: sources
                .parse(&BASE_PATH, None, "a path such as /memdeck", |text| text.parse().ok().map(Some))?,
            site_dir: sources.text(&SITE_DIR).map(PathBuf::from),
        })
    }

    /// Where `role` listens.
    ///
    /// # Errors
    /// The address is not loopback, and what is sent there could be read on the way; or a dashboard is to be open to
    /// other machines.
    pub fn listen_address(&self, role: Role) -> Result<SocketAddr, ConfigError> {
        if role == Role::Serve && !self.open_access.addresses.is_empty() {
            return Err(ConfigError::Missing(format!(
                "{} names addresses, which is for `memdeck agent` alone: a dashboard is opened to other machines by its \
                 token; the one value for it is loopback",
                OPEN_ACCESS.name(),
            )));
        }
        let address =
            self.bind.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), role.default_port()));
        if address.ip().is_loopback() {
            return Ok(address);
        }
        let bind = BIND.name();
        if self.tls.is_none() && self.proxies.is_empty() && !self.insecure_http {
            return Err(ConfigError::Missing(format!(
                "{bind} is {address}, which other machines can reach, and without TLS the token and guest memory can \
                 be read on the way: set {} and {}, or name the proxy that adds TLS with {} (--{}), or, on a network \
                 where nobody else listens, say --{} ({}=true)",
                TLS_CERT.name(),
                TLS_KEY.name(),
                BEHIND_PROXY.name(),
                BEHIND_PROXY.flag(),
                INSECURE_HTTP.flag(),
                INSECURE_HTTP.name(),
            )));
        }
        Ok(address)
    }
}

pub(super) fn token(sources: &Sources, setting: &Setting) -> Result<Option<Secret>, ConfigError> {
    let token = sources.text(setting).map(Secret::new);
    if token.as_ref().is_some_and(|token| token.expose().chars().count() < MIN_TOKEN_CHARS) {
        return Err(sources.invalid(setting, &format!("{MIN_TOKEN_CHARS} characters or more")));
    }
    Ok(token)
}

/// It lies in the configuration of another program, so it must not be the one that does everything.
fn token_of_metrics(sources: &Sources, operators: Option<&Secret>) -> Result<Option<Secret>, ConfigError> {
    let token = token(sources, &METRICS_TOKEN)?;
    let is_the_same =
        token.as_ref().zip(operators).is_some_and(|(token, operators)| token.expose() == operators.expose());
    if is_the_same {
        return Err(sources.invalid(&METRICS_TOKEN, &format!("another token than {}", TOKEN.name())));
    }
    Ok(token)
}

fn tls_files(sources: &Sources) -> Result<Option<TlsFiles>, ConfigError> {
    let half = |set: &str, missing: &str| {
        Err(ConfigError::Missing(format!("{set} is set and {missing} is not: TLS needs both files")))
    };
    match (sources.text(&TLS_CERT), sources.text(&TLS_KEY)) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: cert.into(), key: key.into() })),
        (Some(_), None) => half(TLS_CERT.name(), TLS_KEY.name()),
        (None, Some(_)) => half(TLS_KEY.name(), TLS_CERT.name()),
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn host_names(text: &str) -> Option<Vec<String>> {
    let fits = |host: &str| !host.contains(['/', ' ', '@']) && (host.starts_with('[') || !host.contains(':'));
    list(text).map(|host| fits(host).then(|| host.to_ascii_lowercase())).collect()
}

fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    list(text).map(|address| address.parse().ok()).collect()
}
