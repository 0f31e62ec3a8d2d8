//! Where a setting's value comes from: flag, environment, `.env`, configuration file, in this order.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;

use super::effective::without_user;
use super::hosts::HostEntry;
use super::settings::{SETTINGS, Setting};
use crate::ownership::{self, OwnershipError};

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value is not what the setting takes.
    #[error("{name} is {value} ({origin}); allowed: {allowed}")]
    Invalid {
        /// The setting's name.
        name: &'static str,
        /// The value, quoted, or a mask for secrets.
        value: String,
        /// Who set it.
        origin: Origin,
        /// What is allowed.
        allowed: String,
    },
    /// A setting is needed because of another one.
    #[error("{0}")]
    Missing(String),
    /// A file cannot be read.
    #[error("the configuration file {path} cannot be read: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    /// Somebody else could have written the file.
    #[error("{source}; memdeck does not start with settings that somebody else may have written to {}", path.display())]
    Untrusted { path: PathBuf, source: OwnershipError },
    /// The file has a key nobody reads.
    #[error("the configuration file {path} has an unknown key '{key}'; known are: {known}")]
    UnknownKey {
        path: PathBuf,
        key: String,
        /// All keys.
        known: String,
    },
}

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A command-line flag.
    Flag,
    /// An environment variable of this name.
    Environment(String),
    /// A variable of this name in `.env`.
    DotEnv(String),
    /// The configuration file.
    File,
    /// Nobody.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("from the command line"),
            Self::Environment(name) => write!(f, "from the environment variable {name}"),
            Self::DotEnv(name) => write!(f, "from {name} in .env"),
            Self::File => f.write_str("from the configuration file"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// The values that somebody set, as text, by key.
#[derive(Debug, Default)]
pub struct Sources {
    values: HashMap<&'static str, (String, Origin)>,
    hosts: Vec<HostEntry>,
}

impl Sources {
    /// Joins all sources. Empty text counts as unset, as `VARIABLE=` in a service file means.
    ///
    /// # Errors
    /// The file cannot be read, is no TOML or has an unknown key.
    pub fn gather(
        flags: &HashMap<&'static str, String>,
        environment: &BTreeMap<String, String>,
        dot_env: &BTreeMap<String, String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let (from_file, hosts) = file.map(read_file).transpose()?.unwrap_or_default();
        let mut values = HashMap::new();
        for setting in SETTINGS {
            let in_environment = |variables: &BTreeMap<String, String>, origin: fn(String) -> Origin| {
                setting.env.iter().find_map(|&name| {
                    let value = variables.get(name).filter(|value| !value.trim().is_empty())?;
                    Some((value.clone(), origin(name.to_owned())))
                })
            };
            let value = flags
                .get(setting.key)
                .map(|value| (value.clone(), Origin::Flag))
                .or_else(|| in_environment(environment, Origin::Environment))
                .or_else(|| in_environment(dot_env, Origin::DotEnv))
                .or_else(|| from_file.get(setting.key).map(|value| (value.clone(), Origin::File)));
            if let Some(value) = value {
                values.insert(setting.key, value);
            }
        }
        Ok(Self { values, hosts })
    }

    /// The hosts of the configuration file, unchecked.
    pub fn hosts(&self) -> &[HostEntry] {
        &self.hosts
    }

    /// What was set, without the white space around it.
    pub fn text(&self, setting: &Setting) -> Option<&str> {
        self.values.get(setting.key).map(|(value, _)| value.trim())
    }

    /// Who set it.
    pub fn origin(&self, setting: &Setting) -> Origin {
        self.values.get(setting.key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// What was set, read by `parse`; `default` where nothing was set.
    ///
    /// # Errors
    /// `parse` returns nothing: the error says what is `allowed`.
    pub fn parse<T>(
        &self,
        setting: &Setting,
        default: T,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        match self.text(setting) {
            None => Ok(default),
            Some(text) => parse(text).ok_or_else(|| self.invalid(setting, allowed)),
        }
    }

    /// The error that says what `setting` may be.
    pub fn invalid(&self, setting: &Setting, allowed: &str) -> ConfigError {
        let value = match self.text(setting).unwrap_or_default() {
            _ if setting.secret => "a secret that is not shown".to_owned(),
            // What stands before the sign may be a user with a password.
            text if text.contains('@') && !text.contains("://") => {
                format!("'***@{}'", text.rsplit('@').next().unwrap_or_default())
            }
            text => format!("'{}'", without_user(text)),
        };
        ConfigError::Invalid {
            name: setting.name(),
            value,
            origin: self.origin(setting),
            allowed: allowed.to_owned(),
        }
    }
}

/// The list of hosts in the file.
const HOSTS: &str = "hosts";

/// Flattens the file's sections into `section.key`; the hosts are a list.
fn read_file(path: &Path) -> Result<(HashMap<String, String>, Vec<HostEntry>), ConfigError> {
    let unreadable = |reason: String| ConfigError::Unreadable { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let text = trusted(path, &file)
        .and_then(|()| std::io::read_to_string(file).map_err(|error| unreadable(error.to_string())))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| unreadable(reason(&error, &text)))?;
    let mut values = HashMap::new();
    let mut hosts = Vec::new();
    for (section, content) in table {
        if let (HOSTS, toml::Value::Array(entries)) = (section.as_str(), &content) {
            hosts = read_hosts(entries).map_err(unreadable)?;
            continue;
        }
        let toml::Value::Table(content) = content else {
            return Err(unknown_key(path, section));
        };
        for (key, value) in content {
            let key = format!("{section}.{key}");
            if !SETTINGS.iter().any(|setting| setting.key == key) {
                return Err(unknown_key(path, key));
            }
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Array(items) => {
                    let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
                    texts.ok_or_else(|| unreadable(format!("{key}: a list holds texts only")))?.join(",")
                }
                other => other.to_string(),
            };
            values.insert(key, value);
        }
    }
    Ok((values, hosts))
}

/// Each host as it stands there. What is wrong is told without values: one of them may be a secret.
fn read_hosts(entries: &[toml::Value]) -> Result<Vec<HostEntry>, String> {
    let read = |(place, entry): (usize, &toml::Value)| {
        if entry.get("token").is_some_and(|token| !token.is_str()) {
            return Err(format!("[[hosts]] number {}: its token is no text", place + 1));
        }
        HostEntry::deserialize(entry.clone())
            .map_err(|error| format!("[[hosts]] number {}: {}", place + 1, error.message()))
    };
    entries.iter().enumerate().map(read).collect()
}

/// What is wrong and where. The error's own text would show the line, which may hold a secret.
fn reason(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {}", before.matches('\n').count() + 1, error.message()),
        None => error.message().to_owned(),
    }
}

/// A file that names programs and addresses is read only if nobody else wrote it, nor can put another in its place.
fn trusted(path: &Path, file: &File) -> Result<(), ConfigError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ownership::check_file(path, file)
        .and_then(|()| ownership::check_place(directory))
        .map_err(|source| ConfigError::Untrusted { path: path.to_owned(), source })
}

/// The variables in this file, which do not become variables of this process. No file is no variables.
///
/// # Errors
/// The file cannot be read, or somebody else may have written it.
pub fn dot_env(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let unreadable = |error: dotenvy::Error| {
        let reason = match error {
            // The line may hold a secret; only the name of a known variable is shown.
            dotenvy::Error::LineParse(line, at) => {
                let name = line.split('=').next().unwrap_or_default().trim().trim_start_matches("export ");
                let known = SETTINGS.iter().flat_map(|setting| setting.env).find(|known| **known == name);
                let place = known.map_or("a line".to_owned(), |name| format!("the line of {name}"));
                format!("{place} is not NAME=value (wrong from character {} on)", at + 1)
            }
            error => error.to_string(),
        };
        ConfigError::Unreadable { path: path.to_owned(), reason }
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(unreadable(dotenvy::Error::Io(error))),
    };
    trusted(path, &file)?;
    dotenvy::from_read_iter(file).collect::<Result<_, _>>().map_err(unreadable)
}

fn unknown_key(path: &Path, key: String) -> ConfigError {
    let known = SETTINGS.iter().map(|setting| setting.key).chain([HOSTS]).collect::<Vec<_>>().join(", ");
    ConfigError::UnknownKey { path: path.to_owned(), key, known }
}
