//! What a caller may see of guests, dumps and records: nothing of a guest beyond their reach.
//!
//! A dump or record is its guest's. One whose guest is not known, such as a dump of a name that no guest has, is nobody's, and
//! only seen by who sees everything.

use std::collections::BTreeMap;

use memdeck_model::{DumpStatus, Guest, HostId, Message, Problem, ProblemKind, Record, ServiceHealth, Whose};

use crate::{Caller, HostError, Hosts, Operations};

impl Hosts {
    /// The names by which the host of a guest goes: that of the configuration, where one is given, and its own.
    fn names_of(&self, host: Option<&HostId>) -> Vec<String> {
        let member = host.map_or_else(|| Some(self.first()), |host| self.named(host.as_str()));
        let own = member.and_then(|member| member.host().name());
        host.map(ToString::to_string).into_iter().chain(own).collect()
    }
}

impl Caller {
    /// Whether they may see a guest.
    pub(crate) fn sees_guest(&self, guest: &Guest, hosts: &Hosts) -> bool {
        self.sees(hosts, guest.host.as_ref(), Some(&guest.name.0), Some(&guest.uuid))
    }

    /// Whether they may see a dump.
    pub(crate) fn sees_dump(&self, status: &DumpStatus, hosts: &Hosts) -> bool {
        let name = status.guest.as_ref().map(|name| name.0.as_str());
        self.sees(hosts, status.host.as_ref(), name, status.guest_uuid.as_deref())
    }

    /// Whether they may see something of the guest of this name and UUID on `host`.
    pub(crate) fn sees(
        &self,
        hosts: &Hosts,
        host: Option<&HostId>,
        name: Option<&str>,
        uuid: Option<&str>,
    ) -> bool {
        if !self.reach.is_limited() {
            return true;
        }
        let names = hosts.names_of(host);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.reach.includes(Whose { hosts: &names, name, uuid })
    }

    /// Whether they may see a record, and the image that it is of.
    pub(crate) fn sees_record(&self, record: &Record) -> bool {
        let hosts = record.host.as_deref();
        let (name, uuid) = (Some(record.dom.0.as_str()), record.guest_uuid.as_deref());
        self.reach.includes(Whose { hosts: hosts.as_slice(), name, uuid })
    }
}

/// What names the hosts to somebody who does not see all guests: which hosts there are is for those who do.
const SEVERAL: &str = "several hosts";

impl Operations {
    /// Whether the names of hosts are kept from the caller.
    fn hides_hosts(&self, caller: &Caller) -> bool {
        caller.reach.is_limited() && self.hosts.are_many()
    }

    /// What names the hosts as a service.
    pub(crate) fn told_address(&self, caller: &Caller) -> String {
        if self.hides_hosts(caller) { SEVERAL.to_owned() } else { self.hosts.address() }
    }

    /// Where the guests are from.
    pub(crate) fn told_guests_of(&self, caller: &Caller) -> String {
        if self.hides_hosts(caller) { SEVERAL.to_owned() } else { self.hosts.guests_of() }
    }

    /// Whether the service that takes dumps answers. What is wrong with its answers may be about any guest, and which of several
    /// hosts is away is for those who see all.
    pub(crate) fn told_health(&self, health: ServiceHealth, caller: &Caller) -> ServiceHealth {
        if !caller.reach.is_limited() {
            return health;
        }
        if !self.hosts.are_many() {
            return ServiceHealth { warning: None, ..health };
        }
        let error = health.error.map(|_| "no host answers".into());
        ServiceHealth { error, warning: None, service: SEVERAL.to_owned(), ..health }
    }

    /// Why hosts did not answer.
    pub(crate) fn told_failure(&self, problem: Problem, caller: &Caller) -> Problem {
        if self.hides_hosts(caller) {
            Problem::new(ProblemKind::Unavailable, "no host answers; try again later")
        } else {
            problem
        }
    }

    /// Why the guests are not known.
    pub(crate) fn told_error(&self, error: Message, caller: &Caller) -> Message {
        self.told_failure(Problem::new(ProblemKind::Unavailable, error), caller).detail
    }

    /// The newest dump of every guest that had one and that the caller may see. Where they do not see all, under the name of the
    /// guest: what others called it by is theirs.
    ///
    /// # Errors
    /// The dump service is away.
    pub(crate) async fn dump_statuses(
        &self,
        caller: &Caller,
    ) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        let statuses = self.hosts.statuses().await.map_err(|error| {
            let reason = "none of them answers".to_owned();
            let hidden = HostError::Unavailable { service: SEVERAL.to_owned(), reason };
            if self.hides_hosts(caller) { hidden } else { error }
        })?;
        if !caller.reach.is_limited() {
            return Ok(statuses);
        }
        let mut seen: BTreeMap<String, DumpStatus> = BTreeMap::new();
        for mut status in statuses.into_values().filter(|status| caller.sees_dump(status, &self.hosts)) {
            let name = status.display_name().to_owned();
            let is_another = seen.get(&name).is_some_and(|known| known.dump_id != status.dump_id);
            let name = match &status.host {
                Some(host) if is_another => host.qualify(&name),
                _ => name,
            };
            status.vm.clone_from(&name);
            seen.insert(name, status);
        }
        Ok(seen)
    }
}
