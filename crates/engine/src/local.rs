//! The engine of this process behind the [`DumpBackend`] port.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use memdeck_catalog::CatalogError;
use memdeck_model::{Actor, DumpId, DumpOptions, DumpStatus, Event, FrozenPause};
use tokio::sync::broadcast;

use crate::backend::{BackendError, DumpBackend, Target};
use crate::engine::Engine;
use crate::error::{EngineError, as_error};

/// Calls the engine off the async runtime's threads.
pub struct LocalBackend {
    engine: Arc<Engine>,
}

impl LocalBackend {
    /// A door to `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let engine = Arc::clone(&self.engine);
        match tokio::task::spawn_blocking(move || work(&engine)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(to_backend_error(&error)),
            Err(error) => Err(BackendError::Engine { reason: error.to_string() }),
        }
    }
}

/// Logs what failed; callers are told what they can do about it.
fn to_backend_error(error: &EngineError) -> BackendError {
    match error {
        EngineError::Catalog(error @ (CatalogError::QueueFull { .. } | CatalogError::NoRoom)) => {
            tracing::warn!(%error, "no dump is accepted");
            BackendError::Full { reason: error.to_string() }
        }
        error => {
            tracing::error!(error = as_error(error), "the dump engine failed");
            BackendError::Engine { reason: error.to_string() }
        }
    }
}

#[async_trait]
impl DumpBackend for LocalBackend {
    fn service(&self) -> &'static str {
        "local"
    }

    async fn trigger(
        &self,
        targets: Vec<Target>,
        options: DumpOptions,
        requested_by: &Actor,
    ) -> Result<BTreeMap<String, DumpStatus>, BackendError> {
        let requested_by = requested_by.clone();
        self.call(move |engine| engine.trigger(&targets, &options, &requested_by)).await
    }

    async fn cancel(&self, dump_id: DumpId, by: &Actor) -> Result<bool, BackendError> {
        let by = by.clone();
        self.call(move |engine| engine.cancel(&dump_id, &by)).await
    }

    async fn statuses(&self) -> Result<BTreeMap<String, DumpStatus>, BackendError> {
        self.call(Engine::statuses).await
    }

    async fn status(&self, vm: &str) -> Result<Option<DumpStatus>, BackendError> {
        let vm = vm.to_owned();
        self.call(move |engine| engine.status(&vm)).await
    }

    async fn frozen_pause(&self, host: Option<&str>) -> Result<Option<FrozenPause>, BackendError> {
        let host = host.map(ToOwned::to_owned);
        self.call(move |engine| engine.frozen_pause(host.as_deref())).await.map(Some)
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.engine.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{DumpId, Problem, ProblemKind};

    use super::*;

    #[test]
    fn a_queue_or_volume_that_is_full_is_worth_another_try_and_other_failures_are_not() {
        let kind = |error: CatalogError| Problem::from(to_backend_error(&error.into())).kind;
        assert_eq!(kind(CatalogError::QueueFull { limit: 7 }), ProblemKind::Unavailable);
        assert_eq!(kind(CatalogError::NoRoom), ProblemKind::Unavailable);
        assert_eq!(kind(CatalogError::DumpExists(DumpId::from_uuid_bits(7))), ProblemKind::Internal);
    }
}
