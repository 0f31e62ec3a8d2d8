//! One run from start to stop: the grid on which collections are due, and what becomes of each answer.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};
use memdeck_hypervisor::{Collection, HypervisorError};
use memdeck_model::telemetry::Connection;
use memdeck_model::{Message, Timestamp, with_causes};

use super::shared::Shared;
use crate::{Rates, points};

/// The longest pause before a hypervisor that does not answer is asked again.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// The shortest gap in a guest's values over which no rate is computed.
const MIN_GAP: Duration = Duration::from_secs(5);

type Answer = (Result<Collection, HypervisorError>, Duration);

/// One run from start to stop.
pub(super) struct Round<'shared> {
    shared: &'shared Arc<Shared>,
    rates: Rates,
    /// Collections that failed one after the other.
    failures: u32,
}

impl<'shared> Round<'shared> {
    pub(super) fn new(shared: &'shared Arc<Shared>) -> Self {
        let max_gap = MIN_GAP.max(shared.options.interval * 3);
        Self { shared, rates: Rates::new(max_gap), failures: 0 }
    }

    pub(super) fn run(mut self, stopped: &Receiver<()>) {
        let Some((questions, answers)) = self.asker() else { return };
        let interval = self.shared.options.interval;
        let start = Instant::now();
        let (mut due, mut asked, mut limit) = (start, None::<Instant>, never());
        loop {
            select! {
                // Nothing is ever sent: the other end was dropped.
                recv(stopped) -> _ => return,
                recv(limit) -> _ => {
                    limit = never();
                    self.shared.publish_stale();
                }
                recv(answers) -> answer => {
                    let Ok((answer, duration)) = answer else { return };
                    (asked, limit) = (None, never());
                    let pause = self.take(answer, duration);
                    while due < Instant::now() + pause.saturating_sub(interval) {
                        due += interval;
                        self.shared.counts().missed += 1;
                    }
                }
                recv(crossbeam_channel::at(due)) -> _ => {
                    due += interval;
                    if asked.is_none() && questions.try_send(()).is_ok() {
                        asked = Some(Instant::now());
                        limit = after(self.shared.options.time_limit);
                    } else {
                        self.shared.counts().missed += 1;
                    }
                    // After a sleep of the machine only the present counts.
                    while due + interval < Instant::now() {
                        due += interval;
                        self.shared.counts().missed += 1;
                    }
                }
            }
        }
    }

    /// The thread that asks; ends when the channel to it does.
    fn asker(&self) -> Option<(Sender<()>, Receiver<Answer>)> {
        let (questions, to_answer) = bounded::<()>(1);
        let (answer, answers) = bounded(1);
        let stats = Arc::clone(&self.shared.stats);
        let thread = std::thread::Builder::new().name("telemetry-ask".into()).spawn(move || {
            while to_answer.recv().is_ok() {
                let begun = Instant::now();
                if answer.send((stats.collect(), begun.elapsed())).is_err() {
                    break;
                }
            }
        });
        match thread {
            Ok(_) => Some((questions, answers)),
            Err(error) => {
                tracing::error!(%error, "no thread for the collector's questions");
                None
            }
        }
    }

    /// Publishes what was answered. Returns how long to wait before the next question.
    fn take(&mut self, answer: Result<Collection, HypervisorError>, duration: Duration) -> Duration {
        let now = Timestamp::from(SystemTime::now());
        match answer {
            Ok(collection) => {
                self.failures = 0;
                {
                    let mut counts = self.shared.counts();
                    counts.collections += 1;
                    counts.last_duration = Some(duration);
                    counts.max_duration = counts.max_duration.max(Some(duration));
                    counts.connection = Connection::Connected;
                }
                self.publish(collection, now);
                Duration::ZERO
            }
            Err(error) => {
                let pause = self.shared.options.interval.saturating_mul(1 << self.failures.min(16));
                let pause = pause.min(MAX_BACKOFF.max(self.shared.options.interval));
                self.failures = self.failures.saturating_add(1);
                let message = Message::new(with_causes(&error));
                if self.failures == 1 {
                    tracing::warn!(error = %message, "no statistics of the VMs");
                }
                let mut counts = self.shared.counts();
                counts.errors += 1;
                counts.last_error = Some(message.clone());
                let since = match counts.connection {
                    Connection::Reconnecting { since, .. } => since,
                    Connection::Idle | Connection::Connected => now,
                };
                counts.connection = Connection::Reconnecting {
                    since,
                    attempts: self.failures.into(),
                    next_attempt: now.plus(pause.into()),
                    error: message,
                };
                drop(counts);
                self.shared.publish_stale();
                pause
            }
        }
    }

    fn publish(&mut self, collection: Collection, now: Timestamp) {
        let before = self.shared.snapshot();
        let snapshot = Arc::new(before.after(collection, &mut self.rates, now));
        let known: HashSet<_> = snapshot.guests().iter().map(|guest| guest.sample.uuid.as_str()).collect();
        self.rates.retain(|uuid| known.contains(uuid));
        if let Some(queue) = &self.shared.queue {
            queue.push(points(&snapshot, self.shared.options.host.as_deref()));
        }
        if let Some(store) = &self.shared.store {
            store.append(&snapshot);
        }
        self.shared.snapshots.send_replace(snapshot);
    }
}
