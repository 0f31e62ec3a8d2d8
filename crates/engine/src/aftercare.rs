//! Sees to it that no guest stays paused because of us.
//!
//! Before a guest is touched an intent is written into the catalog: which guest, and whether it ran. It is settled when
//! libvirt has said that the guest is as it was. A guest that ran and was left paused by its dump is resumed; one that
//! an operator has paused, before or since, is left alone. A limit that a live dump changed for its time is set back.
//! While libvirt does not answer, and after a crash, the keeper asks again until it does.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{CatalogError, Intent};
use memdeck_hypervisor::{Aftermath, Hypervisor, HypervisorError};

use crate::engine::{ForeignJob, Shared, start_thread};
use crate::error::{as_error, sentence};

/// Between two attempts to reach a hypervisor that does not answer.
pub const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// What an attempt to put a guest right came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restoration {
    /// It is certain that the guest is as it was, or is gone.
    Done,
    /// A job has the guest: what is left of the dump, or another program's.
    Busy {
        /// The job in libvirt's words; `None` where libvirt does not say.
        job: Option<&'static str>,
    },
    /// The hypervisor refused or did not answer.
    Failed,
}

impl Restoration {
    /// Whether nothing is left to be done.
    #[must_use]
    pub fn is_done(self) -> bool {
        self == Self::Done
    }
}

/// Makes a guest that ran before run again where its dump has left it stopped.
pub fn resume_stranded(hypervisor: &dyn Hypervisor, intent: &Intent) -> Restoration {
    if !intent.was_running {
        return Restoration::Done;
    }
    let uuid = &intent.guest_uuid;
    match hypervisor.aftermath(uuid) {
        Ok(Aftermath::Settled) => return Restoration::Done,
        Ok(Aftermath::Busy { job }) => return Restoration::Busy { job },
        Ok(Aftermath::Stranded) => {}
        Err(error) => {
            tracing::debug!(uuid, error = as_error(&error), "the guest's state is not known");
            return Restoration::Failed;
        }
    }
    tracing::warn!(dump_id = %intent.dump_id, uuid, "the dump left the guest paused; resuming it");
    match hypervisor.resume(uuid) {
        Ok(()) => Restoration::Done,
        Err(error) => {
            tracing::error!(uuid, reason = sentence(&error), "the guest cannot be resumed yet");
            Restoration::Failed
        }
    }
}

/// Sets the limit back that a live dump changed for its time.
pub fn restore_max_downtime(hypervisor: &dyn Hypervisor, intent: &Intent) -> Restoration {
    let uuid = &intent.guest_uuid;
    let Some(before) = intent.max_downtime.map(|limit| Duration::from_millis(limit.0)) else {
        return Restoration::Done;
    };
    let restored = hypervisor.max_downtime(uuid).and_then(|now| match now {
        Some(now) if now != before => hypervisor.set_max_downtime(uuid, before),
        _ => Ok(()),
    });
    match restored {
        Ok(()) | Err(HypervisorError::NotFound { .. }) => Restoration::Done,
        Err(HypervisorError::Busy { job, .. }) => Restoration::Busy { job },
        Err(error) => {
            let reason = sentence(&error);
            tracing::debug!(uuid, reason, "the guest's downtime limit cannot be restored yet");
            Restoration::Failed
        }
    }
}

/// Makes a guest as its intent says that it was.
fn restore(hypervisor: &dyn Hypervisor, intent: &Intent) -> Restoration {
    match resume_stranded(hypervisor, intent) {
        Restoration::Done => restore_max_downtime(hypervisor, intent),
        left => left,
    }
}

/// A guest that a dump is touching. Dropped, it is made as it was, or the keeper goes on trying.
pub(crate) struct Touched<'a> {
    shared: &'a Shared,
    intent: Option<Intent>,
}

impl<'a> Touched<'a> {
    /// Writes down how the guest is, before it is touched.
    pub(crate) fn new(shared: &'a Shared, intent: Intent) -> Result<Self, CatalogError> {
        shared.catalog.intend(&intent)?;
        shared.guardian.watch(&intent);
        Ok(Self { shared, intent: Some(intent) })
    }

    /// The dump does not touch the guest any more, whatever is still to be done.
    pub(crate) fn let_go(self) {
        drop(self);
    }
}

impl Drop for Touched<'_> {
    fn drop(&mut self) {
        if let Some(intent) = self.intent.take() {
            self.shared.leave_as_it_was(intent);
        }
    }
}

impl Shared {
    /// After a dump: the guest is as it was when this returns, or the keeper goes on trying.
    fn leave_as_it_was(&self, intent: Intent) {
        if !restore(self.hypervisor.as_ref(), &intent).is_done() {
            self.hand_to_keeper(intent);
            return;
        }
        if let Err(error) = self.settle(&intent) {
            tracing::error!(dump_id = %intent.dump_id, error = as_error(&error), "an intent is not settled yet; trying again");
            // Of the guest nothing is left to be done: what its operator changes from now on stays.
            self.hand_to_keeper(Intent { was_running: false, max_downtime: None, ..intent });
        }
    }

    /// An intent that stayed in a catalog which refuses would be carried out by the next start.
    fn settle(&self, intent: &Intent) -> Result<(), CatalogError> {
        self.guardian.release(intent);
        self.catalog.settle(&intent.dump_id)
    }
}

/// The keeper's thread: until the engine closes. Each guest has a thread of its own, so that one whose hypervisor is slow
/// to answer holds up no other.
pub(crate) fn keep(shared: &Arc<Shared>) {
    while let Some(intent) = shared.next_unsettled() {
        let uuid = intent.guest_uuid.clone();
        if let Err(error) = start_thread("keeper of one", shared, move |shared| keep_one(shared, &intent)) {
            tracing::error!(
                uuid,
                error = as_error(&error),
                "no thread for a guest that may be paused; the next start looks after it"
            );
        }
    }
}

/// Until the guest is as it was or the engine closes. What is open then stays in the catalog for the next start.
fn keep_one(shared: &Shared, intent: &Intent) {
    loop {
        let job = match restore(shared.hypervisor.as_ref(), intent) {
            Restoration::Done => break,
            Restoration::Busy { job } => Some(ForeignJob(job)),
            Restoration::Failed => None,
        };
        shared.note_foreign_job(intent, job);
        if !shared.pause_unless_closing(RETRY_INTERVAL) {
            return;
        }
    }
    while let Err(error) = shared.settle(intent) {
        tracing::debug!(dump_id = %intent.dump_id, error = as_error(&error), "an intent is not settled yet");
        if !shared.pause_unless_closing(RETRY_INTERVAL) {
            return;
        }
    }
    shared.take_from_keeper(intent);
}
