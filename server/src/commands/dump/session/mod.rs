//! Who takes the dumps of this command: this process ([`here`]), or a service that runs already ([`service`]).

mod here;
mod service;

use std::slice;
use std::time::Duration;

use async_trait::async_trait;
use memdeck_agent::{Asked, Face};
use memdeck_catalog::{LockError, LockRole};
use memdeck_model::{
    ALL_GUESTS, DumpId, DumpOptions, DumpStatus, Event, FrozenPause, Guest, ModeChoice, Target, VmRef,
};
use memdeck_operations::Everyone;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Failure;
use crate::commands::service::Service;
use crate::config::Config;
use crate::node::{StartError, State};
use here::Here;

/// Takes the dumps of a command.
#[async_trait]
pub trait Session: Send + Sync {
    /// Every guest there, running or not.
    async fn guests(&self) -> Result<Vec<Guest>, Failure>;

    /// The newest dump of every guest that had one.
    async fn statuses(&self) -> Result<Vec<DumpStatus>, Failure>;

    /// How long a guest may stand still there for a frozen dump; `None` if that is not known.
    async fn frozen_pause(&self) -> Option<FrozenPause>;

    async fn trigger(&self, targets: Vec<VmRef>, options: DumpOptions) -> Result<Asked, Failure>;

    async fn cancel(&self, dump_id: &DumpId) -> Result<Cancelled, Failure>;

    /// What to wait for between two looks at the dumps. Asked for before they are triggered, it misses no end.
    fn ends(&self) -> Ends;

    /// Ends what this process holds.
    async fn close(self: Box<Self>);
}

/// What became of a wish to cancel a dump.
pub enum Cancelled {
    /// It is being cancelled, or has ended.
    Yes,
    /// The service with this URL cannot do that.
    NotBy(String),
}

/// Finds out who takes dumps.
pub async fn open(config: &Config) -> Result<Box<dyn Session>, Failure> {
    if let Some(service) = Service::configured(config)? {
        return Ok(Box::new(service));
    }
    if !config.hosts.is_empty() {
        return Ok(Box::new(dashboard(config)?));
    }
    let state = match State::take(config, LockRole::Dump) {
        Ok(state) => state,
        Err(StartError::Lock(LockError::Held { holder: Some(holder), dir })) => {
            return match Service::of_holder(config, &holder)? {
                Some(service) => Ok(Box::new(service)),
                None => Err(StartError::from(LockError::Held { holder: Some(holder), dir }).into()),
            };
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Box::new(Here::start(config, state).await?))
}

/// The running dashboard, which alone takes dumps on the hosts of the configuration.
fn dashboard(config: &Config) -> Result<Service, Failure> {
    let service = Service::find(config)?.filter(|service| service.face == Face::Dashboard);
    service.ok_or_else(|| {
        Failure::new(
            "the configuration names hosts, and only a running `memdeck serve` takes dumps on them: start it first",
        )
    })
}

/// The warnings before these guests are dumped in this mode: a sentence for each that would stand still for longer than the
/// limit where it is dumped. What cannot be asked for is no reason against a dump, and nothing is said.
pub async fn pause_warnings(session: &dyn Session, targets: &[VmRef], mode: ModeChoice) -> Vec<String> {
    if mode == ModeChoice::Live {
        return Vec::new();
    }
    too_long(session, targets, mode).await.unwrap_or_default()
}

async fn too_long(session: &dyn Session, targets: &[VmRef], mode: ModeChoice) -> Option<Vec<String>> {
    let limits = session.frozen_pause().await.filter(|limits| limits.bytes_per_s.is_some())?;
    let guests = session.guests().await.ok()?;
    let is_meant = |guest: &&Guest| {
        let is_it = |vm: &VmRef| vm.find_in(&guests).is_some_and(|found| found.uuid == guest.uuid);
        is_everyone(targets) || targets.iter().any(is_it)
    };
    let meant: Vec<Guest> = guests.iter().filter(is_meant).cloned().collect();
    let told =
        |(guest, _): (&Guest, _)| limits.warning(mode, slice::from_ref(guest), |name| format!("'{name}'"));
    Some(limits.too_long(mode, &meant).into_iter().filter_map(told).collect())
}

/// After a signal, Ctrl-C mostly: the dumps are cancelled, wherever they run. Returns the sentence that says what became of
/// it.
pub async fn interrupt(session: &dyn Session, dumps: &[DumpStatus], signal: &'static str) -> String {
    tracing::info!(signal, "the dumps are cancelled");
    for dump in dumps {
        match session.cancel(&dump.dump_id).await {
            Ok(Cancelled::Yes) => {}
            Ok(Cancelled::NotBy(url)) => {
                return format!("interrupted: {url} cannot cancel, so the dumps go on there");
            }
            Err(failure) => return format!("interrupted, and a dump may go on: {}", failure.message()),
        }
    }
    "interrupted: the dumps are cancelled and their guests run on".to_owned()
}

/// The guests that are meant, where the one who takes the dumps does not know the word "all".
async fn meant(session: &dyn Session, targets: Vec<VmRef>) -> Result<Everyone, Failure> {
    if !is_everyone(&targets) {
        let targets = targets.into_iter().map(Target::from).collect();
        return Ok(Everyone { targets, omitted: Vec::new() });
    }
    let everyone = Everyone::of(&session.guests().await?, session.statuses().await?.iter());
    if everyone.is_nobody() { Err(Failure::new("no VM is running")) } else { Ok(everyone) }
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
