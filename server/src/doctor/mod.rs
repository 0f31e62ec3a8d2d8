//! What an operator would check on a host, checked: each check says what it found, what that means and what to do.
//!
//! A check looks and changes nothing; it may run beside a service. [`repair`] does what is safe, and only where no service
//! has the state directory: a service does the same at its start.

mod certificates;
mod guests;
mod hosts;
mod provider;
mod repair;
mod services;
mod storage;

use std::path::Path;
use std::sync::Arc;

use memdeck_agent::ServiceClient;
use memdeck_catalog::{Catalog, LockHolder};
use memdeck_hypervisor::Hypervisor;
use memdeck_image::ImageStore;
use memdeck_machine::{Depth, InvariantError, Violated, Watched, violations};
use memdeck_model::telemetry::CheckState;
use memdeck_model::with_causes;
use memdeck_operations::blocking;
use serde::Serialize;

use crate::config::Config;

pub use repair::repair;

/// Something that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked; one word that does not change.
    #[serde(rename = "check")]
    pub name: &'static str,
    /// How it stands.
    pub state: CheckState,
    /// What was found, for people.
    pub finding: String,
    /// What to do, for people; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, state: CheckState::Ok, finding: finding.into(), remedy: None }
    }

    fn off(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, state: CheckState::Off, finding: finding.into(), remedy: None }
    }

    fn warning(name: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: CheckState::Warning, finding: finding.into(), remedy: Some(remedy.into()) }
    }

    fn failed(name: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: CheckState::Failed, finding: finding.into(), remedy: Some(remedy.into()) }
    }
}

/// What was found on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether no check failed.
    pub healthy: bool,
    /// Everything that was checked.
    pub checks: Vec<Check>,
    /// What must hold between files, catalog and guests, and does not.
    pub violations: Vec<Violated>,
    /// What was repaired before; empty where nothing was asked for.
    pub repaired: Vec<String>,
}

/// The service that has the state directory.
pub struct OwnService {
    /// Who it is.
    pub holder: LockHolder,
    /// A client of it; `None` where it does not say where it answers. Or why there is none, for people.
    pub client: Result<Option<ServiceClient>, String>,
}

/// Checks the host that `config` describes, whose guests `hypervisor` has.
pub async fn examine(
    config: &Config,
    hypervisor: &Arc<dyn Hypervisor>,
    service: Option<OwnService>,
    depth: Depth,
) -> Report {
    let takes_dumps = config.service.is_none();
    let of_disk = blocking({
        let (config, hypervisor, is_served) = (config.clone(), Arc::clone(hypervisor), service.is_some());
        move || {
            let mut checks = storage::checks(&config, takes_dumps);
            if takes_dumps {
                checks.extend(guests::checks(&config, hypervisor.as_ref()));
            }
            let (found, violations) = invariants(&config, is_served, hypervisor.as_ref(), depth);
            checks.push(found);
            (checks, violations)
        }
    });
    let ((mut checks, violations), of_services) =
        tokio::join!(of_disk, services::checks(config, service.as_ref()));
    checks.extend(of_services);
    let healthy = checks.iter().all(|check| check.state != CheckState::Failed);
    Report { healthy, checks, violations, repaired: Vec::new() }
}

/// The name of the check of what must hold.
const INVARIANTS: &str = "files_and_catalog";

fn invariants(
    config: &Config,
    is_served: bool,
    hypervisor: &dyn Hypervisor,
    depth: Depth,
) -> (Check, Vec<Violated>) {
    let path = config.state_dir.join(Catalog::FILE_NAME);
    if !path.exists() {
        return (Check::off(INVARIANTS, "There is no catalog yet."), Vec::new());
    }
    let found = look(config, is_served, hypervisor, depth);
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            let remedy = "Run this as memdeck's user, while the volumes of STATE_DIR and DUMP_DIR answer.";
            return (Check::failed(INVARIANTS, with_causes(&error), remedy), Vec::new());
        }
    };
    let check = if found.is_empty() {
        let read = match depth {
            Depth::Sampled => "Images were sampled: --deep reads all of them.",
            Depth::Whole => "Every image was read.",
        };
        Check::ok(INVARIANTS, format!("Files, records and guests agree. {read}"))
    } else {
        let list: Vec<String> = found.iter().map(ToString::to_string).collect();
        let remedy = "memdeck doctor --repair, with no service running, does what is safe. For a damaged image, \
                      memdeck verify says where it is damaged.";
        Check::failed(INVARIANTS, format!("{}.", list.join(". ")), remedy)
    };
    (check, found)
}

fn look(
    config: &Config,
    is_served: bool,
    hypervisor: &dyn Hypervisor,
    depth: Depth,
) -> Result<Vec<Violated>, InvariantError> {
    let catalog = Catalog::open_to_read(&config.state_dir)?;
    let store = open_if_there(&config.dumps.dir)?;
    let watched =
        Watched { catalog: &catalog, store: store.as_ref(), hypervisor: Some(hypervisor), is_served };
    violations(&watched, depth)
}

/// The directory of images, which is not made.
fn open_if_there(dir: &Path) -> Result<Option<ImageStore>, memdeck_image::StoreError> {
    if dir.is_dir() { ImageStore::open(dir).map(Some) } else { Ok(None) }
}
