//! Where the list of guests comes from, and the watch over it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use memdeck_hypervisor::{Hypervisor, HypervisorError};
use memdeck_model::{Event, Guest, Problem, ProblemKind};

use super::LiveFeed;
use crate::blocking;
use crate::remote::RemoteBackend;

/// Between two looks at the guests while a page is open.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// Lists guests.
#[async_trait]
pub trait GuestSource: Send + Sync {
    /// What it lists the guests of.
    fn uri(&self) -> String;

    /// Every guest, running or not, by name.
    ///
    /// # Errors
    /// The hypervisor is away.
    async fn list(&self) -> Result<Vec<Guest>, Problem>;
}

/// The guests of this host's hypervisor.
pub struct HypervisorGuests(Arc<dyn Hypervisor>);

impl HypervisorGuests {
    /// The guests of `hypervisor`.
    pub fn new(hypervisor: Arc<dyn Hypervisor>) -> Self {
        Self(hypervisor)
    }
}

#[async_trait]
impl GuestSource for HypervisorGuests {
    fn uri(&self) -> String {
        self.0.uri().to_owned()
    }

    async fn list(&self) -> Result<Vec<Guest>, Problem> {
        let hypervisor = Arc::clone(&self.0);
        blocking(move || hypervisor.guests()).await.map_err(|error| hypervisor_problem(&error))
    }
}

/// The hypervisor does not answer, told with its cause: operators need libvirt's own words.
pub(crate) fn hypervisor_problem(error: &HypervisorError) -> Problem {
    let mut detail = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        detail = format!("{detail}: {error}");
        cause = error.source();
    }
    Problem::new(ProblemKind::Unavailable, detail)
}

/// The guests an agent tells; of a service that tells none, those of the libvirt this process is configured for.
pub struct AgentGuests {
    agent: Arc<RemoteBackend>,
    otherwise: HypervisorGuests,
}

impl AgentGuests {
    /// The guests of `agent`, or else of `otherwise`.
    pub fn new(agent: Arc<RemoteBackend>, otherwise: HypervisorGuests) -> Self {
        Self { agent, otherwise }
    }
}

#[async_trait]
impl GuestSource for AgentGuests {
    fn uri(&self) -> String {
        self.agent.client().url().to_owned()
    }

    async fn list(&self) -> Result<Vec<Guest>, Problem> {
        match self.agent.client().guests().await {
            Ok(Some(guests)) => Ok(guests),
            Ok(None) => self.otherwise.list().await,
            Err(error) => {
                let detail = format!(
                    "the dump service {} does not tell its guests ({error})",
                    self.agent.client().url()
                );
                Err(Problem::new(ProblemKind::Unavailable, detail))
            }
        }
    }
}

/// Tells changes of the guests and of the hypervisor's health to open pages, and rests while there are none.
pub(super) async fn watch(source: &dyn GuestSource, live: &LiveFeed) {
    loop {
        live.listener().await;
        match source.list().await {
            Ok(guests) => {
                live.note_hypervisor(None);
                live.note_guests(guests);
            }
            Err(problem) => live.note_hypervisor(Some(problem.detail)),
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

impl LiveFeed {
    fn note_guests(&self, guests: Vec<Guest>) {
        // The CPU time of a running guest always changes; alone it is no news for a selector.
        let mut shown = guests;
        for guest in &mut shown {
            guest.cpu_time_ns = 0;
        }
        self.publish_if_news(Event::Guests(shown));
    }

    fn note_hypervisor(&self, error: Option<String>) {
        self.publish_if_news(Event::Hypervisor(error));
    }
}
