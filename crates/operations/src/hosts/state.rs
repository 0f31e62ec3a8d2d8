//! How each host stands, and what operators change about that.

use futures_util::future::join_all;
use memdeck_model::{Guest, GuestState, HostId, HostState, Timestamp};

use super::{Hosts, Member};
use crate::HostFacts;

/// Of a host that is none any more.
const LEAVING: &str = "it was removed: it takes no new dumps, and is shown until its dumps have ended";

impl Hosts {
    /// How every host stands now, as far as that is known without asking one that is away.
    pub async fn states(&self, now: Timestamp) -> Vec<HostState> {
        join_all(self.members().map(|member| async move { self.state_of(&member, now).await })).await
    }

    /// How one host stands.
    pub async fn state_of(&self, member: &Member, now: Timestamp) -> HostState {
        let health = member.host().health();
        let facts = member.host().facts().await;
        let HostFacts { condition, version, last_contact, clock_ahead_ms, active_dumps, free_bytes } = facts;
        let guests = self.known_guests(member).await;
        let count = |is_counted: fn(&Guest) -> bool| {
            let guests = guests.as_ref().filter(|_| health.capabilities.guests)?;
            u32::try_from(guests.iter().filter(|guest| is_counted(guest)).count()).ok()
        };
        let runs = |guest: &Guest| matches!(guest.state, GuestState::Running | GuestState::Blocked);
        HostState {
            name: member.name().clone(),
            service: member.host().address().to_owned(),
            condition,
            added: member.is_added(),
            draining: member.is_draining(),
            guests: count(|_| true),
            running_guests: count(runs).filter(|_| health.error.is_none()),
            error: health.error,
            warning: if member.is_leaving() { Some(LEAVING.into()) } else { health.warning },
            version,
            last_contact: if member.is_here() { Some(now) } else { last_contact },
            clock_ahead_ms,
            active_dumps,
            free_bytes,
            capabilities: health.capabilities,
            frozen_pause: member.ask(member.host().frozen_pause()).await.ok().flatten(),
        }
    }

    /// Its guests as it lists them now, or listed them last.
    async fn known_guests(&self, member: &Member) -> Option<Vec<Guest>> {
        match member.guests().await {
            Ok(guests) => Some(guests),
            Err(_) => member.last_guests(),
        }
    }

    /// The hosts that take no new dumps.
    pub(crate) fn draining(&self) -> Vec<HostId> {
        self.members().filter(|member| member.is_draining()).map(|member| member.name().clone()).collect()
    }

    /// Keeps hosts from taking new dumps that were kept from it before memdeck was started anew.
    pub(crate) fn restore_draining(&self, names: &[HostId]) {
        for member in self.members().filter(|member| names.contains(member.name())) {
            member.set_draining(true);
        }
    }
}
