//! What happens and is raised by itself, whoever asks for nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use memdeck_catalog::{Catalog, Job};
use memdeck_model::notice::{GuestOf, Happening};
use memdeck_model::{DumpStatus, HostId, Millis, Timestamp, Verification};

use super::watch::Watched;
use crate::notices::{NotifyState as Notify, about_verification};
use crate::{Member, Operations};

/// Dumps that are looked at for what was missed.
const LOOKED_AT: u32 = 500;
/// What ended longer ago is no news.
const NEWS_FOR: Millis = Millis(24 * 3_600_000);
/// Between two looks at the hosts.
const LOOK: Duration = Duration::from_secs(5);
/// Looks at the hosts for one at what is free there.
const LOOKS_PER_SPACE: u32 = 12;
/// Since when notices are raised: what ended before is nobody's news.
const SINCE: &str = "notices since";

impl Operations {
    /// Records what is raised, sends messages, and watches the hosts. Runs until its task is ended.
    pub(crate) async fn notify(&self) {
        let Some(raised) = self.notify.raised.lock().take() else { return };
        let Notify { notices, courier, pace, .. } = &self.notify;
        tokio::join!(
            notices.carry(raised, &self.catalog, courier, *pace),
            self.watch_hosts(),
            self.catch_up(),
        );
    }

    /// Raises what happened to this memdeck itself.
    pub fn raise_here(&self, event: Happening) {
        self.notify.notices.raise(self.notice_host(None), event);
    }

    /// A dump moved on or ended.
    pub(crate) fn notice_dump(&self, host: Option<&HostId>, status: &DumpStatus) {
        for event in self.notify.limits.about_dump(status) {
            self.notify.notices.raise(self.notice_host(host), event);
        }
    }

    /// A verification moved on or ended.
    pub(crate) async fn notice_verification(&self, verification: &Verification) {
        if about_verification(verification, None).is_none() {
            return;
        }
        let dump_id = verification.dump_id.clone();
        let record = self.of_catalog(move |catalog| catalog.record_of(&dump_id)).await.ok().flatten();
        let guest = record.as_ref().map(|record| GuestOf { name: record.dom.0.clone(), uuid: None });
        let owner = self.hosts.owner(&verification.dump_id);
        if let Some(event) = about_verification(verification, guest) {
            self.notify.notices.raise(self.notice_host(owner.as_deref().map(Member::name)), event);
        }
    }

    /// Raises what happened to dumps while nobody listened: before the start, or because too much happened at once. What was
    /// raised before is not told again.
    pub(crate) async fn catch_up(&self) {
        let now = self.clock.now();
        let read = move |catalog: &Catalog| {
            let since = if let Some(since) =
                catalog.setting(SINCE)?.and_then(|since| since.parse::<Timestamp>().ok())
            {
                since
            } else {
                catalog.set_setting(SINCE, &now.to_string())?;
                now
            };
            Ok((since, catalog.latest_jobs(LOOKED_AT)?, catalog.latest_remote(LOOKED_AT)?))
        };
        // It was logged. The next start looks again.
        let Ok((since, jobs, remote)) = self.of_catalog(read).await else { return };
        let since = since.max(now.minus(NEWS_FOR));
        let is_news = |at: Option<Timestamp>| at.is_some_and(|at| at >= since);
        let here = self.hosts.members().find(|member| member.is_here());
        for job in jobs.iter().filter(|job| is_news(job.finished_at)) {
            self.notice_dump(here.as_deref().map(Member::name), &status_of(job));
        }
        for (_, status) in self.hosts.statuses().await.unwrap_or_default() {
            if is_news(status.finished_at) {
                self.notice_dump(status.host.as_ref(), &status);
            }
        }
        for dump in remote {
            if is_news(dump.status.finished_at.or(Some(dump.changed_at))) {
                let owner = self.hosts.owner(&dump.status.dump_id);
                self.notice_dump(owner.as_deref().map(Member::name), &dump.status);
            }
        }
    }

    async fn watch_hosts(&self) {
        let mut watched: BTreeMap<HostId, Watched> = BTreeMap::new();
        let mut looks = 0_u32;
        loop {
            let now = self.clock.monotonic();
            // Hosts may be added and removed meanwhile.
            watched.retain(|name, _| self.hosts.named(name.as_str()).is_some());
            for member in self.hosts.members() {
                let watched = watched.entry(member.name().clone()).or_default();
                if !member.is_here() {
                    let error = member.host().health().error;
                    if let Some(event) = watched.health(now, error.as_ref()) {
                        self.notify.notices.raise(self.notice_host(Some(member.name())), event);
                    }
                }
                if looks.is_multiple_of(LOOKS_PER_SPACE) {
                    let free = member.host().facts().await.free_bytes;
                    if let Some(event) = watched.space(free, self.notify.limits.free) {
                        self.notify.notices.raise(self.notice_host(Some(member.name())), event);
                    }
                }
            }
            looks = looks.wrapping_add(1);
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The host a notice names: of several the one it is about, else what the only one calls itself.
    pub(super) fn notice_host(&self, host: Option<&HostId>) -> Option<HostId> {
        if self.hosts.are_many() {
            host.cloned()
        } else {
            self.hosts.own_name().and_then(|name| name.parse().ok())
        }
    }
}

/// As much of an own job as notices are made of.
fn status_of(job: &Job) -> DumpStatus {
    let Job { dump_id, vm, guest, state, message, end_reason, mode, fallback, record, .. } = job;
    let pause_ms = record.as_ref().and_then(|record| record.pause_ms);
    DumpStatus {
        dump_id: dump_id.clone(),
        vm: vm.as_str().to_owned(),
        state: (*state).into(),
        progress: 0.0,
        message: message.clone(),
        started_at: job.started_at,
        finished_at: job.finished_at,
        dump_path: None,
        duration_sec: None,
        host: None,
        job_state: Some(*state),
        guest: guest.as_ref().map(|guest| guest.name.clone()),
        guest_uuid: guest.as_ref().map(|guest| guest.uuid.clone()),
        end_reason: end_reason.clone(),
        queued_at: Some(job.queued_at),
        bytes: None,
        phase: None,
        waits_for: None,
        pause_ms,
        mode: *mode,
        fallback: fallback.clone(),
        live: None,
        record: None,
    }
}
