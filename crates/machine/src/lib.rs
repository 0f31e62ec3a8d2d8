//! This machine as a host: dumps by the engine of this process, guests of the hypervisor beside it, images in its own
//! directory.

mod guests;
mod images;
mod invariants;
mod telemetry;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use memdeck_catalog::CatalogError;
use memdeck_engine::{Engine, EngineError};
use memdeck_image::ImageStore;
use memdeck_model::{
    Actor, ByteCount, DumpId, DumpOptions, DumpStatus, Event, FrozenPause, Guest, HostCondition, Problem,
    RequestKey, Target,
};
use memdeck_operations::{GuestList, Host, HostError, HostFacts, ImageHost, TryDirectory, blocking};
use tokio::sync::broadcast;

pub use guests::HypervisorGuests;
pub use images::{ImageCare, StoredImages};
pub use invariants::{Depth, InvariantError, Violated, Watched, violations};
pub use telemetry::{MeasuredGuests, influx_checks};

/// How long the volume of the images is waited for when it is asked for its free space.
const VOLUME_PATIENCE: Duration = Duration::from_secs(1);

/// This machine.
pub struct Machine {
    engine: Arc<Engine>,
    guests: Arc<HypervisorGuests>,
    images: Arc<StoredImages>,
    /// Whether the volume of the images was asked for its free space and has not answered: it may hang.
    is_asking_volume: Arc<AtomicBool>,
}

impl Machine {
    /// Dumps `guests` with `engine`, and keeps `images`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, guests: Arc<HypervisorGuests>, images: Arc<StoredImages>) -> Self {
        Self { engine, guests, images, is_asking_volume: Arc::default() }
    }

    /// What is free for images; `None` where the volume does not answer.
    async fn free_bytes(&self) -> Option<ByteCount> {
        if self.is_asking_volume.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (engine, is_asking) = (Arc::clone(&self.engine), Arc::clone(&self.is_asking_volume));
        let asked = blocking(move || {
            let free = engine.free_bytes();
            is_asking.store(false, Ordering::Release);
            free
        });
        tokio::time::timeout(VOLUME_PATIENCE, asked).await.ok().flatten()
    }

    /// Calls the engine off the async runtime's threads.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, HostError> {
        let engine = Arc::clone(&self.engine);
        blocking(move || work(&engine)).await.map_err(|error| host_error(&error))
    }
}

/// Whether a file can be written into the directory of `store`.
#[must_use]
pub fn try_directory(store: ImageStore) -> TryDirectory {
    Arc::new(move || {
        store.try_write().map_err(|error| {
            let source = std::error::Error::source(&error)?.downcast_ref::<io::Error>()?;
            Some(io::Error::new(source.kind(), source.to_string()))
        })
    })
}

/// Logs what failed; callers learn what they can do about it.
fn host_error(error: &EngineError) -> HostError {
    match error {
        EngineError::Catalog(error @ (CatalogError::QueueFull { .. } | CatalogError::NoRoom)) => {
            tracing::warn!(%error, "no dump is accepted");
            HostError::Full { reason: error.to_string() }
        }
        error => {
            tracing::error!(error = error as &dyn std::error::Error, "the dump engine failed");
            HostError::Engine { reason: error.to_string() }
        }
    }
}

#[async_trait]
impl Host for Machine {
    fn address(&self) -> &'static str {
        "local"
    }

    fn guests_of(&self) -> String {
        self.guests.uri()
    }

    fn name(&self) -> Option<String> {
        self.guests.host()
    }

    async fn guests(&self) -> Result<Vec<Guest>, Problem> {
        self.guests.list().await
    }

    async fn trigger(
        &self,
        targets: Vec<Target>,
        options: DumpOptions,
        requested_by: &Actor,
        key: &RequestKey,
    ) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        let (requested_by, key) = (requested_by.clone(), key.clone());
        self.call(move |engine| engine.trigger_once(&targets, &options, &requested_by, Some(&key))).await
    }

    async fn cancel(&self, dump_id: DumpId, by: &Actor) -> Result<bool, HostError> {
        let by = by.clone();
        self.call(move |engine| engine.cancel(&dump_id, &by)).await
    }

    async fn statuses(&self) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        self.call(Engine::statuses).await
    }

    async fn status(&self, vm: &str) -> Result<Option<DumpStatus>, HostError> {
        let vm = vm.to_owned();
        self.call(move |engine| engine.status(&vm)).await
    }

    async fn frozen_pause(&self) -> Result<Option<FrozenPause>, HostError> {
        let host = self.guests.host();
        self.call(move |engine| engine.frozen_pause(host.as_deref())).await.map(Some)
    }

    async fn facts(&self) -> HostFacts {
        let (statuses, free_bytes) = tokio::join!(self.statuses(), self.free_bytes());
        let is_active = |dump: &&DumpStatus| !dump.exact_state().is_final();
        // One dump may stand under several names.
        let active: BTreeSet<DumpId> = statuses
            .unwrap_or_default()
            .values()
            .filter(is_active)
            .map(|dump| dump.dump_id.clone())
            .collect();
        HostFacts {
            condition: HostCondition::Up,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            last_contact: None,
            clock_ahead_ms: Some(0),
            active_dumps: u32::try_from(active.len()).unwrap_or(u32::MAX),
            free_bytes,
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.engine.subscribe()
    }

    fn images(&self) -> Arc<dyn ImageHost> {
        Arc::clone(&self.images) as _
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::ProblemKind;

    use super::*;

    #[test]
    fn a_queue_or_volume_that_is_full_is_worth_another_try_and_other_failures_are_not() {
        let kind = |error: CatalogError| Problem::from(host_error(&error.into())).kind;
        assert_eq!(kind(CatalogError::QueueFull { limit: 7 }), ProblemKind::Unavailable);
        assert_eq!(kind(CatalogError::NoRoom), ProblemKind::Unavailable);
        assert_eq!(kind(CatalogError::DumpExists(DumpId::from_uuid_bits(7))), ProblemKind::Internal);
    }
}
