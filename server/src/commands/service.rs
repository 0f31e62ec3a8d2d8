//! The running memdeck that a command asks, instead of doing its work beside it.

use memdeck_catalog::{LockHolder, LockRole, holder_of};
use memdeck_model::{Actor, DumpId, Guest, Problem, Remark};

use super::{Failure, own_service, with_causes};
use crate::config::Config;
use crate::node::StartError;
use crate::ownership;
use memdeck_agent::{CallError, Face, ServiceClient};

/// A service that answers.
pub struct Service {
    /// Calls it.
    pub client: ServiceClient,
    /// Which of the two it is.
    pub face: Face,
}

impl Service {
    /// The dump service that `MEMDUMP_SERVICE_URL` names.
    pub fn configured(config: &Config) -> Result<Option<Self>, Failure> {
        let service = |service| {
            let client = ServiceClient::new(service).map_err(|error| Failure::new(with_causes(&error)))?;
            Ok(Self { client, face: Face::Service })
        };
        config.service.as_ref().map(service).transpose()
    }

    /// The service that holds the state directory; `None` if it is none, or does not say where it answers.
    pub fn of_holder(config: &Config, holder: &LockHolder) -> Result<Option<Self>, Failure> {
        let face = match holder.role {
            LockRole::Serve => Face::Dashboard,
            LockRole::Agent => Face::Service,
            _ => return Ok(None),
        };
        let client = own_service::client(config, holder).transpose()?;
        Ok(client.map(|client| Self { client, face }))
    }

    /// Who knows the dumps, records and guests that a command is about: the dashboard of the state directory, which has
    /// what its dump service reported; else the configured dump service; else the agent of the state directory. `None`
    /// where the state directory is all there is.
    pub fn find(config: &Config) -> Result<Option<Self>, Failure> {
        if config.state_dir.exists() {
            ownership::check_directory(&config.state_dir).map_err(StartError::from)?;
        }
        let holder = holder_of(&config.state_dir);
        let of_state = holder.map(|holder| Self::of_holder(config, &holder)).transpose()?.flatten();
        match of_state {
            Some(dashboard) if dashboard.face == Face::Dashboard => Ok(Some(dashboard)),
            other => Ok(Self::configured(config)?.or(other)),
        }
    }

    pub async fn guests(&self) -> Result<Vec<Guest>, Failure> {
        let guests = self.client.guests().await.map_err(|error| self.failed(&error))?;
        guests.ok_or_else(|| {
            let url = self.client.url();
            Failure::new(format!("the dump service {url} does not report its guests; name them"))
        })
    }

    /// Cancels a dump; false where the service knows no such dump or cannot cancel.
    pub async fn cancel(&self, dump_id: &DumpId, by: &Actor) -> Result<bool, Failure> {
        let by = self.takes_actors().await?.then_some(by);
        self.client.cancel(self.face, dump_id, by).await.map_err(|error| self.failed(&error))
    }

    /// Whether it takes an actor as who asks. An older dump service takes plain text, and refuses what it cannot read.
    pub async fn takes_actors(&self) -> Result<bool, Failure> {
        match self.face {
            // The same program, on the same host.
            Face::Dashboard => Ok(true),
            Face::Service => {
                let capabilities = self.client.capabilities().await;
                Ok(capabilities.map_err(|error| self.failed(&error))?.actors)
            }
        }
    }

    /// A call that failed.
    pub fn failed(&self, error: &CallError) -> Failure {
        Failure::new(format!("the dump service {} failed: {error}", self.client.url()))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::new(problem.detail.to_string())
    }
}

/// Who uses the command line.
pub fn operator() -> Actor {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    Actor::CommandLine { user: user.ok().filter(|user| user.parse::<Remark>().is_ok()) }
}
