//! Whether the service can do what it is for: everything it needs is tried, and nothing of it keeps the answer waiting.
//!
//! What may hang is tried at most once at a time; while a trial hangs, its check fails. Callers need no token, so an answer
//! is kept for a moment, and says no path and no address.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memdeck_catalog::{Catalog, ROOM_OF_RESERVE, VolumeError};
use memdeck_clock::Clock;
use memdeck_model as model;
use memdeck_model::{FailedCheck, Message, ReadinessCheck};
use tokio::sync::{Mutex, oneshot};

use crate::Hosts;

/// The longest that a check is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer is given again.
const KEPT: Duration = Duration::from_secs(3);

/// Tries to write a file into a directory; fails with what the system said, if that is known.
pub type TryDirectory = Arc<dyn Fn() -> Result<(), Option<io::Error>> + Send + Sync>;

/// What the service needs.
pub struct ReadinessParts {
    /// Jobs and records, in the state directory.
    pub catalog: Arc<Catalog>,
    /// Tries to write into the directory of images; `None` if a dump service has it.
    pub dump_dir: Option<TryDirectory>,
    /// Who takes the dumps and lists the guests.
    pub hosts: Arc<Hosts>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Why a check of storage fails, as far as that makes news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Hangs,
    ReadOnly,
    Full,
    Forbidden,
    Unreadable,
    Other,
}

/// A check of storage that fails, and why.
type Found = (Cause, FailedCheck);

/// What a trial found wrong: for programs, and for people.
type Trouble = (Cause, Message);

/// Tries what the service needs.
pub struct Readiness {
    parts: ReadinessParts,
    dump_dir: Trial,
    state_dir: Trial,
    catalog: Trial,
    hypervisor: Arc<AtomicBool>,
    /// What was found last, and when; locked while it is looked at.
    storage: Mutex<Option<(Duration, Vec<Found>)>>,
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
        let (storage, lists_guests) = tokio::join!(self.storage(), self.lists_guests());
        let mut failed: Vec<FailedCheck> = storage.into_iter().map(|(_, failed)| failed).collect();
        if !lists_guests {
            // Why is for those who may ask for guests.
            let detail =
                "The hypervisor does not list its guests; the page and the call for them say why.".into();
            failed.push(FailedCheck { check: ReadinessCheck::Hypervisor, detail });
        }
        if let Err(detail) = self.dump_service() {
            failed.push(FailedCheck { check: ReadinessCheck::DumpService, detail });
        }
        model::Readiness::of(failed)
    }

    /// What keeps images or records from being stored on this host, in sentences; `None` if nothing does. Asks no
    /// hypervisor: that one comes back by itself.
    pub async fn storage_notice(self: &Arc<Self>) -> Option<Message> {
        let failed = self.storage().await;
        let details: Vec<String> = failed.iter().map(|(_, failed)| failed.detail.to_string()).collect();
        (!details.is_empty()).then(|| details.join(" ").into())
    }

    async fn storage(self: &Arc<Self>) -> Vec<Found> {
        let this = Arc::clone(self);
        // A caller that gives up leaves the trials to the next.
        let found = tokio::spawn(async move { this.look_at_storage().await }).await;
        found.unwrap_or_else(|error| {
            tracing::error!(%error, "whether memdeck is ready could not be found out");
            let detail = "memdeck could not find out whether it is ready; its log says why.".into();
            vec![(Cause::Other, FailedCheck { check: ReadinessCheck::Catalog, detail })]
        })
    }

    async fn look_at_storage(&self) -> Vec<Found> {
        let mut last = self.storage.lock().await;
        if let Some((at, failed)) = last.as_ref()
            && self.is_new(*at)
        {
            return failed.clone();
        }
        let failed = self.try_storage().await;
        // What the first look finds is reported by the start.
        if last.as_ref().is_some_and(|(_, before)| is_news(before, &failed)) {
            for (_, FailedCheck { detail, .. }) in &failed {
                tracing::error!("a check fails: {detail}");
            }
            if failed.is_empty() {
                tracing::info!("images and records can be stored again");
            }
        }
        *last = Some((self.parts.clock.monotonic(), failed.clone()));
        failed
    }

    async fn try_storage(&self) -> Vec<Found> {
        let ReadinessParts { catalog, dump_dir, .. } = &self.parts;
        let dump_dir = async {
            let Some(attempt) = dump_dir.clone() else { return Ok(()) };
            self.dump_dir.run(move || attempt().map_err(|error| about_dump_dir(error.as_ref()))).await
        };
        let volume = Arc::clone(catalog);
        let state_dir =
            self.state_dir.run(move || volume.check_volume().map_err(|error| about_state_dir(&error)));
        let readable = Arc::clone(catalog);
        let catalog = self.catalog.run(move || {
            readable.setting(Catalog::ID_SETTING).map(drop).map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "the catalog cannot be read");
                (Cause::Unreadable, "The catalog cannot be read; the log of memdeck says why.".into())
            })
        });
        let (dump_dir, state_dir, catalog) = tokio::join!(dump_dir, state_dir, catalog);
        let tried = [
            (ReadinessCheck::DumpDir, dump_dir),
            (ReadinessCheck::StateDir, state_dir),
            (ReadinessCheck::Catalog, catalog),
        ];
        let failed = tried.into_iter().filter_map(|(check, tried)| {
            let (cause, detail) = tried.err()?;
            Some((cause, FailedCheck { check, detail }))
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
        let hosts = Arc::clone(&self.parts.hosts);
        let asked = tokio::spawn(async move {
            let _under_way = under_way;
            hosts.guests().await.is_ok()
        });
        let lists = matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(true)));
        *last = Some((self.parts.clock.monotonic(), lists));
        lists
    }

    /// Whether what was found then is given again.
    fn is_new(&self, at: Duration) -> bool {
        self.parts.clock.monotonic().saturating_sub(at) < KEPT
    }

    fn dump_service(&self) -> Result<(), Message> {
        match self.parts.hosts.health().error {
            None => Ok(()),
            Some(_) => Err("The dump service does not answer; the page says why.".into()),
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
    async fn run(&self, work: impl FnOnce() -> Result<(), Trouble> + Send + 'static) -> Result<(), Trouble> {
        let late = || (Cause::Hangs, self.late.into());
        if self.is_under_way.swap(true, Ordering::AcqRel) {
            return Err(late());
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
            return Err((
                Cause::Other,
                Message::new(format_args!("The system starts no thread to find out ({error}).")),
            ));
        }
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(late()),
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

/// Whether other checks fail than before, or the same for another cause.
fn is_news(before: &[Found], now: &[Found]) -> bool {
    let kind = |(cause, failed): &Found| (*cause, failed.check);
    !before.iter().map(kind).eq(now.iter().map(kind))
}

fn about_dump_dir(error: Option<&io::Error>) -> Trouble {
    match error {
        Some(error) => about("DUMP_DIR", error),
        None => (Cause::Other, "No image can be stored in DUMP_DIR; the log of memdeck says why.".into()),
    }
}

/// Without what is free just now: that changes with every look, and is no news.
fn about_state_dir(error: &VolumeError) -> Trouble {
    match error {
        VolumeError::Unwritable(source) => about("STATE_DIR", source),
        VolumeError::NoRoom { .. } => (
            Cause::Full,
            Message::new(format_args!(
                "The volume of STATE_DIR is full. Make {ROOM_OF_RESERVE} of room there, which ends of dumps and \
                 deletions need; no other dump is accepted meanwhile."
            )),
        ),
    }
}

/// A directory takes no file.
fn about(directory: &str, error: &io::Error) -> Trouble {
    let (cause, detail) = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => (
            Cause::ReadOnly,
            format!(
                "{directory} is on a volume that is read-only. Look at the disk, then mount it for writing."
            ),
        ),
        io::ErrorKind::StorageFull => (
            Cause::Full,
            format!("The volume of {directory} is full. Make room there, for instance by deleting images."),
        ),
        io::ErrorKind::QuotaExceeded => (
            Cause::Full,
            format!(
                "The disk quota of memdeck's user is used up on the volume of {directory}. Make room there, for \
                 instance by deleting images, or raise the quota."
            ),
        ),
        io::ErrorKind::PermissionDenied => {
            (Cause::Forbidden, format!("memdeck may not write in {directory}. Look at its owner and mode."))
        }
        _ => (Cause::Other, format!("Nothing can be written in {directory} ({error}).")),
    };
    (cause, detail.into())
}

#[cfg(test)]
mod tests {
    use memdeck_model::ByteCount;

    use super::*;

    fn full(free: u64) -> Found {
        let error = VolumeError::NoRoom { free: ByteCount(free), wanted: ByteCount(2 << 20) };
        let (cause, detail) = about_state_dir(&error);
        (cause, FailedCheck { check: ReadinessCheck::StateDir, detail })
    }

    fn unwritable(check: ReadinessCheck, kind: io::ErrorKind) -> Found {
        let (cause, detail) = about("STATE_DIR", &kind.into());
        (cause, FailedCheck { check, detail })
    }

    #[test]
    fn a_full_volume_whose_free_bytes_change_is_no_news_and_another_fault_is() {
        let check = ReadinessCheck::StateDir;
        let before = [full(4096)];
        assert!(!is_news(&before, &[full(8192)]));
        assert_eq!(full(4096), full(8192), "pages are told nothing new either");
        assert!(is_news(&[], &before) && is_news(&before, &[]));
        assert!(is_news(&before, &[unwritable(check, io::ErrorKind::ReadOnlyFilesystem)]));
        assert!(is_news(&before, &[full(4096), unwritable(ReadinessCheck::DumpDir, io::ErrorKind::Other)]));
    }

    #[test]
    fn a_quota_that_is_used_up_is_a_full_volume_and_named_as_what_it_is() {
        let (cause, detail) = about("DUMP_DIR", &io::ErrorKind::QuotaExceeded.into());
        assert_eq!(cause, Cause::Full);
        let shown = detail.to_string();
        assert!(shown.contains("quota") && shown.contains("DUMP_DIR"), "{shown}");
    }
}
