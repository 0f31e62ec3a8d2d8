//! Looks after the catalog while memdeck serves: what a restoration did, a check at the start, a backup every hour,
//! the reserve.
//!
//! What operators must know is kept in the catalog itself, so that a restart does not hide it, and shown on the page.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError, Restoration};
use memdeck_clock::Clock;
use memdeck_engine::{NOT_KNOWN, Rebuilt, rebuild};
use memdeck_image::ImageStore;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, ChainStart, NewEntry, Witness};
use memdeck_model::{Actor, Millis, Timestamp, with_causes};
use memdeck_operations::blocking;
use memdeck_operations::catalog_notice::{self, Found};

/// Between two backups.
const BACKUP_INTERVAL: Duration = Duration::from_hours(1);
/// Between two looks at whether one is due.
const LOOK_INTERVAL: Duration = Duration::from_mins(5);
/// Between two looks at whether the reserve is whole.
const RESERVE_INTERVAL: Duration = Duration::from_secs(5);
/// Whether the directory of images holds manifests: then an empty catalog is one that was lost. The directory is not
/// created.
pub fn has_images(dump_dir: &Path) -> bool {
    let Ok(entries) = dump_dir.read_dir() else { return false };
    entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.ends_with(".elf.zst"))
    })
}

/// The ends of the audit that the manifests in a directory of images name.
pub fn witnesses(dump_dir: &Path) -> Vec<Witness> {
    if !dump_dir.is_dir() {
        return Vec::new();
    }
    let stored = ImageStore::open(dump_dir).and_then(|store| store.stored());
    match stored {
        Ok(stored) => stored.dumps.into_iter().filter_map(|dump| dump.manifest.witness()).collect(),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "manifests cannot be held against the audit");
            Vec::new()
        }
    }
}

/// After a restoration: makes records anew from manifests; log and page say what was done and what is missing.
/// What cannot be rebuilt does not stop the start; then the restoration is not finished, and the next start tries again.
pub fn after_restoration(catalog: &Catalog, state_dir: &Path, dump_dir: &Path, restoration: &Restoration) {
    let rebuilt = if dump_dir.is_dir() {
        let store = ImageStore::open(dump_dir).map_err(|error| with_causes(&error));
        store.and_then(|store| rebuild(catalog, &store, restoration.at).map_err(|error| with_causes(&error)))
    } else {
        Ok(Rebuilt::default())
    };
    let text = restored(restoration, rebuilt.as_ref().map_err(String::as_str));
    tracing::error!("{text}");
    let is_told = catalog_notice::tell(catalog, Found::Restored, Some((restoration.at, text)));
    if rebuilt.is_err() || !is_told {
        return;
    }
    note_restoration(catalog, dump_dir, restoration.at);
    if let Err(error) = restoration.finish(state_dir) {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the next start will report the restoration again"
        );
    }
}

/// Notes in the audit how many of its rows are missing, as far as manifests name them.
fn note_restoration(catalog: &Catalog, dump_dir: &Path, at: Timestamp) {
    let noted = catalog.verify_audit(witnesses(dump_dir)).and_then(|report| {
        let missing =
            report.restored.iter().find(|restored| restored.at == at).map(|restored| restored.missing);
        let chain = Some(ChainStart { restored_at: Some(at), missing, ..ChainStart::default() });
        let details = AuditDetails { chain, ..AuditDetails::default() };
        let entry = NewEntry::new(at, Actor::Service, AuditAction::CatalogRestored, AuditObject::Catalog);
        catalog.note(&entry.with(details))
    });
    if let Err(error) = noted {
        tracing::error!(error = &error as &dyn std::error::Error, "the restoration is not in the audit");
    }
}

/// What was found, what is in its place, and what is missing.
fn restored(restoration: &Restoration, rebuilt: Result<&Rebuilt, &str>) -> String {
    let Restoration { at, found, was_asked_for, kept_aside, backup, unsound } = restoration;
    let mut told = vec![if *was_asked_for {
        format!("At {at} an operator had the catalog replaced by a backup.")
    } else {
        format!("When memdeck started at {at}, its catalog could not be used: {found}.")
    }];
    if let Some(aside) = kept_aside {
        told.push(format!("It is kept as {}.", aside.display()));
    }
    match backup {
        Some(backup) => told.push(format!(
            "The backup of {} is in its place; what happened after that is missing, except for what manifests contain.",
            backup.taken_at
        )),
        None => told.push("There was no sound backup, so a new catalog was begun.".to_owned()),
    }
    if !unsound.is_empty() {
        told.push(format!("{} newer backups are damaged.", unsound.len()));
    }
    match rebuilt {
        Ok(rebuilt) => {
            told.push(format!("{} records were made anew from manifests.", rebuilt.added.len()));
            if !rebuilt.unusable.is_empty() {
                told.push(format!("{} manifests are of no use.", rebuilt.unusable.len()));
            }
        }
        Err(why) => told.push(format!(
            "Records could not be made anew from manifests ({why}); memdeck tries again at its next start."
        )),
    }
    told.push(NOT_KNOWN.to_owned());
    told.join(" ")
}

/// Looks after the catalog of a service. Never ends.
pub async fn keep(catalog: Arc<Catalog>, state_dir: PathBuf, clock: Arc<dyn Clock>) {
    tokio::join!(keep_reserve(Arc::clone(&catalog)), check_and_back_up(catalog, state_dir, clock));
}

/// Makes the reserve whole again, as soon as there is room. The readiness check reports when there is
/// none.
async fn keep_reserve(catalog: Arc<Catalog>) {
    loop {
        tokio::time::sleep(RESERVE_INTERVAL).await;
        let catalog = Arc::clone(&catalog);
        let _ = blocking(move || catalog.renew_reserve()).await;
    }
}

/// Checks the catalog once, then backs it up every hour.
async fn check_and_back_up(catalog: Arc<Catalog>, state_dir: PathBuf, clock: Arc<dyn Clock>) {
    blocking({
        let (catalog, state_dir, clock) = (Arc::clone(&catalog), state_dir.clone(), Arc::clone(&clock));
        move || check(&catalog, &state_dir, clock.now())
    })
    .await;
    loop {
        let (state_dir, now) = (state_dir.clone(), clock.now());
        blocking(move || back_up_if_due(&state_dir, now)).await;
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Reads all of the catalog on connections of its own.
fn check(catalog: &Catalog, state_dir: &Path, at: Timestamp) {
    match findings(state_dir) {
        Ok(findings) if findings.is_empty() => {
            catalog_notice::tell(catalog, Found::Unsound, None);
        }
        Ok(findings) => {
            let text = format!(
                "The catalog is not sound: {}. Run memdeck catalog check, which says what to do.",
                findings.join("; ")
            );
            tracing::error!("{text}");
            catalog_notice::tell(catalog, Found::Unsound, Some((at, text)));
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the catalog cannot be checked");
        }
    }
}

/// What is wrong with the catalog of that directory, in parts of a sentence.
///
/// # Errors
/// It cannot be read.
pub fn findings(state_dir: &Path) -> Result<Vec<String>, CatalogError> {
    let catalog = Catalog::open_to_read(state_dir)?;
    let mut findings = catalog.damage()?;
    findings.extend(catalog.altered_records()?.into_iter().map(|row| {
        let unknown = || "unknown".to_owned();
        format!(
            "record {} (dump {} of {}) was changed after memdeck wrote it",
            row.seq,
            row.dump_id.unwrap_or_else(unknown),
            row.dom.unwrap_or_else(unknown)
        )
    }));
    Ok(findings)
}

fn back_up_if_due(state_dir: &Path, now: Timestamp) {
    let newest = Catalog::backups(state_dir, now).map(|backups| backups.into_iter().next());
    let result = match newest {
        Ok(Some(newest))
            if newest.taken_at <= now && now.since(newest.taken_at) < Millis::from(BACKUP_INTERVAL) =>
        {
            return;
        }
        Ok(_) => Catalog::back_up(state_dir, now),
        Err(error) => Err(error),
    };
    match result {
        Ok(Some(backup)) => tracing::debug!(path = %backup.path.display(), "catalog backed up"),
        Ok(None) => {
            tracing::warn!("no room for a backup of the catalog on the volume of the state directory");
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the catalog cannot be backed up");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_minute(minute: i64) -> Timestamp {
        Timestamp::from_unix_micros(1_763_110_740_000_000 + minute * 60_000_000).unwrap()
    }

    #[test]
    fn a_backup_is_made_at_the_start_every_hour_and_after_the_clock_was_set_back() {
        let dir = tempfile::tempdir().unwrap();
        drop(Catalog::open(dir.path()).unwrap());
        let look = |minute| {
            back_up_if_due(dir.path(), at_minute(minute));
            let mut taken: Vec<_> = Catalog::backups(dir.path(), at_minute(minute))
                .unwrap()
                .iter()
                .map(|backup| i64::try_from(backup.taken_at.since(at_minute(0)).0 / 60_000).unwrap())
                .collect();
            taken.sort_unstable();
            taken
        };
        assert_eq!(look(30), [30]);
        assert_eq!(look(89), [30]);
        assert_eq!(look(90), [30, 90]);
        assert_eq!(look(95), [30, 90]);
        // Set back to before any: nobody knows how old those are.
        assert_eq!(look(10), [10, 30, 90]);
        assert_eq!(look(20), [10, 30, 90]);
    }
}
