//! The configuration: one struct per concern, made from flags, environment, `.env` and one TOML file.

mod base_path;
mod dashboard;
mod effective;
mod group_roles;
mod hosts;
mod http;
mod images;
mod notify;
mod oidc;
mod proxy_sign_in;
mod settings;
mod sources;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use memdeck_machine::ImageCare;
use memdeck_model::telemetry::SettingInUse;
use memdeck_operations::NoticeLimits;
use reqwest::Url;

pub use base_path::BasePath;
pub use effective::{Effective, describe, effective, shown_hosts};
pub use group_roles::GroupRoles;
pub use hosts::{HostConfig, HostPlace};
pub use http::{HttpConfig, OpenAccess, Role, TlsFiles};
pub use images::TimeStampConfig;
pub use oidc::OidcConfig;
pub use proxy_sign_in::{ProxyGroups, ProxySignIn};
pub use settings::{SETTINGS, Setting};
pub use sources::{ConfigError, Origin, Sources, dot_env};

pub use crate::audit_syslog::SyslogTarget;
pub use memdeck_agent::ServiceAddress as ServiceConfig;
pub use memdeck_model::Secret;
use settings::{
    AUDIT_SYSLOG, BALLOON_STATS, BATCH_MAX_LINES, BATCH_MAX_SEC, DEVICE_CACHE_TTL, DUMP_DIR, DUMP_TIMEOUT,
    FROZEN_PAUSE_LIMIT, FULL_EVERY, INFLUX_BUCKET, INFLUX_DB, INFLUX_ORG, INFLUX_PASSWORD, INFLUX_TIMEOUT,
    INFLUX_TOKEN, INFLUX_URL, INFLUX_USER, LIBVIRT_TIMEOUT, LIBVIRT_URI, LIVE_BANDWIDTH, LIVE_TIME_BUDGET,
    MAX_PARALLEL_DUMPS, PAUSE_BUDGET, POLL_INTERVAL, SERVICE_TIMEOUT, SERVICE_TOKEN, SERVICE_URL,
    SHUTDOWN_GRACE, STATE_DIR, TELEMETRY, TELEMETRY_STORE_MIB,
};

/// The hypervisor of this host.
#[derive(Clone, Debug)]
pub struct LibvirtConfig {
    /// How libvirt is reached.
    pub uri: String,
    /// Whether somebody set the URI.
    pub uri_given: bool,
    /// The longest one call may take.
    pub timeout: Duration,
}

/// The local engine.
#[derive(Clone, Debug)]
pub struct DumpConfig {
    /// Where images go.
    pub dir: PathBuf,
    /// Dumps at the same time.
    pub max_parallel: NonZeroU32,
    /// The longest one dump may take.
    pub timeout: Duration,
    /// The longest a live dump may stop its guest.
    pub pause_budget: Duration,
    /// The longest a running guest may stand still for a dump.
    pub frozen_pause_limit: Duration,
    /// Of so many images in a row that may be differences, one is stored whole.
    pub full_every: NonZeroU32,
    /// The longest a live dump may go on copying.
    pub live_time_budget: Duration,
    /// MiB per second a live dump may read while the guest runs; 0 is no limit.
    pub live_bandwidth_mibps: u64,
    /// How long running dumps have to end when memdeck is stopped.
    pub shutdown_grace: Duration,
}

/// InfluxDB.
#[derive(Clone, Debug)]
pub struct InfluxConfig {
    /// Where it answers.
    pub url: Url,
    /// The database of the points.
    pub database: String,
    /// The organisation, in version 2.
    pub org: Option<String>,
    /// The bucket, in version 2; `database` where it is not set.
    pub bucket: Option<String>,
    /// How the writer is authenticated.
    pub login: InfluxLogin,
    /// The longest one call may take.
    pub timeout: Duration,
    /// Lines of telemetry in one write.
    pub batch_max_lines: usize,
    /// How long telemetry waits for a full write.
    pub batch_max_wait: Duration,
}

/// The collector of telemetry.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// Whether it runs, where nobody has started or stopped it yet.
    pub collect: bool,
    /// The time between two collections.
    pub poll_interval: Duration,
    /// How long the list of a guest's devices is kept.
    pub device_cache_ttl: Duration,
    /// The most that the store of its own may take on disk.
    pub store_mib: u64,
    /// Whether memory statistics are switched on in guests that have them off.
    pub balloon_stats: bool,
}

/// How the writer is authenticated to `InfluxDB`.
#[derive(Clone, Debug)]
pub enum InfluxLogin {
    /// Not at all.
    None,
    /// By a token.
    Token(Secret),
    /// By name and password (version 1).
    User { name: String, password: Secret },
}

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// How clients reach this service.
    pub http: HttpConfig,
    /// The hypervisor of this host.
    pub libvirt: LibvirtConfig,
    /// The local engine.
    pub dumps: DumpConfig,
    /// How images are verified again.
    pub image_care: ImageCare,
    /// Who says when a manifest was there.
    pub time_stamps: TimeStampConfig,
    /// The directory of the catalog.
    pub state_dir: PathBuf,
    /// Where the audit is sent to, too.
    pub audit_syslog: Option<SyslogTarget>,
    /// The remote dump service, if one is set.
    pub service: Option<ServiceConfig>,
    /// The dashboard that an agent dials, if it does.
    pub dashboard: Option<ServiceConfig>,
    /// The hosts of a dashboard, if the configuration file names them.
    pub hosts: Vec<HostConfig>,
    /// InfluxDB, if it is set.
    pub influx: Option<InfluxConfig>,
    /// From when on something is worth a notification.
    pub notices: NoticeLimits,
    /// What telemetry works with, as the page shows it.
    pub shown: Vec<SettingInUse>,
    /// The collector of telemetry.
    pub telemetry: TelemetryConfig,
}

impl Config {
    /// Reads every setting.
    ///
    /// # Errors
    /// A value is not allowed.
    #[expect(clippy::too_many_lines, reason = "a setting after the other")]
    pub fn from_sources(sources: &Sources, places: &Places) -> Result<Self, ConfigError> {
        let seconds = |setting, default: f64, least: f64, most: f64| {
            let allowed = format!("seconds from {least} to {most}");
            sources
                .parse(setting, default, &allowed, |text| {
                    text.parse().ok().filter(|s| (least..=most).contains(s))
                })
                .map(Duration::from_secs_f64)
        };
        let secret = |setting: &Setting| sources.text(setting).map(Secret::new);
        let login = influx_login(sources)?;

        let service_timeout = seconds(&SERVICE_TIMEOUT, 30.0, 0.1, 3600.0)?;
        let influx_timeout = seconds(&INFLUX_TIMEOUT, 10.0, 0.1, 3600.0)?;
        let org = influx_name(sources, &INFLUX_ORG)?;
        let bucket = influx_name(sources, &INFLUX_BUCKET)?;
        let batch_max_wait = seconds(&BATCH_MAX_SEC, 1.0, 0.01, 3600.0)?;
        let batch_max_lines =
            sources.parse(&BATCH_MAX_LINES, 2000, "a whole number from 1 to 1000000", |text| {
                text.parse().ok().filter(|lines| (1..=1_000_000).contains(lines))
            })?;
        let database = sources.parse(
            &INFLUX_DB,
            "vmstats".to_owned(),
            "a name of 1 to 64 letters, digits, '_' and '-'",
            |text| {
                let fits = text.len() <= 64
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                fits.then(|| text.to_owned())
            },
        )?;
        let http = HttpConfig::from_sources(sources)?;
        Ok(Self {
            dashboard: dashboard::read(sources, http.insecure_http)?,
            http,
            libvirt: LibvirtConfig {
                uri: libvirt_uri(sources)?,
                uri_given: sources.text(&LIBVIRT_URI).is_some(),
                timeout: seconds(&LIBVIRT_TIMEOUT, 30.0, 0.1, 3600.0)?,
            },
            dumps: DumpConfig {
                dir: sources.text(&DUMP_DIR).map_or_else(|| places.dump_dir(), PathBuf::from),
                max_parallel: sources.parse(
                    &MAX_PARALLEL_DUMPS,
                    NonZeroU32::MIN.saturating_add(1),
                    "a whole number from 1 to 64",
                    |text| text.parse().ok().filter(|n: &NonZeroU32| n.get() <= 64),
                )?,
                timeout: seconds(&DUMP_TIMEOUT, 3600.0, 1.0, 604_800.0)?,
                pause_budget: sources.parse(
                    &PAUSE_BUDGET,
                    Duration::from_millis(60),
                    "milliseconds from 1 to 60000",
                    |text| {
                        text.parse().ok().filter(|ms| (1..=60_000).contains(ms)).map(Duration::from_millis)
                    },
                )?,
                frozen_pause_limit: seconds(&FROZEN_PAUSE_LIMIT, 30.0, 1.0, 86_400.0)?,
                live_time_budget: seconds(&LIVE_TIME_BUDGET, 120.0, 1.0, 86_400.0)?,
                live_bandwidth_mibps: sources.parse(
                    &LIVE_BANDWIDTH,
                    0,
                    "a whole number of MiB per second from 0 to 1000000, 0 for no limit",
                    |text| text.parse().ok().filter(|mibps| *mibps <= 1_000_000),
                )?,
                full_every: sources.parse(
                    &FULL_EVERY,
                    NonZeroU32::MIN.saturating_add(6),
                    "a whole number from 1 to 100",
                    |text| text.parse().ok().filter(|n: &NonZeroU32| n.get() <= 100),
                )?,
                shutdown_grace: seconds(&SHUTDOWN_GRACE, 20.0, 0.0, 86_400.0)?,
            },
            image_care: images::care(sources)?,
            time_stamps: images::time_stamps(sources)?,
            state_dir: sources.text(&STATE_DIR).map_or_else(|| places.state_dir(), PathBuf::from),
            audit_syslog: sources.parse(
                &AUDIT_SYSLOG,
                None,
                "local, unix:///PATH, udp://HOST:PORT or tcp://HOST:PORT",
                |text| text.parse().ok().map(Some),
            )?,
            service: http_url(sources, &SERVICE_URL)?.map(|url| ServiceConfig {
                url,
                timeout: service_timeout,
                token: secret(&SERVICE_TOKEN),
                ca: None,
            }),
            hosts: hosts::read(sources.hosts(), sources.text(&SERVICE_URL).is_some())?,
            influx: http_url(sources, &INFLUX_URL)?.map(|url| InfluxConfig {
                url,
                database,
                org,
                bucket,
                login,
                timeout: influx_timeout,
                batch_max_lines,
                batch_max_wait,
            }),
            notices: notify::limits(sources)?,
            shown: effective::shown(sources),
            telemetry: TelemetryConfig {
                collect: switch(sources, &TELEMETRY)?,
                poll_interval: seconds(&POLL_INTERVAL, 1.0, 0.1, 3600.0)?,
                device_cache_ttl: seconds(&DEVICE_CACHE_TTL, 300.0, 0.0, 86_400.0)?,
                store_mib: sources.parse(
                    &TELEMETRY_STORE_MIB,
                    512,
                    "a whole number of MiB from 16 to 1048576",
                    |text| text.parse().ok().filter(|mib| (16..=1_048_576).contains(mib)),
                )?,
                balloon_stats: switch(sources, &BALLOON_STATS)?,
            },
        })
    }
}

/// A URI that makes libvirt start a program (`qemu+ext://…?command=`, `…?netcat=`) is no setting but a command: it is
/// taken only from the environment or flags, not from a file.
fn libvirt_uri(sources: &Sources) -> Result<String, ConfigError> {
    let from_file = matches!(sources.origin(&LIBVIRT_URI), Origin::DotEnv(_) | Origin::File);
    let allowed = "in a file a URI that starts no program; with one that does, set it in the environment";
    sources.parse(&LIBVIRT_URI, "qemu:///system".to_owned(), allowed, |text| {
        (!from_file || !starts_a_program(text)).then(|| text.to_owned())
    })
}

fn starts_a_program(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let mut names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.to_ascii_lowercase());
    scheme.split_once('+').is_some_and(|(_, transport)| transport == "ext")
        || names.any(|name| matches!(name.as_str(), "command" | "netcat"))
}

/// A name of an organisation or a bucket.
fn influx_name(sources: &Sources, setting: &Setting) -> Result<Option<String>, ConfigError> {
    sources.parse(setting, None, "a name of 1 to 255 characters without control characters", |text| {
        let fits = text.chars().count() <= 255 && !text.chars().any(char::is_control);
        fits.then(|| Some(text.to_owned()))
    })
}

fn switch(sources: &Sources, setting: &Setting) -> Result<bool, ConfigError> {
    sources.parse(setting, true, "on or off", |text| match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" | "yes" => Some(true),
        "off" | "false" | "0" | "no" => Some(false),
        _ => None,
    })
}

fn influx_login(sources: &Sources) -> Result<InfluxLogin, ConfigError> {
    let name = sources.parse(&INFLUX_USER, None, "a name without ':' and control characters", |text| {
        (!text.contains(':') && !text.chars().any(char::is_control)).then(|| Some(text.to_owned()))
    })?;
    let password =
        sources.parse(&INFLUX_PASSWORD, None, "a password without control characters", |text| {
            (!text.chars().any(char::is_control)).then(|| Some(Secret::new(text)))
        })?;
    let token = sources.text(&INFLUX_TOKEN).map(Secret::new);
    let together = |what: &str| Err(ConfigError::Missing(what.to_owned()));
    match (name, password, token) {
        (None, None, None) => Ok(InfluxLogin::None),
        (None, None, Some(token)) => Ok(InfluxLogin::Token(token)),
        (Some(name), Some(password), None) => Ok(InfluxLogin::User { name, password }),
        (Some(_), None, _) => together("INFLUX_USER is set without INFLUX_PASSWORD: set both, or none"),
        (None, Some(_), _) => together("INFLUX_PASSWORD is set without INFLUX_USER: set both, or none"),
        (Some(_), Some(_), Some(_)) => together(
            "INFLUX_TOKEN is set, and INFLUX_USER with INFLUX_PASSWORD too: InfluxDB takes one of the two, so unset the other",
        ),
    }
}

/// A URL of HTTP without user, query and fragment: those would end up in logs and messages.
fn http_url(sources: &Sources, setting: &Setting) -> Result<Option<Url>, ConfigError> {
    let allowed = "an http:// or https:// URL without user name, password, query and fragment";
    sources.parse(setting, None, allowed, |text| plain_http_url(text).map(Some))
}

/// Whether a URL leads to this machine.
pub fn is_of_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

fn plain_http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

/// Where files go by default on this machine for this user.
#[derive(Clone, Debug)]
pub struct Places {
    root: bool,
    home: PathBuf,
    data_home: Option<PathBuf>,
    state_home: Option<PathBuf>,
}

impl Places {
    /// Of the user this process runs as.
    pub fn of_this_user(environment: &BTreeMap<String, String>) -> Self {
        let absolute = |name| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            root: rustix::process::geteuid().is_root(),
            home: absolute("HOME").unwrap_or_else(|| PathBuf::from("/")),
            data_home: absolute("XDG_DATA_HOME"),
            state_home: absolute("XDG_STATE_HOME"),
        }
    }

    fn dump_dir(&self) -> PathBuf {
        if self.root {
            PathBuf::from("/var/lib/memdeck/dumps")
        } else {
            self.data_home.clone().unwrap_or_else(|| self.home.join(".local/share")).join("memdeck/dumps")
        }
    }

    fn state_dir(&self) -> PathBuf {
        if self.root {
            PathBuf::from("/var/lib/memdeck/state")
        } else {
            self.state_home.clone().unwrap_or_else(|| self.home.join(".local/state")).join("memdeck")
        }
    }
}
