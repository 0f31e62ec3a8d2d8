//! The settings as they hold, for people and for the page: secrets masked.

use memdeck_model::telemetry::SettingInUse;
use serde::Serialize;

use super::hosts::{HostEntry, ShownHost};
use super::settings::SETTINGS;
use super::sources::Sources;

/// A URI without what may be a name and password.
pub(super) fn without_user(uri: &str) -> String {
    match (uri.split_once("://"), uri.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://***@{place}"),
        _ => uri.to_owned(),
    }
}

/// A setting as it holds.
#[derive(Debug, Serialize)]
pub struct Effective {
    /// `section.key` in the configuration file.
    pub key: &'static str,
    /// The environment variables that set it.
    pub env: &'static [&'static str],
    /// What was set, secrets and users of URIs masked; `None` if nothing was.
    pub value: Option<String>,
    /// Who set it.
    pub origin: String,
    /// What holds where nothing is set, in words.
    pub default: &'static str,
}

/// Every setting as it holds, in the order in which they are shown.
pub fn effective(sources: &Sources) -> impl Iterator<Item = Effective> {
    SETTINGS.iter().map(|setting| Effective {
        key: setting.key,
        env: setting.env,
        value: sources.text(setting).map(|value| match value {
            _ if setting.secret => "***".to_owned(),
            value if value.contains('@') => without_user(value),
            value => value.to_owned(),
        }),
        origin: sources.origin(setting).to_string(),
        default: setting.default,
    })
}

/// The settings of telemetry and of what it uses, secrets masked.
pub(super) fn shown(sources: &Sources) -> Vec<SettingInUse> {
    let concerns = |setting: &Effective| {
        let section = setting.key.split('.').next().unwrap_or_default();
        matches!(section, "libvirt" | "influx" | "telemetry")
    };
    let names = effective(sources).filter(concerns).map(|setting| SettingInUse {
        name: setting.env.first().copied().unwrap_or(setting.key).to_owned(),
        value: setting.value.unwrap_or_else(|| setting.default.to_owned()),
    });
    names.collect()
}

/// What `memdeck config` prints: every setting with its effective value and who set it, secrets masked.
pub fn describe(sources: &Sources) -> String {
    use std::fmt::Write;

    let mut text = String::new();
    let mut section = "";
    for setting in effective(sources) {
        let (this_section, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if this_section != section {
            section = this_section;
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{section}]");
        }
        let _ = match setting.value {
            Some(value) => writeln!(text, "{key} = {}  # {}", toml::Value::from(value), setting.origin),
            None => writeln!(text, "# {key}: {}", setting.default),
        };
    }
    for host in shown_hosts(sources) {
        if let Ok(host) = toml::to_string(&host) {
            let _ = write!(text, "\n[[hosts]]\n{host}");
        }
    }
    text
}

/// The hosts of the configuration file, secrets masked.
pub fn shown_hosts(sources: &Sources) -> impl Iterator<Item = ShownHost> {
    sources.hosts().iter().map(HostEntry::shown)
}
