//! Where the list of guests comes from, and the watch over it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use memdeck_hypervisor::{Hypervisor, HypervisorError};
use memdeck_model::{Event, Guest, Message, Problem, ProblemKind};

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

    /// The name of the host they run on; `None` while it is not known.
    fn host(&self) -> Option<String>;

    /// Every guest, running or not, by name.
    ///
    /// # Errors
    /// The hypervisor is away.
    async fn list(&self) -> Result<Vec<Guest>, Problem>;
}

/// The guests of this host's hypervisor.
pub struct HypervisorGuests {
    hypervisor: Arc<dyn Hypervisor>,
    /// Set once the hypervisor has told it: nothing waits for it.
    host: Arc<OnceLock<String>>,
}

impl HypervisorGuests {
    /// The guests of `hypervisor`.
    pub fn new(hypervisor: Arc<dyn Hypervisor>) -> Self {
        let guests = Self { hypervisor, host: Arc::default() };
        std::thread::spawn(guests.look_for_host());
        guests
    }

    fn look_for_host(&self) -> impl FnOnce() + Send + 'static {
        let (hypervisor, host) = (Arc::clone(&self.hypervisor), Arc::clone(&self.host));
        move || {
            if host.get().is_none()
                && let Ok(found) = hypervisor.host()
            {
                // Another thread may have been first, with the same name.
                let _ = host.set(found.name);
            }
        }
    }
}

#[async_trait]
impl GuestSource for HypervisorGuests {
    fn uri(&self) -> String {
        self.hypervisor.uri().to_owned()
    }

    fn host(&self) -> Option<String> {
        self.host.get().cloned()
    }

    async fn list(&self) -> Result<Vec<Guest>, Problem> {
        let hypervisor = Arc::clone(&self.hypervisor);
        let look_for_host = self.look_for_host();
        let list = move || {
            let guests = hypervisor.guests()?;
            look_for_host();
            Ok(guests)
        };
        blocking(list).await.map_err(|error: HypervisorError| hypervisor_problem(&error))
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
    is_same_host: bool,
}

impl AgentGuests {
    /// The guests of `agent`, or else of `otherwise`; `is_same_host` says that these are the same guests.
    pub fn new(agent: Arc<RemoteBackend>, otherwise: HypervisorGuests, is_same_host: bool) -> Self {
        Self { agent, otherwise, is_same_host }
    }

    /// Whether guests may be listed without the service, while it is away: they are the same ones, or it never told its
    /// guests.
    fn may_be_listed_without(&self) -> bool {
        self.is_same_host || self.agent.last_capabilities().is_some_and(|capabilities| !capabilities.guests)
    }
}

#[async_trait]
impl GuestSource for AgentGuests {
    fn uri(&self) -> String {
        self.agent.client().url().to_owned()
    }

    fn host(&self) -> Option<String> {
        host_of(self.agent.client().url())
    }

    async fn list(&self) -> Result<Vec<Guest>, Problem> {
        match self.agent.client().guests().await {
            Ok(Some(guests)) => Ok(guests),
            Ok(None) => self.otherwise.list().await,
            Err(error) => {
                if self.may_be_listed_without()
                    && let Ok(guests) = self.otherwise.list().await
                {
                    return Ok(guests);
                }
                let detail = format!(
                    "the dump service {} does not tell its guests ({error})",
                    self.agent.client().url()
                );
                Err(Problem::new(ProblemKind::Unavailable, detail))
            }
        }
    }
}

/// The host that an URL names.
fn host_of(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    url.host_str().map(ToOwned::to_owned)
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
    pub(super) fn note_guests(&self, guests: Vec<Guest>) {
        self.publish_if_news(Event::Guests(guests));
    }

    fn note_hypervisor(&self, error: Option<Message>) {
        self.publish_if_news(Event::Hypervisor(error));
    }
}
