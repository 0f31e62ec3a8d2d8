//! The dumps of all hosts in one list: under the name of the guest where only one host has such a guest, else under
//! `host/name`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use memdeck_model::{DumpId, DumpStatus, GuestName, Problem, ProblemKind, VmRef};

use super::{Hosts, Member};
use crate::HostError;

type Statuses = BTreeMap<String, DumpStatus>;

impl Hosts {
    /// The newest dump of every guest that had one. Those of a host that does not answer are missing.
    ///
    /// # Errors
    /// No host answers.
    pub async fn statuses(&self) -> Result<Statuses, HostError> {
        if !self.are_many() {
            return self.first().host().statuses().await;
        }
        let asked = self.members().map(|member| async move {
            let statuses = self.statuses_of(&member).await;
            (member, statuses)
        });
        let answers = join_all(asked).await;
        let mut failures = Vec::new();
        let mut told = Vec::new();
        for (member, answer) in answers {
            match answer {
                Ok(statuses) => told.push((member, statuses)),
                Err(error) => failures.push(format!("{}: {error}", member.name())),
            }
        }
        if told.is_empty() {
            return Err(HostError::Unavailable { service: self.names(), reason: failures.join("; ") });
        }
        Ok(self.merged(told))
    }

    /// The dumps of one host, with its name on them.
    pub(super) async fn statuses_of(&self, member: &Member) -> Result<Statuses, HostError> {
        let mut statuses = member.ask(member.host().statuses()).await?;
        for status in statuses.values_mut() {
            self.take(member, status);
        }
        Ok(statuses)
    }

    /// Puts its host's name on a status, and remembers whose it is.
    pub(super) fn take(&self, member: &Member, status: &mut DumpStatus) {
        if self.are_many() {
            self.owners.note(&status.dump_id, member.name());
            status.host = self.label(member);
        }
    }

    fn merged(&self, told: Vec<(Arc<Member>, Statuses)>) -> Statuses {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for key in told.iter().flat_map(|(_, statuses)| statuses.keys()) {
            *count.entry(key.clone()).or_default() += 1;
        }
        let mut merged = Statuses::new();
        for (member, statuses) in told {
            let names: BTreeSet<(GuestName, DumpId)> = statuses
                .iter()
                .filter_map(|(key, status)| Some((status.guest.clone()?, key, &status.dump_id)))
                .filter(|(name, key, _)| name.0 == **key)
                .map(|(name, _, dump_id)| (name, dump_id.clone()))
                .collect();
            for (key, status) in statuses {
                // A dump stands under the name of its guest, and not also under the texts that its host was asked by: those
                // are this dashboard's own.
                let is_again = status.guest.as_ref().is_some_and(|name| {
                    name.0 != key && names.contains(&(name.clone(), status.dump_id.clone()))
                });
                if is_again {
                    continue;
                }
                let is_unique = count.get(&key) == Some(&1) && !self.is_elsewhere(&member, &key);
                let key = if is_unique { key } else { member.name().qualify(&key) };
                // A guest may be called as another one is qualified: what names a host comes first.
                merged.entry(key).or_insert(status);
            }
        }
        merged
    }

    /// Whether another host has a guest of this name, too.
    pub(super) fn is_elsewhere(&self, member: &Member, guest: &str) -> bool {
        self.members().any(|other| other.name() != member.name() && other.has_guest(guest))
    }

    /// The newest dump of one guest, by any way in which it can be named, and of a dump by its id.
    ///
    /// # Errors
    /// Several hosts have such a guest, or those that may have it do not answer.
    pub async fn status(&self, vm: &str) -> Result<Option<DumpStatus>, Problem> {
        if !self.are_many() {
            return Ok(self.first().host().status(vm).await?);
        }
        if let Some((member, guest)) = self.qualified(vm) {
            let status = member.ask(member.host().status(guest.as_str())).await?;
            return Ok(status.map(|mut status| {
                self.take(&member, &mut status);
                status
            }));
        }
        let asked = self.members().map(|member| async move {
            let status = member.ask(member.host().status(vm)).await;
            (member, status)
        });
        let mut found = Vec::new();
        let mut failure = None;
        for (member, answer) in join_all(asked).await {
            match answer {
                Ok(Some(mut status)) => {
                    self.take(&member, &mut status);
                    found.push((member, status));
                }
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        let is_ambiguous = match found.as_slice() {
            [] => return failure.map_or(Ok(None), |error| Err(error.into())),
            // Named by the dump's id, there is no doubt.
            [(_, status)] if status.dump_id.as_str() == vm => false,
            [(member, _)] => self.is_elsewhere(member, vm),
            _ => true,
        };
        if is_ambiguous {
            let has_it = |member: &Arc<Member>| {
                member.has_guest(vm) || found.iter().any(|(finder, _)| finder.name() == member.name())
            };
            let candidates = self.members().filter(has_it).map(|member| member.name().qualify(vm)).collect();
            return Err(ambiguous(vm, candidates, ""));
        }
        Ok(found.into_iter().next().map(|(_, status)| status))
    }

    /// The host and the guest that `host/guest` names, if there is such a host.
    pub(crate) fn qualified(&self, vm: &str) -> Option<(Arc<Member>, VmRef)> {
        let (host, guest) = VmRef::new(vm).ok()?.qualified()?;
        Some((self.named(host.as_str())?, guest))
    }
}

/// A name that several hosts have.
pub(crate) fn ambiguous(vm: &str, candidates: Vec<String>, consequence: &str) -> Problem {
    let shown: String = vm.chars().filter(|c| !c.is_control()).take(80).collect();
    let detail = format!(
        "several hosts have a guest '{shown}': name it as one of {}{consequence}",
        candidates.join(", ")
    );
    Problem { candidates, ..Problem::new(ProblemKind::Conflict, detail) }
}
