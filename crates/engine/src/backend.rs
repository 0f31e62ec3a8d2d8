//! The port behind which dumps are taken: the engine in this process, or a dump service over HTTP.

use std::collections::BTreeMap;

use async_trait::async_trait;
use memdeck_catalog::GuestIdentity;
use memdeck_model::{
    Actor, DumpId, DumpOptions, DumpStatus, Event, FrozenPause, Guest, Problem, ProblemKind, ServiceHealth,
    VmRef,
};
use tokio::sync::broadcast;

/// Why a dump service gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// It cannot be reached or does not answer in time.
    #[error("the dump service {service} does not answer ({reason}); no dump can be asked for until it does")]
    Unavailable {
        /// Its URL.
        service: String,
        /// What the connection said.
        reason: String,
    },
    /// It answered with a refusal or with something that is no answer of a dump service.
    #[error("the dump service {service} refused: {reason}")]
    Refused {
        /// Its URL.
        service: String,
        /// Its own words.
        reason: String,
    },
    /// It cannot do what the request asks for.
    #[error("the dump service {service} takes no {what}: it decides that itself; ask without")]
    Incapable {
        /// Its URL.
        service: String,
        /// What it would have dropped without a word.
        what: String,
    },
    /// It takes no other dump now.
    #[error("{reason}")]
    Full {
        /// What there is too much of, and what to do.
        reason: String,
    },
    /// The engine of this process failed.
    #[error("the dump engine failed: {reason}")]
    Engine {
        /// What failed.
        reason: String,
    },
}

impl From<BackendError> for Problem {
    fn from(error: BackendError) -> Self {
        let kind = match error {
            BackendError::Unavailable { .. } | BackendError::Refused { .. } | BackendError::Full { .. } => {
                ProblemKind::Unavailable
            }
            BackendError::Incapable { .. } => ProblemKind::Conflict,
            BackendError::Engine { .. } => ProblemKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

/// A guest to dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The guest as the request named it, or its name where it was chosen from a list.
    pub vm: VmRef,
    /// The guest beyond doubt, where it was chosen from a list: it is acted on by its UUID, whatever its name could mean.
    /// `None` where there is only the text, which whoever takes the dump resolves.
    pub guest: Option<GuestIdentity>,
}

impl Target {
    /// A guest that was chosen from a list. One whose name cannot be sent is called by its UUID.
    ///
    /// # Errors
    /// Neither name nor UUID can name a guest.
    pub fn chosen(guest: &Guest) -> Result<Self, memdeck_model::TriggerError> {
        let vm = VmRef::new(&guest.name.0).or_else(|_| VmRef::new(&guest.uuid))?;
        Ok(Self { vm, guest: Some(guest.into()) })
    }
}

impl From<VmRef> for Target {
    fn from(vm: VmRef) -> Self {
        Self { vm, guest: None }
    }
}

/// Takes dumps and says how they are.
#[async_trait]
pub trait DumpBackend: Send + Sync {
    /// The dump service's URL, or `local`.
    fn service(&self) -> &str;

    /// Queues a dump of every guest named, and answers with their states, keyed by [`Target::vm`]. A guest that is
    /// already queued or running is not started again.
    ///
    /// # Errors
    /// The service does not answer or refuses. Unknown guests are no error: their dumps end `failed`.
    async fn trigger(
        &self,
        targets: Vec<Target>,
        options: DumpOptions,
        requested_by: &Actor,
    ) -> Result<BTreeMap<String, DumpStatus>, BackendError>;

    /// Ends a dump that is queued or running, as cancelled by `by`. Returns at once; the end comes as an event. A dump
    /// that has ended stays as it ended. False if the service knows no such dump, or cannot cancel.
    ///
    /// # Errors
    /// The service does not answer.
    async fn cancel(&self, dump_id: DumpId, by: &Actor) -> Result<bool, BackendError>;

    /// The newest dump of every guest that had one, by the guest's name and by the texts by which it was asked for
    /// lately.
    ///
    /// # Errors
    /// The service does not answer.
    async fn statuses(&self) -> Result<BTreeMap<String, DumpStatus>, BackendError>;

    /// The newest dump of one guest, by any way in which it can be named; `None` if it had none.
    ///
    /// # Errors
    /// The service does not answer.
    async fn status(&self, vm: &str) -> Result<Option<DumpStatus>, BackendError>;

    /// How long a guest may stand still for a frozen dump, and how fast one is read: by what was measured on `host`, the host
    /// of this process's hypervisor, where the dumps are taken here; a service over HTTP tells it of its own. `None` where
    /// that is not known.
    ///
    /// # Errors
    /// The catalog failed.
    async fn frozen_pause(&self, _host: Option<&str>) -> Result<Option<FrozenPause>, BackendError> {
        Ok(None)
    }

    /// Whether the service answers as far as that is known, and what it can do.
    fn health(&self) -> ServiceHealth {
        ServiceHealth::of(self.service(), None)
    }

    /// What happens from now on.
    fn subscribe(&self) -> broadcast::Receiver<Event>;
}
