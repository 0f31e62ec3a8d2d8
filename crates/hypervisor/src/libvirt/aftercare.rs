//! What a guest is owed after a dump: that it runs if it ran before, and the settings it had.
//!
//! ```text
//! owed ──► give, on the dump's connection ──► done
//!            └── libvirtd gone, or busy with the guest ──► persist: again on new connections until done
//! ```
//!
//! libvirt resumes a guest after a dump that succeeded. After a live dump that failed when QEMU had already finished it
//! does not, and neither does a libvirtd that was restarted in the middle.
//!
//! The home of a guest's restoration is the engine (`engine/src/aftercare/`): it has the intent on disk, and its keeper goes
//! on until the guest is as it was. What stands here is the part of it that only libvirt's caller can do. It makes the first
//! attempt within milliseconds of the return, on the connection that is open, so that the pause ends there. And it holds
//! a call that outlives its dump: libvirt may keep one waiting behind another job and begin it when the engine has given
//! the dump up, found the guest running and settled the intent. Of that dump's end only this thread hears. Both judge a
//! guest by the same [`aftermath`].

use std::time::{Duration, Instant};

use memdeck_model::{Guest, GuestName, GuestState};
use virt::domain::Domain;
use virt::error::Error;
use virt_sys as sys;

use super::connection::Connection;
use super::failure::is_no_domain;
use super::ffi::job::{self, Job, JobStats};
use super::uri::Uri;
use crate::Aftermath;

/// Between two attempts, and how long they go on.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_LIMIT: Duration = Duration::from_mins(10);

pub(super) struct Aftercare {
    uri: Uri,
    name: GuestName,
    uuid: String,
    is_live: bool,
    ran_before: bool,
    owes_running: bool,
    owes_max_downtime_ms: Option<u64>,
}

impl Aftercare {
    /// Nothing is owed yet to `guest`, described as it was before the dump, which is a live or a frozen one.
    pub(super) fn new(uri: &Uri, guest: &Guest, is_live: bool) -> Self {
        Self {
            uri: uri.clone(),
            name: guest.name.clone(),
            uuid: guest.uuid.clone(),
            is_live,
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
        if self.owes_running {
            match judge(domain, state, reason)? {
                Aftermath::Settled => {}
                // No frozen dump leaves it so. The engine, which judges the same way, says so.
                Aftermath::Unexplained if !self.is_live => {}
                // Somebody else's job has stopped the guest and sees to it itself.
                Aftermath::Busy { .. } => return Ok(()),
                Aftermath::Stranded | Aftermath::Unexplained => {
                    tracing::warn!(vm = %self.name, "the dump left the guest paused; resuming it");
                    domain.resume()?;
                }
            }
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
                tracing::debug!(error, vm = %self.name, "the guest could not be restored yet");
            }
        }
    }

    /// A guest that is gone is owed nothing.
    fn forgive(&mut self) {
        self.owes_running = false;
        self.owes_max_downtime_ms = None;
    }
}

/// How a guest stands that ran before its dump.
pub(super) fn aftermath(domain: &Domain) -> Result<Aftermath, Error> {
    let (state, reason) = domain.get_state()?;
    judge(domain, state, reason)
}

fn judge(domain: &Domain, state: u32, reason: i32) -> Result<Aftermath, Error> {
    let paused_by = by_reason(reason);
    if state != sys::VIR_DOMAIN_PAUSED || paused_by == Aftermath::Settled {
        return Ok(Aftermath::Settled);
    }
    let job = job::job_stats(domain, Job::Present)?;
    Ok(job.map_or(paused_by, |job| Aftermath::Busy { job: job.operation }))
}

/// Sets the limit for the pause at the end of a migration. While a job has the guest the limit stays as it is, because
/// libvirt would wait for the job; the guest and the job are returned.
pub(super) fn set_max_downtime(
    domain: &Domain,
    limit_ms: u64,
) -> Result<Option<(GuestName, JobStats)>, Error> {
    if !domain.is_active()? {
        return Ok(None);
    }
    if let Some(job) = job::job_stats(domain, Job::Present)? {
        return Ok(Some((GuestName(domain.get_name()?), job)));
    }
    job::set_max_downtime_ms(domain, limit_ms)?;
    Ok(None)
}

/// Whose pause it is by libvirt's reason for it, where no job has the guest.
///
/// libvirt keeps the reason over its own restart and death. It knows none (`unknown`, or `migration` if it was away then) when
/// QEMU stopped by itself: so ends a live dump that fails at its end, and libvirt, which finds a guest so in a dump that its own
/// restart has cut off, resumes it too. But whoever stops QEMU by its monitor leaves the same. What `virsh suspend` and all of
/// libvirt's calls pause has the reason `user`, and an I/O error or a watchdog theirs.
fn by_reason(reason: i32) -> Aftermath {
    match u32::try_from(reason) {
        Ok(sys::VIR_DOMAIN_PAUSED_DUMP | sys::VIR_DOMAIN_PAUSED_API_ERROR) => Aftermath::Stranded,
        Ok(sys::VIR_DOMAIN_PAUSED_UNKNOWN | sys::VIR_DOMAIN_PAUSED_MIGRATION) => Aftermath::Unexplained,
        _ => Aftermath::Settled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libvirt::guests;

    /// A connection to a driver without a daemon, whose one guest is in `runstate`, nobody knows why.
    fn connect(runstate: u32) -> (tempfile::TempDir, Uri, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("node.xml");
        let domain = format!(
            "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>\
             <test:runstate>{runstate}</test:runstate>\
             <name>db-01</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
        );
        std::fs::write(&file, format!("<node>{domain}</node>")).unwrap();
        let uri = Uri::new(&format!("test://{}", file.display()));
        let connection = Connection::open(&uri.text).unwrap();
        (dir, uri, connection)
    }

    /// What becomes of a guest that was in `before` when it is cared for after a live dump that it was left by in `runstate`.
    fn cared_for(before: GuestState, runstate: u32, then: impl Fn(&Domain)) -> (GuestState, bool) {
        cared_for_after(true, before, runstate, then)
    }

    fn cared_for_after(
        is_live: bool,
        before: GuestState,
        runstate: u32,
        then: impl Fn(&Domain),
    ) -> (GuestState, bool) {
        let (_dir, uri, connection) = connect(runstate);
        let domain = Domain::lookup_by_name(&connection, "db-01").unwrap();
        then(&domain);
        let guest = Guest { state: before, ..guests::describe(&domain).unwrap() };
        let mut aftercare = Aftercare::new(&uri, &guest, is_live);
        aftercare.owe_running();
        aftercare.give(&domain).unwrap();
        (guests::describe(&domain).unwrap().state, aftercare.is_done())
    }

    const RUNS: u32 = sys::VIR_DOMAIN_RUNNING;
    const PAUSED: u32 = sys::VIR_DOMAIN_PAUSED;
    const SHUTOFF: u32 = sys::VIR_DOMAIN_SHUTOFF;

    #[test]
    fn a_guest_that_ran_and_was_left_paused_runs_again() {
        assert_eq!(cared_for(GuestState::Running, PAUSED, |_| {}), (GuestState::Running, true));
    }

    #[test]
    fn a_pause_without_a_reason_is_no_frozen_dumps_and_stays() {
        let cared_for = cared_for_after(false, GuestState::Running, PAUSED, |_| {});
        assert_eq!(cared_for, (GuestState::Paused, true));
    }

    #[test]
    fn a_guest_that_was_paused_before_stays_paused() {
        assert_eq!(cared_for(GuestState::Paused, PAUSED, |_| {}), (GuestState::Paused, true));
    }

    #[test]
    fn a_guest_that_an_operator_paused_in_the_meantime_stays_paused() {
        let suspend = |domain: &Domain| assert_eq!(domain.suspend(), Ok(0));
        assert_eq!(cared_for(GuestState::Running, RUNS, suspend), (GuestState::Paused, true));
    }

    #[test]
    fn a_guest_that_runs_or_is_gone_is_left_alone() {
        assert_eq!(cared_for(GuestState::Running, RUNS, |_| {}), (GuestState::Running, true));
        assert_eq!(cared_for(GuestState::Running, SHUTOFF, |_| {}), (GuestState::Shutoff, true));
    }

    #[test]
    fn what_cannot_be_given_stays_owed() {
        let (_dir, uri, connection) = connect(RUNS);
        let domain = Domain::lookup_by_name(&connection, "db-01").unwrap();
        let mut aftercare = Aftercare::new(&uri, &guests::describe(&domain).unwrap(), true);
        assert!(aftercare.is_done(), "before the dump nothing is owed");
        // This driver knows no limit for the pause.
        aftercare.owe_max_downtime(300);
        assert!(aftercare.give(&domain).is_err());
        assert!(!aftercare.is_done());
    }

    #[test]
    fn a_pause_is_a_dumps_or_may_be_or_is_somebody_elses() {
        // libvirt's numbers: unknown, user, migration, save, dump, I/O error, watchdog, ..., API error.
        let of = |whose| (-1..20).filter(|reason| by_reason(*reason) == whose).collect::<Vec<i32>>();
        assert_eq!(of(Aftermath::Stranded), [4, 14]);
        assert_eq!(of(Aftermath::Unexplained), [0, 2]);
    }
}
