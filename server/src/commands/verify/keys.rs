//! Whose signatures are believed: keys that were given, or else those of the state directory. And whose time stamps.

use std::path::{Path, PathBuf};

use memdeck_signing::{Authorities, KeyFiles, KnownKeys, PublicKey};

use crate::commands::{Failure, with_causes};
use crate::config::Config;
use crate::ownership;

pub struct Believed {
    pub keys: KnownKeys,
    /// Why there are none, where that is so.
    pub problem: Option<String>,
}

impl Believed {
    /// Reads the keys of these files; with none, those of the state directory.
    pub fn of(config: &Config, given: &[PathBuf]) -> Result<Self, Failure> {
        if !given.is_empty() {
            let keys: Result<Vec<PublicKey>, Failure> = given.iter().map(|path| read(path)).collect();
            return Ok(Self { keys: KnownKeys::demanded(keys?), problem: None });
        }
        let state_dir = config.state_dir.display();
        let known = ownership::check_directory(&config.state_dir)
            .map_err(|error| with_causes(&error))
            .and_then(|()| KeyFiles::of(&config.state_dir).known().map_err(|error| with_causes(&error)));
        Ok(match known {
            Ok(keys) => {
                let is_none = keys == KnownKeys::default();
                Self { keys, problem: is_none.then(|| format!("{state_dir} has no signing keys")) }
            }
            Err(error) => Self { keys: KnownKeys::default(), problem: Some(error) },
        })
    }
}

fn read(path: &Path) -> Result<PublicKey, Failure> {
    let unusable = |why: String| Failure::new(format!("the key {} cannot be used: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    PublicKey::from_pem(&pem).map_err(|error| unusable(error.to_string()))
}

/// The authorities of these files; with none, those of the configuration.
pub fn authorities(config: &Config, given: &[PathBuf]) -> Result<Authorities, Failure> {
    if given.is_empty() {
        return Ok(Authorities::clone(&config.time_stamps.authorities));
    }
    let mut pem = Vec::new();
    for path in given {
        let unusable =
            |why: String| Failure::new(format!("the certificates {} cannot be used: {why}", path.display()));
        let read = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        // Each alone, so that the one that is of no use is named.
        Authorities::from_pem(&read).map_err(|fault| unusable(fault.to_string()))?;
        pem.extend(read);
        pem.push(b'\n');
    }
    Authorities::from_pem(&pem).map(Authorities::demanded).map_err(|fault| Failure::new(fault.to_string()))
}
