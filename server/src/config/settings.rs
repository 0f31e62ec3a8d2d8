//! Every setting, once: its name in the file, its environment variables, its default, what is allowed.
//!
//! Flags, the help text, the file's keys and `memdeck config` all come from this table.

mod dashboard;
mod sign_in;

pub use dashboard::{DASHBOARD_CA, DASHBOARD_TOKEN, DASHBOARD_URL};
pub use sign_in::{
    OIDC_CA, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_GROUPS_CLAIM, OIDC_ISSUER, OIDC_NAME, OIDC_ROLES,
    OIDC_SCOPES, OIDC_USER_CLAIM, PROXY_GROUPS_HEADER, PROXY_ROLES, PROXY_USER_HEADER,
};

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// `section.key` in the configuration file.
    pub key: &'static str,
    /// Environment variables, the first that is set wins. The flag is the first one in lower case with dashes, without
    /// the program's own name in front.
    pub env: &'static [&'static str],
    /// What holds where nothing is set, as a person reads it.
    pub default: &'static str,
    /// What it does and what is allowed.
    pub help: &'static str,
    /// Whether the value must never be shown.
    pub secret: bool,
    /// Whether the flag alone, without a value, means `true`.
    pub switch: bool,
}

impl Setting {
    /// The environment variable that names this setting in messages.
    pub fn name(&self) -> &'static str {
        self.env[0]
    }

    /// `dump-dir` for `DUMP_DIR`, `bind` for `MEMDECK_BIND`.
    pub fn flag(&self) -> String {
        let name = self.name();
        name.strip_prefix("MEMDECK_").unwrap_or(name).to_ascii_lowercase().replace('_', "-")
    }
}

const fn setting(
    key: &'static str,
    env: &'static [&'static str],
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting { key, env, default, help, secret: false, switch: false }
}

const fn secret(key: &'static str, env: &'static [&'static str], help: &'static str) -> Setting {
    Setting { key, env, default: "unset", help, secret: true, switch: false }
}

const fn switch(key: &'static str, env: &'static [&'static str], help: &'static str) -> Setting {
    Setting { key, env, default: "false", help, secret: false, switch: true }
}

pub const BIND: Setting = setting(
    "http.bind",
    &["MEMDECK_BIND"],
    "127.0.0.1:8000 for serve, 127.0.0.1:5001 for agent",
    "Address and port to listen on. Anything but loopback needs TLS or a proxy that has it",
);
pub const TOKEN: Setting = Setting {
    default: "made at the first start and kept in the file `token` of STATE_DIR",
    ..secret(
        "http.token",
        &["MEMDECK_TOKEN"],
        "Token with which operators sign in and scripts call (`Authorization: Bearer`), 16 characters or more",
    )
};
pub const METRICS_TOKEN: Setting = secret(
    "http.metrics_token",
    &["METRICS_TOKEN"],
    "Token with which Prometheus reads `/metrics` and nothing else, 16 characters or more; the token of operators reads it too",
);
pub const OPEN_ACCESS: Setting = setting(
    "http.open_access",
    &["OPEN_ACCESS"],
    "unset: everybody needs the token but scripts of root and of memdeck's own user on this machine",
    "Who needs no token: `loopback` is every user and program of this machine; an agent also takes addresses of \
     dashboards that send none, separated by commas",
);
pub const ALLOWED_HOSTS: Setting = setting(
    "http.allowed_hosts",
    &["MEMDECK_ALLOWED_HOSTS"],
    "localhost, 127.0.0.1, [::1] and the bind address",
    "Further host names by which clients reach this service, separated by commas",
);
pub const TLS_CERT: Setting = setting(
    "http.tls_cert",
    &["TLS_CERT"],
    "unset: plain HTTP",
    "File with the certificate of this service and those of its issuers (PEM); needs TLS_KEY",
);
pub const TLS_KEY: Setting =
    setting("http.tls_key", &["TLS_KEY"], "unset", "File with the private key of TLS_CERT (PEM)");
pub const BEHIND_PROXY: Setting = setting(
    "http.behind_proxy",
    &["MEMDECK_BEHIND_PROXY"],
    "unset: nobody's word is taken for who calls",
    "Addresses of the reverse proxies that add TLS, separated by commas; X-Forwarded-* counts only from them",
);
pub const INSECURE_HTTP: Setting = switch(
    "http.insecure_http",
    &["MEMDECK_INSECURE_HTTP"],
    "Listen to other machines, or dial one, without TLS: the token and guest memory can be read on the way",
);
pub const BASE_PATH: Setting = setting(
    "http.base_path",
    &["MEMDECK_BASE_PATH"],
    "what a proxy named by MEMDECK_BEHIND_PROXY sends as X-Forwarded-Prefix, else /",
    "Path below which a reverse proxy shows the dashboard, such as /memdeck; only for serve",
);
pub const SITE_DIR: Setting = setting(
    "http.site_dir",
    &["SITE_DIR"],
    "`site` beside the program, else in the directory above it",
    "Directory of the built page",
);
pub const LIBVIRT_URI: Setting = setting(
    "libvirt.uri",
    &["LIBVIRT_URI"],
    "qemu:///system",
    "libvirt connection URI of this host's hypervisor",
);
pub const LIBVIRT_TIMEOUT: Setting = setting(
    "libvirt.timeout",
    &["LIBVIRT_TIMEOUT"],
    "30.0",
    "Seconds one libvirt call may take, 0.1 to 3600",
);
pub const DUMP_DIR: Setting = setting(
    "dumps.dir",
    &["DUMP_DIR"],
    "/var/lib/memdeck/dumps as root, else ~/.local/share/memdeck/dumps",
    "Directory of the images",
);
pub const MAX_PARALLEL_DUMPS: Setting =
    setting("dumps.max_parallel", &["MAX_PARALLEL_DUMPS"], "2", "Dumps that run at the same time, 1 to 64");
pub const DUMP_TIMEOUT: Setting = setting(
    "dumps.timeout",
    &["DUMP_TIMEOUT"],
    "3600",
    "Seconds one dump may take before it is cancelled, 1 to 604800",
);
pub const PAUSE_BUDGET: Setting = setting(
    "dumps.pause_budget_ms",
    &["PAUSE_BUDGET_MS"],
    "60",
    "Milliseconds a live dump may stop the guest for its last pages, 1 to 60000; QEMU goes by an estimate",
);
pub const FROZEN_PAUSE_LIMIT: Setting = setting(
    "dumps.frozen_pause_limit",
    &["FROZEN_PAUSE_LIMIT"],
    "30",
    "Seconds a running guest may stand still for a dump, 1 to 86400; at the limit the dump ends and the guest runs",
);
pub const LIVE_TIME_BUDGET: Setting = setting(
    "dumps.live_time_budget",
    &["LIVE_TIME_BUDGET"],
    "120",
    "Seconds a live dump may go on copying before it is given up, 1 to 86400",
);
pub const LIVE_BANDWIDTH: Setting = setting(
    "dumps.live_bandwidth_mibps",
    &["LIVE_BANDWIDTH_MIBPS"],
    "0",
    "MiB per second a live dump may read while the guest runs, 0 to 1000000; 0 is no limit",
);
pub const FULL_EVERY: Setting = setting(
    "dumps.full_every",
    &["FULL_EVERY"],
    "7",
    "Of so many images in a row of a guest that may be stored as differences, one is stored whole, 1 to 100",
);
pub const SHUTDOWN_GRACE: Setting = setting(
    "dumps.shutdown_grace",
    &["SHUTDOWN_GRACE"],
    "20",
    "Seconds that running dumps have to end when memdeck is stopped, 0 to 86400; then they are cancelled",
);
pub const VERIFY_EVERY_DAYS: Setting = setting(
    "images.verify_every_days",
    &["VERIFY_EVERY_DAYS"],
    "30",
    "Days after its dump or its last verification when an image is verified again by itself, 0 to 3650; 0 is never",
);
pub const VERIFY_BANDWIDTH: Setting = setting(
    "images.verify_bandwidth_mibps",
    &["VERIFY_BANDWIDTH_MIBPS"],
    "100",
    "MiB of memory per second that are verified by themselves at most, 0 to 1000000; 0 is no limit",
);
pub const TIMESTAMP_URL: Setting = setting(
    "images.timestamp_url",
    &["TIMESTAMP_URL"],
    "unset: manifests get no time stamp",
    "Authority that stamps the manifests of this host's images with the time (RFC 3161); it is sent a hash and nothing else",
);
pub const TIMESTAMP_CA: Setting = setting(
    "images.timestamp_ca",
    &["TIMESTAMP_CA"],
    "unset: no authority is believed",
    "File with the certificates that vouch for authorities of time stamps (PEM)",
);
pub const AUDIT_SYSLOG: Setting = setting(
    "audit.syslog",
    &["AUDIT_SYSLOG"],
    "unset",
    "Where entries of the audit are sent by syslog (RFC 5424), too: local for /dev/log, unix:///PATH, udp://HOST:PORT or tcp://HOST:PORT",
);
pub const STATE_DIR: Setting = setting(
    "state.dir",
    &["STATE_DIR"],
    "/var/lib/memdeck/state as root, else ~/.local/state/memdeck",
    "Directory of the catalog; one process at a time",
);
pub const SERVICE_URL: Setting = setting(
    "service.url",
    &["MEMDUMP_SERVICE_URL"],
    "unset: dumps are taken by this process",
    "Dump service that takes the dumps, e.g. http://10.0.0.5:5001",
);
pub const SERVICE_TIMEOUT: Setting = setting(
    "service.timeout",
    &["MEMDUMP_SERVICE_TIMEOUT"],
    "30",
    "Seconds one call to the dump service may take, 0.1 to 3600",
);
pub const SERVICE_TOKEN: Setting = secret(
    "service.token",
    &["MEMDUMP_SERVICE_TOKEN"],
    "Token sent to the dump service as `Authorization: Bearer`",
);
pub const INFLUX_URL: Setting = setting(
    "influx.url",
    &["INFLUX_URL", "INFLUX_HOST", "INFLUXDB3_HOST"],
    "unset: nothing is written to InfluxDB",
    "InfluxDB 3, 2 or 1 that gets a point for every finished dump and whose other dump records are shown, e.g. http://localhost:8181",
);
pub const INFLUX_DB: Setting = setting(
    "influx.db",
    &["INFLUX_DB", "INFLUX_DATABASE", "INFLUXDB3_DATABASE"],
    "vmstats",
    "InfluxDB database",
);
pub const INFLUX_TOKEN: Setting =
    secret("influx.token", &["INFLUX_TOKEN", "INFLUXDB3_TOKEN"], "InfluxDB token");
pub const INFLUX_TIMEOUT: Setting = setting(
    "influx.timeout",
    &["INFLUX_TIMEOUT_S"],
    "10",
    "Seconds one call to InfluxDB may take, 0.1 to 3600",
);

pub const INFLUX_USER: Setting = setting(
    "influx.user",
    &["INFLUX_USER"],
    "unset",
    "User name at an InfluxDB 1 with passwords; needs INFLUX_PASSWORD, and no INFLUX_TOKEN beside it",
);
pub const INFLUX_PASSWORD: Setting =
    secret("influx.password", &["INFLUX_PASSWORD"], "Password of INFLUX_USER");
pub const INFLUX_ORG: Setting =
    setting("influx.org", &["INFLUX_ORG"], "unset", "Organisation in InfluxDB 2, 1 to 255 characters");
pub const INFLUX_BUCKET: Setting = setting(
    "influx.bucket",
    &["INFLUX_BUCKET"],
    "unset",
    "Bucket in InfluxDB 2, 1 to 255 characters; where unset, the name in INFLUX_DB",
);
pub const BATCH_MAX_LINES: Setting = setting(
    "influx.batch_max_lines",
    &["BATCH_MAX_LINES"],
    "2000",
    "Lines of telemetry in one write, 1 to 1000000",
);
pub const BATCH_MAX_SEC: Setting = setting(
    "influx.batch_max_sec",
    &["BATCH_MAX_SEC"],
    "1.0",
    "Seconds that telemetry waits for a full write, 0.01 to 3600",
);
pub const POLL_INTERVAL: Setting = setting(
    "telemetry.poll_interval",
    &["POLL_INTERVAL"],
    "1.0",
    "Seconds between two collections of telemetry, 0.1 to 3600",
);
pub const DEVICE_CACHE_TTL: Setting = setting(
    "telemetry.device_cache_ttl",
    &["DEVICE_CACHE_TTL"],
    "300",
    "Seconds for which the list of a guest's devices is kept, 0 to 86400",
);

pub const TELEMETRY: Setting = setting(
    "telemetry.collect",
    &["TELEMETRY"],
    "on",
    "Whether the statistics of guests are collected: on or off; what is started or stopped on the page is remembered",
);
pub const TELEMETRY_STORE_MIB: Setting = setting(
    "telemetry.store_mib",
    &["TELEMETRY_STORE_MIB"],
    "512",
    "MiB that memdeck's own store of telemetry may take, 16 to 1048576; the oldest goes first",
);
pub const BALLOON_STATS: Setting = setting(
    "telemetry.balloon_stats",
    &["BALLOON_STATS"],
    "on",
    "Whether memory statistics are switched on in running guests that have them off: on or off",
);

pub const NOTIFY_PAUSE: Setting = setting(
    "notify.pause_limit",
    &["NOTIFY_PAUSE_LIMIT"],
    "10",
    "Seconds a guest may stand still for a dump before that is worth a notification, 0.01 to 86400",
);
pub const NOTIFY_FREE: Setting = setting(
    "notify.free_gib",
    &["NOTIFY_FREE_GIB"],
    "10",
    "GiB that should be free for images on each host; less is worth a notification, 0 to 1000000; 0 is never",
);

/// All of them, in the order in which they are shown.
pub static SETTINGS: &[&Setting] = &[
    &BIND,
    &TOKEN,
    &METRICS_TOKEN,
    &OPEN_ACCESS,
    &ALLOWED_HOSTS,
    &TLS_CERT,
    &TLS_KEY,
    &BEHIND_PROXY,
    &PROXY_USER_HEADER,
    &PROXY_GROUPS_HEADER,
    &PROXY_ROLES,
    &OIDC_ISSUER,
    &OIDC_CLIENT_ID,
    &OIDC_CLIENT_SECRET,
    &OIDC_NAME,
    &OIDC_SCOPES,
    &OIDC_USER_CLAIM,
    &OIDC_GROUPS_CLAIM,
    &OIDC_ROLES,
    &OIDC_CA,
    &INSECURE_HTTP,
    &BASE_PATH,
    &SITE_DIR,
    &LIBVIRT_URI,
    &LIBVIRT_TIMEOUT,
    &DUMP_DIR,
    &MAX_PARALLEL_DUMPS,
    &DUMP_TIMEOUT,
    &PAUSE_BUDGET,
    &FROZEN_PAUSE_LIMIT,
    &LIVE_TIME_BUDGET,
    &LIVE_BANDWIDTH,
    &FULL_EVERY,
    &SHUTDOWN_GRACE,
    &VERIFY_EVERY_DAYS,
    &VERIFY_BANDWIDTH,
    &TIMESTAMP_URL,
    &TIMESTAMP_CA,
    &STATE_DIR,
    &AUDIT_SYSLOG,
    &SERVICE_URL,
    &SERVICE_TIMEOUT,
    &SERVICE_TOKEN,
    &DASHBOARD_URL,
    &DASHBOARD_TOKEN,
    &DASHBOARD_CA,
    &INFLUX_URL,
    &INFLUX_DB,
    &INFLUX_TOKEN,
    &INFLUX_TIMEOUT,
    &INFLUX_USER,
    &INFLUX_PASSWORD,
    &INFLUX_ORG,
    &INFLUX_BUCKET,
    &BATCH_MAX_LINES,
    &BATCH_MAX_SEC,
    &POLL_INTERVAL,
    &DEVICE_CACHE_TTL,
    &TELEMETRY,
    &TELEMETRY_STORE_MIB,
    &BALLOON_STATS,
    &NOTIFY_PAUSE,
    &NOTIFY_FREE,
];
