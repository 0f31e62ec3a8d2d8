//! One of the hosts: its name, whether it takes dumps, and what it said last.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memdeck_model::{Guest, HostId, Message, Problem, ProblemKind, VmRef};
use parking_lot::Mutex;

use crate::{Host, HostError};

/// How long one of several hosts is waited for: what the others answered must not wait for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// One of the hosts.
pub struct Member {
    name: HostId,
    host: Arc<dyn Host>,
    is_draining: AtomicBool,
    is_leaving: AtomicBool,
    is_added: AtomicBool,
    /// Its guests as it listed them last, with its name.
    guests: Mutex<Option<Vec<Guest>>>,
}

impl Member {
    pub(super) fn new(name: HostId, host: Arc<dyn Host>) -> Self {
        Self {
            name,
            host,
            is_draining: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            is_added: AtomicBool::new(false),
            guests: Mutex::default(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &HostId {
        &self.name
    }

    /// The host itself. Where there are several, what it answers does not say whose answer it is.
    #[must_use]
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.host.address() == LOCAL
    }

    /// Whether it is kept from taking new dumps.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    pub(crate) fn set_draining(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::Release);
    }

    /// Whether an operator added it; the others stand in the configuration.
    #[must_use]
    pub fn is_added(&self) -> bool {
        self.is_added.load(Ordering::Acquire)
    }

    /// Says whether an operator added it.
    pub fn set_added(&self, is_added: bool) {
        self.is_added.store(is_added, Ordering::Release);
    }

    /// Whether it was removed, and stays until its dumps have ended.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Acquire)
    }

    /// Says whether it is leaving; then it takes no new dumps.
    pub fn set_leaving(&self, is_leaving: bool) {
        self.is_leaving.store(is_leaving, Ordering::Release);
    }

    /// Why it takes no dump now: it is known to be away, or is kept from taking any.
    pub(super) fn why_closed(&self) -> Option<Closed> {
        if self.is_draining() || self.is_leaving() {
            return Some(Closed::Draining);
        }
        self.host.health().error.map(Closed::Away)
    }

    /// What `call` answers, if it answers in time. One that is known to be away is not asked: whoever follows it asks it
    /// all the time.
    pub(super) async fn ask<T>(
        &self,
        call: impl Future<Output = Result<T, HostError>> + Send,
    ) -> Result<T, HostError> {
        let away = |reason: String| HostError::Unavailable { service: self.name.to_string(), reason };
        if let Some(error) = self.host.health().error {
            return Err(away(error.to_string()));
        }
        tokio::time::timeout(PATIENCE, call)
            .await
            .unwrap_or_else(|_| Err(away("no answer in time".to_owned())))
    }

    /// Its guests with its name on them.
    pub(super) async fn guests(&self) -> Result<Vec<Guest>, Problem> {
        let away = |reason: Message| Problem::new(ProblemKind::Unavailable, reason);
        if let Some(error) = self.host.health().error {
            return Err(away(error));
        }
        let listed = tokio::time::timeout(PATIENCE, self.host.guests());
        let mut guests = listed.await.unwrap_or_else(|_| Err(away("no answer in time".into())))?;
        for guest in &mut guests {
            guest.host = Some(self.name.clone());
        }
        *self.guests.lock() = Some(guests.clone());
        Ok(guests)
    }

    /// Its guests as it listed them last.
    pub(super) fn last_guests(&self) -> Option<Vec<Guest>> {
        self.guests.lock().clone()
    }

    /// Whether it listed a guest of this name last.
    pub(super) fn has_guest(&self, name: &str) -> bool {
        self.guests.lock().iter().flatten().any(|guest| guest.name.0 == name)
    }

    /// The guest that a text names among those it listed last.
    pub(crate) fn find(&self, vm: &VmRef) -> Option<Guest> {
        self.guests.lock().as_ref().and_then(|guests| vm.find_in(guests).cloned())
    }

    /// Whether it can say which guests it has.
    pub(super) fn lists_guests(&self) -> bool {
        self.host.health().capabilities.guests
    }
}

/// What this machine answers as its address.
pub(super) const LOCAL: &str = "local";

/// Why a host takes no dump.
pub(super) enum Closed {
    /// An operator wants it so.
    Draining,
    /// It does not answer, and why.
    Away(Message),
}

impl Closed {
    /// Why a dump that was asked for is refused, before any is taken.
    pub(super) fn refusal(&self, name: &HostId) -> Problem {
        match self {
            Self::Draining => Problem::new(
                ProblemKind::Conflict,
                format!("{name} is draining and takes no new dumps; nothing was dumped"),
            ),
            Self::Away(reason) => Problem::new(
                ProblemKind::Unavailable,
                format!("{name} does not answer ({reason}); nothing was dumped"),
            ),
        }
    }
}
