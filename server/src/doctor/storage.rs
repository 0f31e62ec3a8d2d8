//! Directories, what is on their volumes, and the catalog.

use std::path::Path;

use memdeck_catalog::{Backup, Catalog, CatalogError};
use memdeck_image::ImageStore;
use memdeck_model::{ByteCount, Millis, with_causes};
use memdeck_signing::{HostChain, KeyFiles};

use super::Check;
use crate::config::Config;
use crate::{catalog_care, node, ownership, token};

/// Less room than this on the volume of the state directory is too little: the reserve, and a backup.
const STATE_ROOM: ByteCount = ByteCount(128 << 20);
/// A backup is made every hour; twice that says that none could be made.
const OLD_BACKUP: Millis = Millis(2 * 60 * 60 * 1000);

pub fn checks(config: &Config, takes_dumps: bool) -> Vec<Check> {
    let mut checks = vec![state_dir(config), token(config)];
    if takes_dumps {
        checks.push(signing_key(config));
        checks.push(time_stamps(config));
    }
    if config.state_dir.join(Catalog::FILE_NAME).exists() {
        checks.push(catalog(config));
        checks.push(backups(config));
    } else {
        checks.push(Check::off("catalog", "There is none yet: the first start of a service makes it."));
    }
    if takes_dumps {
        checks.push(dump_dir(config));
    }
    checks
}

fn room(dir: &Path) -> Option<ByteCount> {
    let found = rustix::fs::statvfs(dir).ok()?;
    Some(ByteCount(found.f_bavail.saturating_mul(found.f_frsize)))
}

fn state_dir(config: &Config) -> Check {
    const CHECK: &str = "state_dir";
    let dir = &config.state_dir;
    if !dir.exists() {
        let finding = format!("{} does not exist yet: the first start of a service makes it.", dir.display());
        return Check::warning(
            CHECK,
            finding,
            "Start memdeck, or set STATE_DIR to the directory that is meant.",
        );
    }
    if let Err(error) = ownership::check_directory(dir) {
        return Check::failed(
            CHECK,
            with_causes(&error),
            "Run this as memdeck's user. Nobody else may be able to change it: memdeck would believe whatever lies there.",
        );
    }
    match room(dir) {
        None => Check::failed(
            CHECK,
            "Its volume does not say how much room it has.",
            "Look at the disk behind it.",
        ),
        Some(free) if free < STATE_ROOM => Check::warning(
            CHECK,
            format!("{} has {free} of room left.", dir.display()),
            "Make room there: records of dumps and backups of the catalog need it.",
        ),
        Some(free) => {
            Check::ok(CHECK, format!("{} belongs to memdeck alone and has {free} of room.", dir.display()))
        }
    }
}

fn token(config: &Config) -> Check {
    const CHECK: &str = "token";
    if config.http.token.is_some() {
        return Check::ok(CHECK, "MEMDECK_TOKEN sets the token.");
    }
    match token::read(&config.state_dir) {
        Ok(Some(_)) => {
            Check::ok(CHECK, "The token lies in STATE_DIR, where memdeck's user alone can read it.")
        }
        Ok(None) => Check::off(CHECK, "There is none yet: the first start of a service makes it."),
        Err(error) => Check::failed(
            CHECK,
            with_causes(&error),
            "Delete the file if others could read it: the next start makes a new token.",
        ),
    }
}

fn signing_key(config: &Config) -> Check {
    const CHECK: &str = "signing_key";
    let keys = KeyFiles::of(&config.state_dir);
    let key = match keys.read().and_then(|key| keys.known().map(|_| key)) {
        Ok(Some(key)) => key.public().id(),
        Ok(None) => {
            return Check::off(CHECK, "There is none yet: the first dump, or the first start, makes it.");
        }
        Err(error) => {
            return Check::failed(
                CHECK,
                with_causes(&error),
                "Dumps are taken and not signed. memdeck signing-key rotate makes another key; what the lost one signed \
                 is still checked by its public key.",
            );
        }
    };
    match HostChain::read(&config.state_dir) {
        Ok(chain) => {
            let sealed = chain.map_or(0, |chain| chain.number);
            Check::ok(CHECK, format!("Key {key} signs manifests; this host's chain has {sealed} dumps."))
        }
        Err(error) => Check::failed(
            CHECK,
            with_causes(&error),
            "Dumps are taken and signed, but have no place in the chain of this host.",
        ),
    }
}

fn time_stamps(config: &Config) -> Check {
    const CHECK: &str = "time_stamps";
    let Some(url) = &config.time_stamps.url else {
        return Check::off(CHECK, "TIMESTAMP_URL is not set: no authority says when manifests were there.");
    };
    if !config.dumps.dir.exists() {
        return Check::ok(CHECK, format!("{url} is to stamp manifests; there is none yet."));
    }
    match ImageStore::open(&config.dumps.dir).and_then(|store| store.unstamped()) {
        Ok(waiting) if waiting.is_empty() => Check::ok(CHECK, format!("{url} has stamped every manifest.")),
        Ok(waiting) => Check::warning(
            CHECK,
            format!("Manifests without a time stamp: {}.", waiting.len()),
            "A running service asks for them; its log says why it gets none.",
        ),
        Err(error) => Check::failed(CHECK, with_causes(&error), "Run this as memdeck's user."),
    }
}

fn catalog(config: &Config) -> Check {
    const CHECK: &str = "catalog";
    const REMEDY: &str = "Stop memdeck, move catalog.db away and start it again: it restores the newest sound backup \
                          and makes records anew from manifests.";
    match catalog_care::findings(&config.state_dir) {
        Ok(findings) if findings.is_empty() => Check::ok(CHECK, "It was read whole and is sound."),
        Ok(findings) => Check::failed(CHECK, format!("{}.", findings.join("; ")), REMEDY),
        Err(error @ CatalogError::Older { .. }) => {
            Check::warning(CHECK, with_causes(&error), "The next start of a service brings it up to date.")
        }
        Err(error @ CatalogError::Damaged { .. }) => Check::failed(CHECK, with_causes(&error), REMEDY),
        Err(error) => Check::failed(CHECK, with_causes(&error), "Run this as memdeck's user."),
    }
}

fn backups(config: &Config) -> Check {
    const CHECK: &str = "backups";
    let now = node::clock().now();
    let newest = match Catalog::backups(&config.state_dir, now) {
        Ok(backups) => backups.into_iter().next(),
        Err(error) => {
            return Check::failed(CHECK, with_causes(&error), "Look at the directory backups of STATE_DIR.");
        }
    };
    let remedy = "A running service makes one every hour; its log says why it cannot.";
    match newest {
        None => Check::warning(CHECK, "The catalog has no backup yet.", remedy),
        Some(Backup { taken_at, .. }) if taken_at > now || now.since(taken_at) > OLD_BACKUP => {
            Check::warning(CHECK, format!("The newest backup of the catalog is of {taken_at}."), remedy)
        }
        Some(Backup { taken_at, .. }) => {
            Check::ok(CHECK, format!("The newest backup of the catalog is of {taken_at}."))
        }
    }
}

fn dump_dir(config: &Config) -> Check {
    const CHECK: &str = "dump_dir";
    let dir = &config.dumps.dir;
    if !dir.exists() {
        let finding = format!("{} does not exist yet: the first start of a service makes it.", dir.display());
        return Check::warning(
            CHECK,
            finding,
            "Start memdeck, or set DUMP_DIR to the directory that is meant.",
        );
    }
    let written = ImageStore::open(dir).and_then(|store| store.try_write());
    if let Err(error) = written {
        return Check::failed(
            CHECK,
            with_causes(&error),
            "Look at its owner and mode, and at the disk behind it.",
        );
    }
    if let Err(error) = ownership::check_directory(dir) {
        return Check::failed(
            CHECK,
            with_causes(&error),
            "Run this as memdeck's user. Nobody else may be able to change it: images could be exchanged.",
        );
    }
    let free = room(dir).map(|free| format!(" and has {free} of room")).unwrap_or_default();
    Check::ok(CHECK, format!("{} takes files{free}.", dir.display()))
}
