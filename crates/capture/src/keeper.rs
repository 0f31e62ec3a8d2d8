//! Sees to it that no guest stays paused because of us.
//!
//! Before a guest is touched an intent is written into the catalog: which guest, and whether it ran. It is settled when
//! libvirt has said that the guest is as it was. A guest that ran and is paused is resumed; one that an operator had
//! paused is left alone. While libvirt does not answer, and after a crash, the keeper asks again until it does.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Intent;
use memdeck_hypervisor::{Hypervisor, HypervisorError};
use memdeck_model::GuestState;

use crate::engine::Shared;
use crate::error::{as_error, sentence};

/// Between two attempts to reach a hypervisor that does not answer.
pub const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Makes a guest that ran before run again. True when it is certain that the guest is as it was, or is gone.
pub fn restore(hypervisor: &dyn Hypervisor, intent: &Intent) -> bool {
    if !intent.was_running {
        return true;
    }
    let uuid = &intent.guest_uuid;
    let paused = match hypervisor.guest(uuid) {
        Ok(guest) => guest.state == GuestState::Paused,
        Err(HypervisorError::NotFound { .. }) => false,
        Err(error) => {
            tracing::debug!(uuid, error = as_error(&error), "the guest's state is not known");
            return false;
        }
    };
    if !paused {
        return true;
    }
    tracing::warn!(dump_id = %intent.dump_id, uuid, "the dump left the guest paused; resuming it");
    match hypervisor.resume(uuid) {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(uuid, reason = sentence(&error), "the guest cannot be resumed yet");
            false
        }
    }
}

impl Shared {
    /// After a dump: the guest is as it was when this returns, or the keeper goes on trying.
    pub(crate) fn leave_as_it_was(&self, intent: Intent) {
        if restore(self.hypervisor.as_ref(), &intent) {
            self.settle(&intent);
        } else {
            self.hand_to_keeper(intent);
        }
    }

    fn settle(&self, intent: &Intent) {
        self.guardian.release(intent);
        if let Err(error) = self.catalog.settle(&intent.dump_id) {
            // It stays, and is looked at again after the next start: a guest that runs is left alone then.
            tracing::error!(dump_id = %intent.dump_id, error = as_error(&error), "an intent could not be settled");
        }
    }
}

/// The keeper's thread: until the engine closes. What is open then stays in the catalog for the next start.
pub(crate) fn keep(shared: &Arc<Shared>) {
    while let Some(open) = shared.unsettled() {
        let mut all_settled = true;
        for intent in &open {
            if restore(shared.hypervisor.as_ref(), intent) {
                shared.settle(intent);
                shared.take_from_keeper(intent);
            } else {
                all_settled = false;
            }
        }
        if !all_settled && !shared.pause_unless_closing(RETRY_INTERVAL) {
            return;
        }
    }
}
