//! Who takes the dumps of this command: this process, or a service that runs already.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use memdeck_agent::{Asked, Face, refused_options};
use memdeck_catalog::{LockError, LockRole};
use memdeck_influx::{Influx, PointSink as _};
use memdeck_model::{
    ALL_GUESTS, DumpOptions, DumpStatus, Event, FrozenPause, Guest, ModeChoice, Target, VmRef,
};
use memdeck_operations::Everyone;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Failure;
use crate::commands::output::say;
use crate::commands::service::{Service, operator};
use crate::commands::with_causes;
use crate::config::Config;
use crate::node::{self, Node, StartError, State};
use crate::outbox;

pub enum Session {
    Here(Box<Here>),
    Service(Service),
}

/// This process takes the dumps.
pub struct Here {
    node: Node,
    feed: Option<Arc<Influx>>,
    /// Held until the end.
    state: State,
}

impl Session {
    pub async fn open(config: &Config) -> Result<Self, Failure> {
        if let Some(service) = Service::configured(config)? {
            return Ok(Self::Service(service));
        }
        let state = match State::take(config, LockRole::Dump) {
            Ok(state) => state,
            Err(StartError::Lock(LockError::Held { holder: Some(holder), dir })) => {
                return match Service::of_holder(config, &holder)? {
                    Some(service) => Ok(Self::Service(service)),
                    None => Err(StartError::from(LockError::Held { holder: Some(holder), dir }).into()),
                };
            }
            Err(error) => return Err(error.into()),
        };
        let node = Node::here(config, &state, Duration::ZERO).await?;
        let feed = node::influx(config.influx.as_ref())?;
        Ok(Self::Here(Box::new(Here { node, feed, state })))
    }

    /// What to tell before these guests are dumped in this mode: a sentence for each that would stand still for longer than the
    /// limit where it is dumped. What cannot be asked for is no reason against a dump, and nothing is said.
    pub async fn pause_warnings(&self, targets: &[VmRef], mode: ModeChoice) -> Vec<String> {
        if mode == ModeChoice::Live {
            return Vec::new();
        }
        self.too_long(targets, mode).await.unwrap_or_default()
    }

    async fn too_long(&self, targets: &[VmRef], mode: ModeChoice) -> Option<Vec<String>> {
        let limits = self.frozen_pause().await.filter(|limits| limits.bytes_per_s.is_some())?;
        let guests = match self {
            Self::Here(here) => here.guests().await.ok()?,
            Self::Service(service) => service.guests().await.ok()?,
        };
        let is_meant = |guest: &&Guest| {
            let is_it = |vm: &VmRef| vm.find_in(&guests).is_some_and(|found| found.uuid == guest.uuid);
            is_everyone(targets) || targets.iter().any(is_it)
        };
        let meant: Vec<Guest> = guests.iter().filter(is_meant).cloned().collect();
        let told = |(guest, _): (&Guest, _)| {
            limits.warning(mode, slice::from_ref(guest), |name| format!("'{name}'"))
        };
        Some(limits.too_long(mode, &meant).into_iter().filter_map(told).collect())
    }

    async fn frozen_pause(&self) -> Option<FrozenPause> {
        match self {
            Self::Here(here) => {
                // With the guests comes the name of this host, by which the measured pauses are found.
                here.guests().await.ok()?;
                here.node.host.frozen_pause().await.ok()?
            }
            Self::Service(service) => service.client.frozen_pause().await.ok()?.known(),
        }
    }

    pub async fn trigger(&self, targets: Vec<VmRef>, options: DumpOptions) -> Result<Asked, Failure> {
        let all = is_everyone(&targets);
        if let Self::Service(service) = self
            && service.face == Face::Dashboard
        {
            let asked = service.client.trigger_on_dashboard(targets, options, &operator()).await;
            return asked.map_err(|error| service.failed(&error));
        }
        let Everyone { targets, omitted } = if all {
            self.everyone().await?
        } else {
            Everyone { targets: targets.into_iter().map(Target::from).collect(), omitted: Vec::new() }
        };
        if targets.is_empty() {
            return Ok(Asked { omitted, ..Asked::default() });
        }
        let dumps = match self {
            Self::Here(here) => here
                .node
                .host
                .trigger(targets, options, &operator())
                .await
                .map_err(|error| Failure::new(error.to_string()))?,
            Self::Service(service) => {
                let capabilities = service.client.capabilities().await;
                let capabilities = capabilities.map_err(|error| service.failed(&error))?;
                if let Some(what) = refused_options(&options, capabilities) {
                    let url = service.client.url();
                    return Err(Failure::usage(format!(
                        "the dump service {url} takes no {what}: it decides that itself; ask without"
                    )));
                }
                let asked = service.client.trigger(&targets, &options, capabilities, &operator()).await;
                asked.map_err(|error| service.failed(&error))?
            }
        };
        Ok(Asked { dumps, omitted })
    }

    /// What "all" means here.
    async fn everyone(&self) -> Result<Everyone, Failure> {
        let guests = match self {
            Self::Here(here) => here.guests().await?,
            Self::Service(service) => service.guests().await?,
        };
        let everyone = Everyone::of(&guests, self.statuses().await?.iter());
        if everyone.is_nobody() { Err(Failure::new("no VM is running")) } else { Ok(everyone) }
    }

    pub async fn statuses(&self) -> Result<Vec<DumpStatus>, Failure> {
        let statuses = match self {
            Self::Here(here) => {
                here.node.host.statuses().await.map_err(|error| Failure::new(error.to_string()))?
            }
            Self::Service(service) => {
                service.client.statuses(service.face).await.map_err(|error| service.failed(&error))?
            }
        };
        Ok(statuses.into_values().collect())
    }

    /// What to wait for between two looks at the dumps. Asked for before they are triggered, it misses no end.
    pub fn ends(&self) -> Ends {
        Ends(match self {
            Self::Here(here) => Some(here.node.host.subscribe()),
            Self::Service(_) => None,
        })
    }

    /// After a signal, Ctrl-C mostly: the dumps are cancelled, wherever they run. Returns the sentence that says what became
    /// of it.
    pub async fn interrupt(&self, dumps: &[DumpStatus], signal: &'static str) -> String {
        tracing::info!(signal, "the dumps are cancelled");
        for dump in dumps {
            let cancelled = match self {
                Self::Here(here) => here
                    .node
                    .host
                    .cancel(dump.dump_id.clone(), &operator())
                    .await
                    .map_err(|error| Failure::new(with_causes(&error))),
                Self::Service(service) => service.cancel(&dump.dump_id, &operator()).await,
            };
            match (cancelled, self) {
                (Ok(true), _) | (Ok(false), Self::Here(_)) => {}
                (Ok(false), Self::Service(service)) => {
                    let url = service.client.url();
                    return format!("interrupted: {url} cannot cancel, so the dumps go on there");
                }
                (Err(failure), _) => {
                    return format!("interrupted, and a dump may go on: {}", failure.message());
                }
            }
        }
        "interrupted: the dumps are cancelled and their guests run on".to_owned()
    }

    /// Ends what this process holds; points that wait for InfluxDB are offered once.
    pub async fn close(self) {
        let Self::Here(here) = self else { return };
        let Here { node, feed, state } = *here;
        // Waits for dumps that are being cancelled.
        node.shut_down().await;
        if let Some(feed) = feed {
            match outbox::round(&state.catalog, feed.as_ref()).await {
                Ok(outbox::Round::Empty) => {}
                Ok(outbox::Round::Left) => say(format_args!(
                    "memdeck: {} did not take every point; the next `memdeck serve` or `memdeck dump` writes them",
                    feed.describe()
                )),
                Err(error) => say(format_args!("memdeck: {}", with_causes(&error))),
            }
        }
    }
}

fn is_everyone(targets: &[VmRef]) -> bool {
    matches!(targets, [only] if only.as_str() == ALL_GUESTS)
}

/// The ends of dumps, as far as this process hears of them itself.
pub struct Ends(Option<broadcast::Receiver<Event>>);

impl Ends {
    /// Returns when a dump has ended, and after `longest` in any case.
    pub async fn next(&mut self, longest: Duration) {
        let Some(events) = &mut self.0 else {
            return tokio::time::sleep(longest).await;
        };
        let ended = async {
            loop {
                match events.recv().await {
                    Ok(Event::Dump(dump)) if dump.exact_state().is_final() => return,
                    Ok(_) => {}
                    // One of the events that are lost may have been it.
                    Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        // Either way it is time to look.
        let _ = tokio::time::timeout(longest, ended).await;
    }
}

impl Here {
    async fn guests(&self) -> Result<Vec<Guest>, Failure> {
        Ok(self.node.host.guests().await?)
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{DumpId, DumpState, JobState};

    use super::*;

    const AN_HOUR: Duration = Duration::from_hours(1);

    fn status(state: DumpState, job_state: JobState) -> Event {
        let dump_id = DumpId::from_uuid_bits(1);
        let status: DumpStatus = serde_json::from_value(serde_json::json!({
            "dump_id": dump_id, "vm": "web-01", "state": state, "progress": 0.0, "job_state": job_state,
        }))
        .unwrap();
        Event::Dump(Box::new(status))
    }

    #[tokio::test]
    async fn an_end_that_came_before_the_wait_is_not_missed() {
        let (events, heard) = broadcast::channel(8);
        let mut ends = Ends(Some(heard));
        events.send(status(DumpState::Running, JobState::Running)).unwrap();
        events.send(status(DumpState::Failed, JobState::Cancelled)).unwrap();
        ends.next(AN_HOUR).await;
    }

    #[tokio::test]
    async fn without_an_end_the_wait_is_as_long_as_was_said() {
        let (events, heard) = broadcast::channel(8);
        events.send(status(DumpState::Running, JobState::Running)).unwrap();
        for mut ends in [Ends(Some(heard)), Ends(None)] {
            let longest = Duration::from_millis(20);
            let begun = std::time::Instant::now();
            ends.next(longest).await;
            assert!(begun.elapsed() >= longest);
        }
    }

    #[tokio::test]
    async fn events_that_were_lost_may_have_been_an_end() {
        let (events, heard) = broadcast::channel(1);
        let mut ends = Ends(Some(heard));
        for _ in 0..2 {
            events.send(status(DumpState::Running, JobState::Running)).unwrap();
        }
        ends.next(AN_HOUR).await;
    }
}
