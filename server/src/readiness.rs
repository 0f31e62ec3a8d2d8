//! Whether the service can do what it is for: everything it needs is tried, and nothing of it keeps the answer waiting.
//!
//! What may hang is tried at most once at a time; while a trial hangs, its check fails. Callers need no token, so an answer
//! is kept for a moment, and says no path and no address.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memdeck_catalog::{Catalog, VolumeError};
use memdeck_engine::{Clock, DumpBackend};
use memdeck_image::{ImageStore, StoreError};
use memdeck_model as model;
use memdeck_model::{FailedCheck, ReadinessCheck};
use tokio::sync::{Mutex, oneshot};

use crate::desk::GuestSource;

/// The longest that a check is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer is given again.
const KEPT: Duration = Duration::from_secs(3);

/// What the service needs.
pub struct ReadinessParts {
    /// Jobs and records, in the state directory.
    pub catalog: Arc<Catalog>,
    /// The directory of images; `None` where a dump service has it.
    pub store: Option<ImageStore>,
    /// Who takes the dumps.
    pub backend: Arc<dyn DumpBackend>,
    /// Who lists the guests.
    pub guests: Arc<dyn GuestSource>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Tries what the service needs.
pub struct Readiness {
    parts: ReadinessParts,
    dump_dir: Trial,
    state_dir: Trial,
    catalog: Trial,
    hypervisor: Arc<AtomicBool>,
    /// What was found last, and when; locked while it is looked at.
    storage: Mutex<Option<(Duration, Vec<FailedCheck>)>>,
    guests: Mutex<Option<(Duration, bool)>>,
}

impl Readiness {
    /// Of a service with these parts.
    #[must_use]
    pub fn new(parts: ReadinessParts) -> Arc<Self> {
        let trial = |late| Trial { late, is_under_way: Arc::default() };
        Arc::new(Self {
            parts,
            dump_dir: trial(
                "DUMP_DIR does not answer: its volume hangs. Look at the disk or the network behind it.",
            ),
            state_dir: trial(
                "STATE_DIR does not answer: its volume hangs. Look at the disk or the network behind it.",
            ),
            catalog: trial("The catalog does not answer: the volume of STATE_DIR hangs, or is slow."),
            hypervisor: Arc::default(),
            storage: Mutex::default(),
            guests: Mutex::default(),
        })
    }

    /// Whether dumps can be taken, stored and recorded now, as of some seconds ago at most.
    pub async fn now(self: &Arc<Self>) -> model::Readiness {
        let (mut failed, lists_guests) = tokio::join!(self.storage(), self.lists_guests());
        if !lists_guests {
            // Why is for those who may ask for guests.
            let detail =
                "The hypervisor does not list its guests; the page and the call for them say why.".to_owned();
            failed.push(FailedCheck { check: ReadinessCheck::Hypervisor, detail });
        }
        if let Err(detail) = self.dump_service() {
            failed.push(FailedCheck { check: ReadinessCheck::DumpService, detail });
        }
        model::Readiness::of(failed)
    }

    /// What keeps images or records from being stored on this host, in sentences; `None` where nothing does. Asks no
    /// hypervisor: that one comes back by itself.
    pub async fn storage_notice(self: &Arc<Self>) -> Option<String> {
        let failed = self.storage().await;
        let details: Vec<&str> = failed.iter().map(|failed| failed.detail.as_str()).collect();
        (!details.is_empty()).then(|| details.join(" "))
    }

    async fn storage(self: &Arc<Self>) -> Vec<FailedCheck> {
        let this = Arc::clone(self);
        // Whoever gives up waiting leaves the trials to those who ask next.
        let found = tokio::spawn(async move { this.look_at_storage().await }).await;
        found.unwrap_or_else(|error| {
            tracing::error!(%error, "whether memdeck is ready could not be found out");
            let detail = "memdeck could not find out whether it is ready; its log says why.".to_owned();
            vec![FailedCheck { check: ReadinessCheck::Catalog, detail }]
        })
    }

    async fn look_at_storage(&self) -> Vec<FailedCheck> {
        let mut last = self.storage.lock().await;
        if let Some((at, failed)) = last.as_ref()
            && self.is_new(*at)
        {
            return failed.clone();
        }
        let failed = self.try_storage().await;
        // What the first look finds is said by whoever starts.
        if last.as_ref().is_some_and(|(_, before)| *before != failed) {
            for FailedCheck { detail, .. } in &failed {
                tracing::error!("a check fails: {detail}");
            }
            if failed.is_empty() {
                tracing::info!("images and records can be stored again");
            }
        }
        *last = Some((self.parts.clock.monotonic(), failed.clone()));
        failed
    }

    async fn try_storage(&self) -> Vec<FailedCheck> {
        let ReadinessParts { catalog, store, .. } = &self.parts;
        let dump_dir = async {
            let Some(store) = store.clone() else { return Ok(()) };
            self.dump_dir.run(move || store.try_write().map_err(|error| about_dump_dir(&error))).await
        };
        let volume = Arc::clone(catalog);
        let state_dir =
            self.state_dir.run(move || volume.check_volume().map_err(|error| about_state_dir(&error)));
        let readable = Arc::clone(catalog);
        let catalog = self.catalog.run(move || {
            readable.setting(Catalog::ID_SETTING).map(drop).map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the catalog cannot be read");
                "The catalog cannot be read; the log of memdeck says why.".to_owned()
            })
        });
        let (dump_dir, state_dir, catalog) = tokio::join!(dump_dir, state_dir, catalog);
        let tried = [
            (ReadinessCheck::DumpDir, dump_dir),
            (ReadinessCheck::StateDir, state_dir),
            (ReadinessCheck::Catalog, catalog),
        ];
        let failed = tried.into_iter().filter_map(|(check, tried)| {
            let detail = tried.err()?;
            Some(FailedCheck { check, detail })
        });
        failed.collect()
    }

    async fn lists_guests(self: &Arc<Self>) -> bool {
        let this = Arc::clone(self);
        tokio::spawn(async move { this.look_at_guests().await }).await.unwrap_or(false)
    }

    /// A call that hangs goes on, and no other one is begun before it has come back.
    async fn look_at_guests(&self) -> bool {
        let mut last = self.guests.lock().await;
        if let Some((at, lists)) = *last
            && self.is_new(at)
        {
            return lists;
        }
        if self.hypervisor.swap(true, Ordering::AcqRel) {
            return false;
        }
        let under_way = UnderWay(Arc::clone(&self.hypervisor));
        let guests = Arc::clone(&self.parts.guests);
        let asked = tokio::spawn(async move {
            let _under_way = under_way;
            guests.list().await.is_ok()
        });
        let lists = matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(true)));
        *last = Some((self.parts.clock.monotonic(), lists));
        lists
    }

    /// Whether what was found then is given again.
    fn is_new(&self, at: Duration) -> bool {
        self.parts.clock.monotonic().saturating_sub(at) < KEPT
    }

    fn dump_service(&self) -> Result<(), String> {
        match self.parts.backend.health().error {
            None => Ok(()),
            Some(_) => Err("The dump service does not answer; the page says why.".to_owned()),
        }
    }
}

/// Something to try that may hang.
struct Trial {
    /// What is said when it has not ended in time.
    late: &'static str,
    is_under_way: Arc<AtomicBool>,
}

impl Trial {
    /// Tries it on a thread of its own, unless an earlier one has not come back.
    async fn run(&self, work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
        if self.is_under_way.swap(true, Ordering::AcqRel) {
            return Err(self.late.to_owned());
        }
        let under_way = UnderWay(Arc::clone(&self.is_under_way));
        let (tell, told) = oneshot::channel();
        let thread = std::thread::Builder::new().name("readiness".to_owned());
        let started = thread.spawn(move || {
            let result = work();
            drop(under_way);
            // Nobody may be waiting any more.
            let _ = tell.send(result);
        });
        if let Err(error) = started {
            return Err(format!("The system starts no thread to find out ({error})."));
        }
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(self.late.to_owned()),
        }
    }
}

/// Says that a trial has ended, even by a panic.
struct UnderWay(Arc<AtomicBool>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn about_dump_dir(error: &StoreError) -> String {
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) => about("DUMP_DIR", source),
        None => "No image can be stored in DUMP_DIR; the log of memdeck says why.".to_owned(),
    }
}

fn about_state_dir(error: &VolumeError) -> String {
    match error {
        VolumeError::Unwritable(source) => about("STATE_DIR", source),
        VolumeError::NoRoom { free, wanted } => format!(
            "The volume of STATE_DIR is full: {free} are free, and {wanted} are needed for ends of dumps and for \
             deletions. Make room there; no other dump is accepted meanwhile."
        ),
    }
}

/// A directory takes no file.
fn about(directory: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            format!(
                "{directory} is on a volume that is read-only. Look at the disk, then mount it for writing."
            )
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("The volume of {directory} is full. Make room there, for instance by deleting images.")
        }
        io::ErrorKind::PermissionDenied => {
            format!("memdeck may not write in {directory}. Look at its owner and mode.")
        }
        _ => format!("Nothing can be written in {directory} ({error})."),
    }
}
