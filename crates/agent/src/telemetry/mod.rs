//! The guests of an agent as it measures them.
//!
//! ```text
//! nobody looks ──► somebody does ──► asked, and asked again after each collection ──► nobody does any more
//!                                       └── no answer for a while ──► the last values once more, as stale
//! ```
//!
//! The agent collects and keeps; here is only what was told last. However many pages look, it is asked once for all of them. The
//! dashboard writes none of it anywhere: the points of its guests are the agent's to write.

mod calls;
mod told;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use memdeck_model::telemetry::{
    Diagnosis, LiveValues, Measurements, Series, SeriesQuery, TelemetryReport, Watch,
};
use memdeck_model::{Actor, Millis, Problem, ProblemKind, Timestamp};
use memdeck_operations::Telemetry;
use parking_lot::Mutex;
use reqwest::StatusCode;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use self::told::{of_watch, stale, stale_guests};
use self::watches::Watches;
use crate::call::CallError;
use crate::client::ServiceClient;
use crate::known::Known;
use crate::passed_on;

/// The shortest time between two questions for values.
const GAP: Duration = Duration::from_millis(250);
/// Between two questions of one that gave no values.
const AWAY_GAP: Duration = Duration::from_secs(1);
/// Values that are older than this, counted from when they were told, are stale.
const STALE_AFTER: Duration = Duration::from_secs(4);
/// How long a list of guests or a report is waited for, where the last one can be told instead or others wait for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How old a list of guests may be to be handed out again.
const LIST_AGE: Duration = Duration::from_secs(1);
/// How long the last list of guests stands for an agent that is away.
const LIST_KEPT: Duration = Duration::from_mins(5);

/// What an agent measures.
pub struct AgentTelemetry {
    client: ServiceClient,
    known: Arc<Mutex<Known>>,
    watches: Arc<Watches>,
    values: watch::Sender<Arc<LiveValues>>,
    /// Locked while the agent is asked, so that all who ask at the same time share the answer.
    listed: tokio::sync::Mutex<Lists>,
}

/// What came of asking for the guests.
#[derive(Default)]
struct Lists {
    last: Option<Listed>,
    /// Since when the agent gives none, and why.
    failed: Option<(Instant, Problem)>,
}

struct Listed {
    at: Instant,
    measurements: Measurements,
}

impl AgentTelemetry {
    pub fn new(client: ServiceClient, known: Arc<Mutex<Known>>) -> Self {
        Self {
            client,
            known,
            watches: Arc::default(),
            values: watch::Sender::new(Arc::default()),
            listed: tokio::sync::Mutex::default(),
        }
    }

    /// Asks for values while somebody looks. Runs until its task is ended.
    pub async fn follow(&self) {
        let (mut told_at, mut before) = (None::<Instant>, Watch::default());
        loop {
            let watch = self.watches.all();
            if watch.is_empty() {
                // Nobody is to see what was measured while nobody looked.
                self.values.send_replace(Arc::default());
                (told_at, before) = (None, Watch::default());
                self.watches.changed().await;
                continue;
            }
            let asked_at = Instant::now();
            // Whoever begins to look gets what there is.
            let after = self.values.borrow().collected_at.filter(|_| watch == before);
            let gap = if let Some(values) = self.ask(&watch, after).await {
                told_at = Some(Instant::now());
                let is_news = **self.values.borrow() != values;
                if is_news {
                    self.values.send_replace(Arc::new(values));
                }
                GAP
            } else {
                if told_at.take_if(|at| at.elapsed() >= STALE_AFTER).is_some() {
                    let last = Arc::clone(&self.values.borrow());
                    self.values.send_replace(Arc::new(stale(&last)));
                }
                AWAY_GAP
            };
            before = watch;
            tokio::time::sleep_until(asked_at + gap).await;
        }
    }

    /// The values that are watched; `None` if there are none to be had now.
    async fn ask(&self, watch: &Watch, after: Option<Timestamp>) -> Option<LiveValues> {
        // One that is away is looked for by who follows its dumps.
        if self.why_not().is_err() {
            return None;
        }
        match self.client.values(watch, after).await {
            Ok(values) => values,
            Err(error) => {
                tracing::debug!(
                    service = self.client.url(),
                    error = &error as &dyn std::error::Error,
                    "no values of its guests"
                );
                None
            }
        }
    }

    /// Why it cannot be asked: it is away, or measures nothing.
    fn why_not(&self) -> Result<(), Problem> {
        let known = self.known.lock();
        if let Some(error) = &known.error {
            let detail =
                format!("{} does not answer ({error}), and measures its guests itself", self.client.url());
            return Err(Problem::new(ProblemKind::Unavailable, detail));
        }
        if known.capabilities_or_last().telemetry { Ok(()) } else { Err(self.lacking()) }
    }

    fn lacking(&self) -> Problem {
        let detail = format!(
            "{} does not measure its guests for this dashboard: it is an older version of memdeck, or another service",
            self.client.url()
        );
        Problem::new(ProblemKind::Unavailable, detail)
    }

    /// What the agent answered, or why it did not.
    fn answered<T>(&self, answer: Result<Option<T>, CallError>) -> Result<T, Problem> {
        match answer {
            Ok(Some(told)) => Ok(told),
            Ok(None) => Err(self.lacking()),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &CallError) -> Problem {
        let refused = match error {
            CallError::Refused { status, detail } => {
                let kind = if *status == StatusCode::BAD_REQUEST {
                    ProblemKind::Invalid
                } else {
                    ProblemKind::Unavailable
                };
                Some(Problem::new(kind, detail.clone()))
            }
            _ => None,
        };
        refused.unwrap_or_else(|| {
            let detail = format!("{} does not tell what it measures ({error})", self.client.url());
            Problem::new(ProblemKind::Unavailable, detail)
        })
    }

    fn late(&self) -> Problem {
        let detail = format!("{} does not tell in time what it measures", self.client.url());
        Problem::new(ProblemKind::Unavailable, detail)
    }

    async fn list(&self) -> Result<Measurements, Problem> {
        self.why_not()?;
        let asked = timeout(PATIENCE, self.client.measurements()).await;
        self.answered(asked.map_err(|_| self.late())?)
    }

    /// On whose behalf it is asked, as it is told that.
    async fn switch(&self, run: bool, by: &Actor) -> Result<bool, Problem> {
        self.why_not()?;
        self.answered(self.client.run_collector(run, &passed_on(by)).await)
    }
}

#[async_trait]
impl Telemetry for AgentTelemetry {
    fn values(&self, watch: Watch) -> BoxStream<'static, LiveValues> {
        let lease = self.watches.add(watch.clone());
        let mut values = self.values.subscribe();
        // What was told last may be there already.
        values.mark_changed();
        let news = stream::unfold((values, lease), |(mut values, lease)| async move {
            values.changed().await.ok()?;
            let told = Arc::clone(&values.borrow_and_update());
            Some((told, (values, lease)))
        });
        let of_it = move |told: Arc<LiveValues>| std::future::ready(of_watch(&told, &watch));
        news.filter_map(of_it).boxed()
    }

    async fn measurements(&self) -> Result<Measurements, Problem> {
        let mut lists = self.listed.lock().await;
        if let Some(Listed { measurements, .. }) =
            lists.last.as_ref().filter(|listed| listed.at.elapsed() < LIST_AGE)
        {
            return Ok(measurements.clone());
        }
        // Whoever waited for one that gave none does not wait for another.
        let answer = match lists.failed.take().filter(|(at, _)| at.elapsed() < LIST_AGE) {
            Some((at, problem)) => Err((at, problem)),
            None => self.list().await.map_err(|problem| (Instant::now(), problem)),
        };
        match answer {
            Ok(measurements) => {
                lists.last = Some(Listed { at: Instant::now(), measurements: measurements.clone() });
                Ok(measurements)
            }
            Err(failed) => {
                lists.failed = Some(failed.clone());
                match lists.last.as_ref().filter(|listed| listed.at.elapsed() < LIST_KEPT) {
                    Some(last) => Ok(stale_guests(&last.measurements, Millis::from(last.at.elapsed()))),
                    None => Err(failed.1),
                }
            }
        }
    }

    async fn report(&self) -> Result<TelemetryReport, Problem> {
        self.why_not()?;
        let asked = timeout(PATIENCE, self.client.collector()).await;
        self.answered(asked.map_err(|_| self.late())?)
    }

    async fn start(&self, by: &Actor) -> Result<bool, Problem> {
        self.switch(true, by).await
    }

    async fn stop(&self, by: &Actor) -> Result<bool, Problem> {
        self.switch(false, by).await
    }

    async fn diagnose(&self) -> Result<Diagnosis, Problem> {
        self.why_not()?;
        self.answered(self.client.diagnosis().await)
    }

    async fn series(&self, query: SeriesQuery) -> Result<Series, Problem> {
        self.why_not()?;
        self.answered(self.client.series(&query).await)
    }
}
