//! What a guest is owed after a dump: that it runs if it ran before, and the settings it had.
//!
//! ```text
//! owed ──► give, on the dump's connection ──► done
//!            └── libvirtd gone, or busy with the guest ──► persist: again on new connections until done
//! ```
//!
//! libvirt resumes a guest after a dump that succeeded. After a live dump that failed when QEMU had already finished it
//! does not, and neither does a libvirtd that was restarted in the middle.

use std::time::{Duration, Instant};

use memdeck_model::{Guest, GuestName, GuestState};
use virt::domain::Domain;
use virt::error::Error;
use virt_sys as sys;

use super::connection::Connection;
use super::failure::is_no_domain;
use super::ffi::job::{self, Job};
use super::uri::Uri;

/// Between two attempts, and how long they go on.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_LIMIT: Duration = Duration::from_mins(10);

pub(super) struct Aftercare {
    uri: Uri,
    name: GuestName,
    uuid: String,
    ran_before: bool,
    owes_running: bool,
    owes_max_downtime_ms: Option<u64>,
}

impl Aftercare {
    /// Nothing is owed yet to `guest`, described as it was before the dump.
    pub(super) fn new(uri: &Uri, guest: &Guest) -> Self {
        Self {
            uri: uri.clone(),
            name: guest.name.clone(),
            uuid: guest.uuid.clone(),
            ran_before: matches!(guest.state, GuestState::Running | GuestState::Blocked),
            owes_running: false,
            owes_max_downtime_ms: None,
        }
    }

    /// The dump may stop the guest from now on.
    pub(super) fn owe_running(&mut self) {
        self.owes_running = self.ran_before;
    }

    /// The guest's limit for the pause at the end of a migration was `present_ms`.
    pub(super) fn owe_max_downtime(&mut self, present_ms: u64) {
        self.owes_max_downtime_ms = Some(present_ms);
    }

    pub(super) fn is_done(&self) -> bool {
        !self.owes_running && self.owes_max_downtime_ms.is_none()
    }

    /// Gives the guest what it is owed. After an error, and while another job of the guest is under way, something may
    /// still be owed.
    pub(super) fn give(&mut self, domain: &Domain) -> Result<(), Error> {
        let (state, reason) = domain.get_state()?;
        if matches!(state, sys::VIR_DOMAIN_SHUTOFF | sys::VIR_DOMAIN_CRASHED) {
            self.forgive();
            return Ok(());
        }
        if self.owes_running && state == sys::VIR_DOMAIN_PAUSED && is_of_a_dump(reason) {
            if job::job_stats(domain, Job::Present)?.is_some() {
                // Somebody else's, which has stopped the guest and sees to it itself.
                return Ok(());
            }
            tracing::warn!(vm = %self.name, "the dump left the guest paused; resuming it");
            domain.resume()?;
        }
        self.owes_running = false;
        if let Some(downtime_ms) = self.owes_max_downtime_ms {
            job::set_max_downtime_ms(domain, downtime_ms)?;
            self.owes_max_downtime_ms = None;
        }
        Ok(())
    }

    /// Tries until nothing is owed any more.
    pub(super) fn persist(mut self) {
        let begun = Instant::now();
        while !self.is_done() {
            if begun.elapsed() > RETRY_LIMIT {
                tracing::error!(vm = %self.name, "giving up on a guest that may be paused; look at it");
                return;
            }
            std::thread::sleep(RETRY_INTERVAL);
            let attempt = Connection::open(&self.uri.text).and_then(|connection| {
                match Domain::lookup_by_uuid_string(&connection, &self.uuid)
                    .and_then(|domain| self.give(&domain))
                {
                    Err(error) if is_no_domain(&error) => self.forgive(),
                    result => result.map_err(super::failure::Failure::from)?,
                }
                Ok(())
            });
            if let Err(error) = attempt {
                tracing::debug!(error, vm = %self.name, "the guest cannot be put right yet");
            }
        }
    }

    /// A guest that is gone is owed nothing.
    fn forgive(&mut self) {
        self.owes_running = false;
        self.owes_max_downtime_ms = None;
    }
}

/// Whether a guest that is paused for this reason was stopped by a dump that has ended, and not by an operator, an I/O
/// error or anything else that has its own reason.
fn is_of_a_dump(reason: i32) -> bool {
    u32::try_from(reason).is_ok_and(|reason| {
        matches!(
            reason,
            sys::VIR_DOMAIN_PAUSED_UNKNOWN
                | sys::VIR_DOMAIN_PAUSED_DUMP
                | sys::VIR_DOMAIN_PAUSED_MIGRATION
                | sys::VIR_DOMAIN_PAUSED_API_ERROR
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pause_of_a_dump_is_ended() {
        // libvirt's numbers: unknown, user, migration, save, dump, I/O error, watchdog, ..., API error.
        let ended: Vec<i32> = (-1..20).filter(|reason| is_of_a_dump(*reason)).collect();
        assert_eq!(ended, [0, 2, 4, 14]);
    }
}
