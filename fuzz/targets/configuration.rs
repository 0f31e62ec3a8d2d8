//! The configuration: whatever stands in the file, in `.env` and in the environment, every value is within its limits
//! or refused, and no secret is shown.
#![no_main]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck::config::{Config, ConfigError, Places, Role, SETTINGS, Sources, describe, dot_env};
use memdeck_fuzz::{damaged, scratch};

/// Not in any input by chance.
const SECRET: &str = "s3cr3t-s3cr3t";
const FILE: &str = r#"[http]
bind = "0.0.0.0:8000"
token = "s3cr3t-s3cr3t-s3cr3t"
allowed_hosts = ["kvm-a", "kvm-b.example"]
behind_proxy = ["10.0.0.2", "::1"]
tls_cert = "/etc/memdeck/cert.pem"
tls_key = "/etc/memdeck/key.pem"
insecure_http = false
[libvirt]
uri = "qemu:///system"
timeout = 30.5
[dumps]
max_parallel = 2
pause_budget_ms = 60
live_time_budget = 120
live_bandwidth_mibps = 400
[service]
url = "http://10.0.0.5:5001/"
token = "s3cr3t-s3cr3t-s3cr3t"
[influx]
url = "https://influx.example"
db = "vmstats"
"#;
const DOT_ENV: &str = "DUMP_TIMEOUT=20 # seconds\nexport MAX_PARALLEL_DUMPS='4'\nINFLUX_DB=\"a b\"\n\
    MEMDECK_TOKEN=s3cr3t-s3cr3t-s3cr3t\nDUMP_DIR=$HOME/dumps\n";
const VALUES: [&str; 15] = [
    "",
    "0",
    "1e308",
    "-1",
    "NaN",
    "inf",
    "0.0.0.0:80",
    "http://s3cr3t-s3cr3t:s3cr3t-s3cr3t@host/",
    "s3cr3t-s3cr3t@host",
    "qemu+ssh://s3cr3t-s3cr3t@host/system",
    " 2 ",
    "[::1]:8000",
    "true",
    "10.0.0.2, fe80::1",
    "/tmp/file",
];

static PLACES: LazyLock<[PathBuf; 2]> =
    LazyLock::new(|| ["memdeck.toml", ".env"].map(|name| scratch().join(name)));

/// Whether the secrets in this text still are what they were: values of a key for a secret, on one line each.
fn keeps_secrets_in_place(text: &str, keys: &[&str]) -> bool {
    !text.contains(r#"""""#)
        && !text.contains("'''")
        && text.lines().filter(|line| line.contains(SECRET)).all(|line| {
            keys.iter().any(|key| line.strip_prefix(key).is_some_and(|value| value.contains(SECRET)))
        })
}

fn told(error: &ConfigError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text} {error}");
        cause = error.source();
    }
    text
}

fn check(config: &Config) {
    let seconds = |limits: std::ops::RangeInclusive<f64>, duration: Duration| {
        assert!(limits.contains(&duration.as_secs_f64()), "{duration:?}");
    };
    assert!((1..=64).contains(&config.dumps.max_parallel.get()));
    seconds(0.1..=3600.0, config.libvirt.timeout);
    seconds(1.0..=604_800.0, config.dumps.timeout);
    seconds(0.001..=60.0, config.dumps.pause_budget);
    seconds(1.0..=86_400.0, config.dumps.live_time_budget);
    assert!(config.dumps.live_bandwidth_mibps <= 1_000_000);
    assert!(config.http.token.as_ref().is_none_or(|token| token.expose().chars().count() >= 16));
    for role in [Role::Serve, Role::Agent] {
        if let Ok(address) = config.http.listen_address(role) {
            let is_hidden =
                config.http.tls.is_some() || !config.http.proxies.is_empty() || config.http.insecure_http;
            let is_guarded = config.http.token.is_some() && is_hidden;
            assert!(address.ip().is_loopback() || is_guarded, "{address} is open to all");
        }
    }
    for url in [
        config.service.as_ref().map(|service| &service.url),
        config.influx.as_ref().map(|influx| &influx.url),
    ] {
        assert!(url.is_none_or(|url| url.password().is_none() && url.username().is_empty()));
    }
    assert!(
        config.http.allowed_hosts.iter().all(|host| !host.is_empty() && *host == host.to_ascii_lowercase())
    );
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let environment: BTreeMap<String, String> = (0..data.int_in_range(0..=4).unwrap_or_default())
        .filter_map(|_| {
            let setting = data.choose(SETTINGS).ok()?;
            let name = data.choose(setting.env).ok()?;
            Some(((*name).to_owned(), (*data.choose(&VALUES).ok()?).to_owned()))
        })
        .collect();
    let [file, variables] = &*PLACES;
    let half = data.bytes(data.len() / 2).unwrap_or_default();
    let file_text = damaged(&mut Unstructured::new(half), &[FILE.as_bytes()]);
    let variables_text = damaged(&mut data, &[DOT_ENV.as_bytes()]);
    fs::write(file, &file_text).expect("a writable directory");
    fs::write(variables, &variables_text).expect("a writable directory");
    let is_secret = keeps_secrets_in_place(&String::from_utf8_lossy(&file_text), &["token = \""])
        && keeps_secrets_in_place(&String::from_utf8_lossy(&variables_text), &["MEMDECK_TOKEN="])
        // A user without a password may be anybody.
        && !environment.values().any(|value| value.contains(SECRET) && !value.contains("://"));

    let read = dot_env(variables)
        .and_then(|variables| Sources::gather(&HashMap::new(), &environment, &variables, Some(file)));
    let shown = match read {
        Ok(sources) => match Config::from_sources(&sources, &Places::of_this_user(&environment)) {
            Ok(config) => {
                check(&config);
                describe(&sources)
            }
            Err(error) => format!("{} {}", describe(&sources), told(&error)),
        },
        Err(error) => told(&error),
    };
    assert!(!is_secret || !shown.contains(SECRET), "{shown}");
});
