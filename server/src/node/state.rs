//! The state directory of a process, and the catalog in it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use memdeck_catalog::{Catalog, CatalogError, LockError, LockHolder, LockRole, StateLock};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, NewEntry};
use memdeck_model::{Actor, DumpId};

use super::{StartError, clock};
use crate::catalog_care;
use crate::config::Config;
use crate::ownership;

/// The state directory, taken by this process.
pub struct State {
    pub lock: StateLock,
    pub catalog: Arc<Catalog>,
}

impl State {
    /// Takes the state directory and opens its catalog.
    pub fn take(config: &Config, role: LockRole) -> Result<Self, StartError> {
        private_directory(&config.state_dir)?;
        let lock = StateLock::acquire(&config.state_dir, &holder(role, None))?;
        let (dump_dir, now) = (&config.dumps.dir, clock().now());
        let (catalog, restoration) =
            Catalog::open_or_restore(&config.state_dir, now, || catalog_care::has_images(dump_dir))?;
        if let Some(restoration) = restoration {
            catalog_care::after_restoration(&catalog, &config.state_dir, dump_dir, &restoration);
        }
        // On a full volume memdeck serves without it, and says so.
        if let Err(error) = catalog.renew_reserve() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "no room is kept for ends and deletions"
            );
        }
        Ok(Self { lock, catalog: Arc::new(catalog) })
    }

    /// Notes that a service begins, and before that whatever the last one had begun and could not end.
    pub fn note_start(&self) {
        let noted = self.catalog.note_start(&service_entry(AuditAction::ServiceStarted));
        // A full volume does not keep memdeck from serving.
        if let Err(error) = noted {
            tracing::error!(error = &error as &dyn std::error::Error, "the start is not in the audit");
        }
    }

    /// Notes that it ends.
    pub fn note_stop(&self) {
        if let Err(error) = self.catalog.note(&service_entry(AuditAction::ServiceStopped)) {
            tracing::error!(error = &error as &dyn std::error::Error, "the end is not in the audit");
        }
    }

    /// The identity of the catalog: sequence numbers of its records mean nothing in another one.
    pub fn catalog_id(&self) -> Result<String, CatalogError> {
        if let Some(id) = self.catalog.setting(Catalog::ID_SETTING)? {
            return Ok(id);
        }
        let id = DumpId::from_uuid_bits(uuid::Uuid::new_v4().as_u128()).to_string();
        self.catalog.set_setting(Catalog::ID_SETTING, &id)?;
        Ok(id)
    }
}

fn service_entry(action: AuditAction) -> NewEntry {
    let version = Some(env!("CARGO_PKG_VERSION").to_owned());
    let details = AuditDetails { version, ..AuditDetails::default() };
    NewEntry::new(clock().now(), Actor::Service, action, AuditObject::Service).with(details)
}

/// Makes the state directory if it is missing. One that somebody else can change is not used: a user who plants a lock
/// file or a catalog there would be believed.
pub fn private_directory(state_dir: &Path) -> Result<(), StartError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(state_dir);
    made.map_err(|source| LockError::Io { dir: state_dir.to_owned(), source })?;
    Ok(ownership::check_directory(state_dir)?)
}

/// Who this process is to others that want its state directory.
pub fn holder(role: LockRole, url: Option<String>) -> LockHolder {
    LockHolder { pid: std::process::id(), role, url, token_in_state_dir: false }
}
