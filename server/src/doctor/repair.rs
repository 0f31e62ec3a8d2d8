//! Does what is safe: what a service does at its start as well, and permissions of memdeck's own directories.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use memdeck_catalog::{Catalog, LockRole};
use memdeck_clock::Clock;
use memdeck_engine::{rebuild, recover, restore_max_downtime, resume_stranded};
use memdeck_hypervisor::Hypervisor;
use memdeck_image::ImageStore;
use memdeck_machine::StoredImages;
use memdeck_model::with_causes;

use crate::config::Config;
use crate::node::{StartError, State, clock};
use crate::ownership;

/// Group and others may write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Repairs what is safe, and says what was done. Blocks.
///
/// # Errors
/// A service has the state directory, or it cannot be used.
pub fn repair(config: &Config, hypervisor: &dyn Hypervisor) -> Result<Vec<String>, StartError> {
    let mut done = Vec::new();
    let takes_dumps = config.service.is_none();
    directory(&config.state_dir, &mut done);
    if takes_dumps {
        directory(&config.dumps.dir, &mut done);
    }
    let state = State::take(config, LockRole::Doctor)?;
    let clock = clock();
    if takes_dumps {
        let store = ImageStore::open(&config.dumps.dir)?;
        files(&state, &store, clock.as_ref(), &mut done)?;
        guests(&state.catalog, hypervisor, &mut done)?;
    }
    match Catalog::back_up(&config.state_dir, clock.now()) {
        Ok(Some(backup)) => done.push(format!("Backed up the catalog: {}.", backup.path.display())),
        Ok(None) => done.push("There is no room for a backup of the catalog.".to_owned()),
        Err(error) => done.push(format!("The catalog could not be backed up: {}.", with_causes(&error))),
    }
    Ok(done)
}

/// Makes a directory that is missing, and keeps others from writing to one of ours.
fn directory(dir: &Path, done: &mut Vec<String>) {
    let Ok(metadata) = dir.metadata() else {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        done.push(match made {
            Ok(()) => format!("Made {}.", dir.display()),
            Err(error) => format!("{} could not be made: {error}.", dir.display()),
        });
        return;
    };
    let mode = metadata.mode() & 0o7777;
    if metadata.uid() == ownership::own_user() && mode & WRITABLE_BY_OTHERS != 0 {
        let private = Permissions::from_mode(mode & !WRITABLE_BY_OTHERS);
        done.push(match fs::set_permissions(dir, private) {
            Ok(()) => format!("Group and others can change {} no more.", dir.display()),
            Err(error) => format!("The mode of {} could not be changed: {error}.", dir.display()),
        });
    }
}

fn files(
    state: &State,
    store: &ImageStore,
    clock: &dyn Clock,
    done: &mut Vec<String>,
) -> Result<(), StartError> {
    let catalog = &state.catalog;
    let abandoned = catalog.active_jobs()?.into_iter().filter(|job| job.started_at.is_some()).count();
    let left: Vec<String> = {
        let is_known = |_: &_| false;
        store.left_over(&is_known)?.iter().map(|path| path.display().to_string()).collect()
    };
    recover(catalog, store, clock)?;
    if abandoned > 0 {
        done.push(format!("Ended {abandoned} dumps that a memdeck which is gone had begun."));
    }
    for path in left.into_iter().filter(|path| !Path::new(path).exists()) {
        done.push(format!("Removed {path}, left over from a dump that was cut off."));
    }
    let deletions = catalog.unsettled_deletions()?.len();
    if deletions > 0 {
        StoredImages::new(std::sync::Arc::clone(catalog), crate::node::clock()).finish_deletions();
        let rest = catalog.unsettled_deletions()?.len();
        done.push(format!("Finished {} deletions of images.", deletions.saturating_sub(rest)));
    }
    let rebuilt = rebuild(catalog, store, clock.now())?;
    for record in rebuilt.added {
        done.push(format!(
            "Added the record of the dump of {} that began at {}.",
            record.dom, record.timestamp
        ));
    }
    Ok(())
}

fn guests(catalog: &Catalog, hypervisor: &dyn Hypervisor, done: &mut Vec<String>) -> Result<(), StartError> {
    for intent in catalog.intents()? {
        let (resumed, limit) =
            (resume_stranded(hypervisor, &intent), restore_max_downtime(hypervisor, &intent));
        let uuid = &intent.guest_uuid;
        if resumed.is_done() && limit.is_done() {
            catalog.settle(&intent.dump_id)?;
            done.push(format!("Made sure that the guest {uuid} is as it was before its dump."));
        } else {
            done.push(format!(
                "How the guest {uuid} stands is not known: libvirt does not answer, or a job has it."
            ));
        }
    }
    Ok(())
}
