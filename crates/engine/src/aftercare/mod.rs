//! Sees to it that no guest stays paused because of us.
//!
//! ```text
//! touch: intent written ─► dump ─► let go: restore ─ done ──────────────► intent settled
//!                                            └─ not yet ─► keeper: again every 0.5 s ─┘
//! ```
//!
//! Before a guest is touched an intent is written into the catalog: which guest, and whether it ran. It is settled when
//! libvirt has said that the guest is as it was. A guest that ran and was left paused by its dump is resumed; one that
//! an operator has paused, before or since, is left alone, and so is one about whose pause nobody knows whose it is: of a
//! dump that another process has left behind, that is every pause without a reason. A limit that a live dump changed for its
//! time is set back.
//! While libvirt does not answer, and after a crash, the keeper asks again until it does.

mod restore;
mod unsettled;

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{CatalogError, Intent};
use memdeck_hypervisor::HypervisorError;

use self::restore::restore;
pub use self::restore::{Restoration, restore_max_downtime, resume_stranded};
use self::unsettled::UnsettledGuests;
pub use self::unsettled::{ForeignJob, Settling};
use crate::board::Board;
use crate::context::Context;
use crate::error::{as_error, sentence};
use crate::threads::Threads;

/// Between two attempts to reach a hypervisor that does not answer.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Looks after guests from the moment at which a dump touches them until they are as they were.
pub struct Aftercare {
    context: Arc<Context>,
    board: Arc<Board>,
    unsettled: UnsettledGuests,
}

impl Aftercare {
    pub fn new(context: Arc<Context>, board: Arc<Board>) -> Self {
        Self { context, board, unsettled: UnsettledGuests::default() }
    }

    /// Writes down how a guest is, before a dump touches it.
    pub fn touch(&self, intent: Intent) -> Result<TouchedGuest<'_>, CatalogError> {
        self.context.catalog.intend(&intent)?;
        self.context.guardian.watch(&intent);
        Ok(TouchedGuest { aftercare: self, intent: Some(intent) })
    }

    /// The keeper looks after this guest from now on.
    pub fn hand_to_keeper(&self, intent: Intent) {
        self.unsettled.add(intent);
    }

    /// How a guest stands that an earlier dump has touched, at the latest after the time `limit`, in which it may settle.
    pub fn wait_until_settled(&self, guest_uuid: &str, limit: Duration) -> Settling {
        self.unsettled.wait_until_settled(guest_uuid, limit)
    }

    /// The keeper's thread, until the engine has closed. Each guest has a thread of its own, so that one whose hypervisor is
    /// slow to answer holds up no other.
    pub fn keep(self: &Arc<Self>, threads: &Arc<Threads>) {
        while let Some(intent) = self.unsettled.take_next() {
            let uuid = intent.guest_uuid.clone();
            let aftercare = Arc::clone(self);
            if let Err(error) = threads.start("keeper of one", move || aftercare.keep_one(&intent)) {
                tracing::error!(
                    uuid,
                    error = as_error(&error),
                    "no thread for a guest that may be paused; the next start looks after it"
                );
            }
        }
    }

    /// No dump runs any more, so the keeper gets no other guest.
    pub fn close(&self) {
        self.unsettled.close();
    }

    /// Until the guest is as it was or the engine closes. What is open then stays in the catalog for the next start.
    fn keep_one(&self, intent: &Intent) {
        let mut is_reported = false;
        loop {
            let foreign = match restore(self.context.hypervisor.as_ref(), intent) {
                Restoration::Done => break,
                Restoration::LeftPaused => {
                    report_left_paused(intent);
                    break;
                }
                Restoration::Busy { job } => Some(ForeignJob(job)),
                Restoration::Failed(error) => {
                    if !std::mem::replace(&mut is_reported, true) {
                        report_failure(intent, &error);
                    }
                    None
                }
            };
            self.unsettled.set_foreign_job(intent, foreign);
            if !self.board.pause_unless_closing(RETRY_INTERVAL) {
                return;
            }
        }
        while let Err(error) = self.settle(intent) {
            tracing::debug!(dump_id = %intent.dump_id, error = as_error(&error), "an intent is not settled yet");
            if !self.board.pause_unless_closing(RETRY_INTERVAL) {
                return;
            }
        }
        self.unsettled.remove(intent);
    }

    /// After a dump: the guest is as it was when this returns, or the keeper goes on trying.
    fn leave_as_it_was(&self, intent: Intent) {
        match restore(self.context.hypervisor.as_ref(), &intent) {
            Restoration::Done => {}
            Restoration::LeftPaused => report_left_paused(&intent),
            Restoration::Busy { .. } | Restoration::Failed(_) => {
                self.hand_to_keeper(intent);
                return;
            }
        }
        if let Err(error) = self.settle(&intent) {
            tracing::error!(dump_id = %intent.dump_id, error = as_error(&error), "an intent is not settled yet; trying again");
            // Of the guest nothing is left to be done: what its operator changes from now on stays.
            self.hand_to_keeper(Intent { was_running: false, max_downtime: None, ..intent });
        }
    }

    /// An intent that stayed in a catalog which refuses would be carried out by the next start.
    fn settle(&self, intent: &Intent) -> Result<(), CatalogError> {
        self.context.guardian.release(intent);
        self.context.catalog.settle(&intent.dump_id)
    }
}

/// Tells the operator what only an operator can decide.
pub fn report_left_paused(intent: &Intent) {
    let Intent { dump_id, guest_uuid: uuid, .. } = intent;
    tracing::error!(
        %dump_id,
        uuid,
        "the guest is paused and the hypervisor does not say why; it is left alone, because an operator may have paused it: if \
         nobody has, run virsh resume"
    );
}

fn report_failure(intent: &Intent, error: &HypervisorError) {
    let Intent { dump_id, guest_uuid: uuid, .. } = intent;
    tracing::error!(%dump_id, uuid, reason = sentence(error), "the guest could not be restored yet; trying again");
}

/// A guest that a dump is touching. Dropped, it is made as it was, or the keeper goes on trying.
pub struct TouchedGuest<'a> {
    aftercare: &'a Aftercare,
    intent: Option<Intent>,
}

impl TouchedGuest<'_> {
    /// The dump does not touch the guest any more, whatever is still to be done.
    pub fn let_go(self) {
        drop(self);
    }
}

impl Drop for TouchedGuest<'_> {
    fn drop(&mut self) {
        if let Some(intent) = self.intent.take() {
            self.aftercare.leave_as_it_was(intent);
        }
    }
}
