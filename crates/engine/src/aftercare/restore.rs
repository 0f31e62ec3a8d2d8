//! Puts one guest right, as its intent says that it was. Used by this process's keeper and by the guardian's process.

use std::time::Duration;

use memdeck_catalog::Intent;
use memdeck_hypervisor::{Aftermath, Hypervisor, HypervisorError};

/// What an attempt to put a guest right came to.
#[derive(Debug)]
pub enum Restoration {
    /// It is certain that the guest is as it was, or is gone.
    Done,
    /// It stands still, and it is not certain that the dump has stopped it, so it is left alone: somebody has to look at it.
    /// What else the dump changed is as it was.
    LeftPaused,
    /// A job has the guest: what is left of the dump, or another program's.
    Busy {
        /// The job in libvirt's words; `None` if libvirt does not say.
        job: Option<&'static str>,
    },
    /// The hypervisor refused or did not answer.
    Failed(HypervisorError),
}

impl Restoration {
    /// Whether nothing is left to be done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::LeftPaused)
    }
}

/// Makes a guest that ran before run again if its dump has left it stopped. A pause for which nobody knows a reason may be an
/// operator's: it is ended only on behalf of a live dump that somebody has watched all the time.
pub fn resume_stranded(hypervisor: &dyn Hypervisor, intent: &Intent) -> Restoration {
    if !intent.was_running {
        return Restoration::Done;
    }
    let uuid = &intent.guest_uuid;
    match hypervisor.aftermath(uuid) {
        Ok(Aftermath::Settled) => Restoration::Done,
        Ok(Aftermath::Busy { job }) => Restoration::Busy { job },
        Ok(Aftermath::Unexplained) if !intent.owns_unexplained_pause => Restoration::LeftPaused,
        Ok(Aftermath::Stranded | Aftermath::Unexplained) => match hypervisor.resume(uuid) {
            Ok(()) => {
                tracing::warn!(dump_id = %intent.dump_id, uuid, "the dump had left the guest paused; resumed it");
                Restoration::Done
            }
            Err(error) => Restoration::Failed(error),
        },
        Err(error) => Restoration::Failed(error),
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
        Err(error) => Restoration::Failed(error),
    }
}

/// Both, the pause first.
pub fn restore(hypervisor: &dyn Hypervisor, intent: &Intent) -> Restoration {
    match resume_stranded(hypervisor, intent) {
        pause if pause.is_done() => match restore_max_downtime(hypervisor, intent) {
            Restoration::Done => pause,
            left => left,
        },
        left => left,
    }
}
