//! Which hosts a dashboard has: those that the configuration names, and those that operators added to it.

use std::sync::Arc;

use async_trait::async_trait;
use memdeck_model::{NewHost, Problem, ProblemKind, with_causes};
use memdeck_operations::HostBook;
use parking_lot::Mutex;

use crate::config::HostConfig;
use crate::services::{Reloaded, ServiceError, Services};

/// The hosts of one dashboard by where they stand.
pub struct NamedHosts {
    services: Arc<Services>,
    configured: Mutex<Vec<HostConfig>>,
    added: Mutex<Vec<NewHost>>,
    /// One change after the other.
    turn: tokio::sync::Mutex<()>,
}

impl NamedHosts {
    pub fn new(services: Arc<Services>, configured: Vec<HostConfig>, added: Vec<NewHost>) -> Self {
        let turn = tokio::sync::Mutex::default();
        Self { services, configured: Mutex::new(configured), added: Mutex::new(added), turn }
    }

    /// From now on the configuration names these.
    ///
    /// # Errors
    /// A client cannot be set up. Then nothing changes.
    pub async fn configure(&self, configured: &[HostConfig]) -> Result<Reloaded, ServiceError> {
        let _turn = self.turn.lock().await;
        let configured = with_this_machine(configured);
        let added = self.added.lock().clone();
        let reloaded = self.services.reload(&together(&configured, &added)).await?;
        *self.configured.lock() = configured;
        Ok(reloaded)
    }
}

#[async_trait]
impl HostBook for NamedHosts {
    fn check(&self, host: &NewHost) -> Result<(), Problem> {
        let invalid = |what: String| Problem::new(ProblemKind::Invalid, format!("{}: {what}", host.name));
        let new = HostConfig::added(host).map_err(invalid)?;
        let there = together(&self.configured.lock(), &self.added.lock());
        let taken = there.iter().find_map(|other| Some((other, new.has_in_common(other)?)));
        if let Some((other, common)) = taken {
            let detail = format!("another host has this {common}: {}", other.name);
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        Services::try_client(&new).map_err(|error| invalid(with_causes(&error)))
    }

    async fn replace(&self, added: &[NewHost]) -> Result<(), Problem> {
        let _turn = self.turn.lock().await;
        let configured = self.configured.lock().clone();
        let reloaded = self.services.reload(&together(&configured, added)).await;
        reloaded.map_err(|error| Problem::new(ProblemKind::Internal, with_causes(&error)))?;
        *self.added.lock() = added.to_vec();
        Ok(())
    }
}

/// A file without hosts means this machine.
pub fn with_this_machine(configured: &[HostConfig]) -> Vec<HostConfig> {
    if configured.is_empty() { vec![HostConfig::here()] } else { configured.to_vec() }
}

/// All of them. What the configuration says counts: an added host that has the name, URL or token of one there is left out, and so is
/// one that cannot be used any more.
pub fn together(configured: &[HostConfig], added: &[NewHost]) -> Vec<HostConfig> {
    let mut all = configured.to_vec();
    for host in added {
        match HostConfig::added(host) {
            Ok(new) => match all.iter().find(|other| new.has_in_common(other).is_some()) {
                None => all.push(new),
                Some(other) => tracing::warn!(
                    host = %host.name, other = %other.name,
                    "an added host is left out: the configuration has one of its name, url or token"
                ),
            },
            Err(wrong) => {
                tracing::error!(host = %host.name, wrong, "an added host is left out: it cannot be used");
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, url: &str) -> NewHost {
        NewHost { name: name.parse().unwrap(), url: url.to_owned(), token: None, ca: None }
    }

    fn names(hosts: &[HostConfig]) -> Vec<(&str, bool)> {
        hosts.iter().map(|host| (host.name.as_str(), host.added)).collect()
    }

    #[test]
    fn the_configuration_counts_where_both_name_a_host() {
        let mut configured = HostConfig::added(&new("kvm-a", "http://192.0.2.1:5001")).unwrap();
        configured.added = false;
        let added = [
            new("KVM-A", "http://192.0.2.9:5001"),
            new("kvm-b", "http://192.0.2.1:5001/"),
            new("kvm-c", "http://192.0.2.3:5001"),
            new("kvm-d", "ftp://192.0.2.4"),
        ];
        assert_eq!(names(&together(&[configured], &added)), [("kvm-a", false), ("kvm-c", true)]);
    }

    #[test]
    fn this_machine_goes_on_to_be_a_host_beside_those_that_are_added() {
        let all = together(&with_this_machine(&[]), &[new("kvm-b", "http://192.0.2.1:5001")]);
        assert_eq!(names(&all), [("local", false), ("kvm-b", true)]);
    }
}
