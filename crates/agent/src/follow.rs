//! Follows a dump service by asking it, and tells what changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use memdeck_catalog::{CatalogError, RemoteDump};
use memdeck_model::{Capabilities, DumpId, DumpStatus, Event, HostCondition, Message};
use memdeck_operations::blocking;

use crate::call::{CallError, condition_of};
use crate::client::Answer;
use crate::host::{AgentHost, capabilities_of};
use crate::known::{Changes, Known};
use crate::spread::varied;
use crate::{deletions, records};

/// Between two looks while a dump is queued or running.
const ACTIVE_INTERVAL: Duration = Duration::from_millis(500);
/// Between two looks while nothing is going on: others may trigger dumps on the same service.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// Between two looks for an agent that does not answer, and by how much that varies: agents that come back together are not
/// all asked in the same moment.
const ABSENT_INTERVAL: Duration = Duration::from_secs(1);
const ABSENT_VARIATION: Duration = Duration::from_millis(300);
/// The longest wait for a service that answers, but cannot be used.
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);
/// The most dumps that are asked for one by one.
const ASKED_ONE_BY_ONE: usize = 100;

impl AgentHost {
    /// Follows the service until the task that runs this is ended.
    pub async fn follow(&self) {
        tokio::join!(self.follow_dumps(), self.telemetry.follow());
    }

    async fn follow_dumps(&self) {
        loop {
            let begun = Instant::now();
            let active = self.look().await;
            // Whichever comes first; a trigger in the meantime is remembered by `Notify`, and so is an agent that dialed in.
            tokio::select! {
                () = tokio::time::sleep(self.next_look(active, begun.elapsed())) => {}
                () = self.triggered.notified() => {}
                () = self.dialed_in_or_left() => {}
            }
        }
    }

    /// Waits until an agent that dials in has come or gone.
    async fn dialed_in_or_left(&self) {
        match self.client.line() {
            Some(line) => line.changed().await,
            None => std::future::pending().await,
        }
    }

    /// How long to wait until the next look, after one that `took` so long. A service that does not answer is looked for all the
    /// time, so that it is seen soon after its return; one that answers and cannot be used is asked ever more rarely: it is
    /// not to count each wrong token.
    fn next_look(&self, active: bool, took: Duration) -> Duration {
        let (condition, failures, is_minimal) = {
            let known = self.known.lock();
            (known.condition, known.failures, known.capabilities_or_last() == Capabilities::NONE)
        };
        match condition {
            HostCondition::Up | HostCondition::Unasked if active => ACTIVE_INTERVAL,
            HostCondition::Up | HostCondition::Unasked => varied(IDLE_INTERVAL, IDLE_INTERVAL / 10),
            // From when it was begun: on a way that is cut off it ends late, and there may be a way again by then.
            HostCondition::Unreachable if is_minimal => IDLE_INTERVAL.saturating_sub(took),
            HostCondition::Unreachable => varied(ABSENT_INTERVAL, ABSENT_VARIATION).saturating_sub(took),
            _ => {
                let doubled = ABSENT_INTERVAL.saturating_mul(1 << failures.min(10).saturating_sub(1));
                let interval = doubled.min(LONGEST_INTERVAL);
                varied(interval, interval / 4)
            }
        }
    }

    /// Asks once. Returns whether anything is queued or running.
    pub(crate) async fn look(&self) -> bool {
        let _looking = self.looking.lock().await;
        if let Some(line) = self.client.line() {
            let notice = line.notice();
            self.warn(|known| known.note_line(notice));
        }
        // What is asked for from here on may be missing in the answer.
        let before = self.known.lock().active();
        let told = match self.client.look().await {
            Ok((statuses, ahead)) => {
                let now = self.clock.now();
                self.warn(|known| {
                    known.note_contact(now, ahead);
                    known.note_list(None);
                });
                statuses.into_values().collect()
            }
            Err(CallError::TooLarge(limit)) => {
                let wrong = format!("it reports more dumps than fit into {limit} bytes");
                let now = self.clock.now();
                self.warn(|known| {
                    known.note_contact(now, None);
                    known.note_list(Some(wrong.into()));
                });
                let active: Vec<DumpId> = before.iter().cloned().collect();
                self.one_by_one(&active).await
            }
            Err(error) => {
                self.note_health(condition_of(&error), Some(Message::new(error)));
                let mut known = self.known.lock();
                known.note_away();
                return !known.active().is_empty();
            }
        };
        self.ask_report().await;
        let mismatch = self.known.lock().mismatch();
        match mismatch {
            Some(mismatch) => self.note_health(HostCondition::VersionMismatch, Some(mismatch)),
            None => self.note_health(HostCondition::Up, None),
        }
        // Where this fails the service has just gone away: the next look tells.
        let _ = self.capabilities().await;
        let told = self.with_missing(told, &before).await;
        let changes = self.known.lock().take_in(told.into_iter(), &before, self.clock.now());
        let completed = changes.completed;
        self.publish(changes).await;
        // Before the record of the dump: what hears of that looks at both.
        if self.known.lock().may_have_another_frozen_pause(completed) {
            self.ask_frozen_pause().await;
        }
        if self.known.lock().may_ask_readiness() {
            self.ask_readiness().await;
        }
        let (may_import, is_current, tells_no_deletions) = {
            let known = self.known.lock();
            (known.may_import(), known.records_are_current, known.lacks.deletions)
        };
        if may_import && (completed || !is_current) {
            self.import().await;
        }
        let (active, are_current) = {
            let known = self.known.lock();
            (!known.active().is_empty(), known.records_are_current)
        };
        // Others may delete images, too. That can wait while dumps are followed, and until all records are here: an import
        // of deletions that succeeds must not end the wait for a feed of records without an end.
        if !active && may_import && are_current {
            if !tells_no_deletions {
                self.import_deletions().await;
            }
            self.import_verifications().await;
        }
        active
    }

    /// What the service says of itself, every few seconds.
    async fn ask_report(&self) {
        if !self.known.lock().may_ask_report() {
            return;
        }
        match self.client.report().await {
            Ok(told) => self.warn(|known| known.note_report(told)),
            // If the service went away, the next look tells.
            Err(error) => tracing::debug!(
                service = self.url,
                error = &error as &dyn std::error::Error,
                "the service does not say what it is"
            ),
        }
    }

    /// `told`, and how dumps ended that a newer one has replaced: memdeck knows every dump by its id.
    async fn with_missing(
        &self,
        mut told: Vec<DumpStatus>,
        before: &std::collections::BTreeSet<DumpId>,
    ) -> Vec<DumpStatus> {
        if self.known.lock().capabilities_or_last().uuids {
            let missing: Vec<DumpId> = before
                .iter()
                .filter(|id| !told.iter().any(|status| status.dump_id == **id))
                .cloned()
                .collect();
            for dump_id in missing.iter().take(ASKED_ONE_BY_ONE) {
                if let Ok(Some(status)) = self.client.status(dump_id.as_str()).await
                    && status.dump_id == *dump_id
                {
                    told.push(status);
                }
            }
        }
        told
    }

    /// The dumps that are followed, each asked for by itself.
    async fn one_by_one(&self, active: &[DumpId]) -> Vec<DumpStatus> {
        let mut told = Vec::new();
        for dump_id in active.iter().take(ASKED_ONE_BY_ONE) {
            let Some(vm) = self.known.lock().asked_text(dump_id) else { continue };
            if let Ok(Some(status)) = self.client.status(&vm).await {
                told.push(status);
            }
        }
        told
    }

    /// Tells changes and remembers those of a state.
    async fn publish(&self, changes: Changes) {
        self.remember(changes.states).await;
        for status in changes.told {
            let _ = self.events.send(Event::Dump(Box::new(status)));
        }
    }

    pub(crate) async fn remember(&self, dumps: Vec<RemoteDump>) {
        if dumps.is_empty() {
            return;
        }
        let (catalog, url) = (Arc::clone(&self.catalog), self.url.clone());
        let remembered = blocking(move || catalog.remember_remote(&url, &dumps)).await;
        if let Err(error) = remembered {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "dumps of the service are not remembered"
            );
        }
    }

    /// What the service can do, asked once until it goes away.
    pub(crate) async fn capabilities(&self) -> Result<Capabilities, CallError> {
        let known = self.known.lock().capabilities;
        if let Some(known) = known {
            return Ok(known);
        }
        let told = self.client.capabilities().await?;
        let is_news = {
            let mut known = self.known.lock();
            let before = known.capabilities_or_last();
            let was_unknown = known.last_capabilities.is_none();
            known.capabilities = Some(told);
            was_unknown || before != told
        };
        if is_news {
            self.publish_health();
            let (catalog, url) = (Arc::clone(&self.catalog), self.url.clone());
            let json = serde_json::to_string(&told).unwrap_or_default();
            let stored: Result<(), CatalogError> =
                blocking(move || catalog.set_setting(&capabilities_of(&url), &json)).await;
            if let Err(error) = stored {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "what the service can do is not kept"
                );
            }
        }
        Ok(told)
    }

    /// How long its guests may stand still, and how fast one is read: each dump may change that.
    async fn ask_frozen_pause(&self) {
        match self.client.frozen_pause().await {
            Ok(told) => {
                let mut known = self.known.lock();
                known.lacks.frozen_pause = told == Answer::Lacking;
                known.frozen_pause = told.known();
            }
            // If the service went away, the next look tells.
            Err(error) => tracing::debug!(
                service = self.url,
                error = &error as &dyn std::error::Error,
                "the service does not report its pause limit"
            ),
        }
    }

    /// Whether it can store images and records.
    async fn ask_readiness(&self) {
        match self.client.readiness().await {
            Ok(told) => self.warn(|known| known.note_readiness(told.as_ref())),
            // If the service went away, the next look tells.
            Err(error) => tracing::debug!(
                service = self.url,
                error = &error as &dyn std::error::Error,
                "the service does not report whether it is ready"
            ),
        }
    }

    async fn import_deletions(&self) {
        match deletions::import(&self.client, &self.catalog).await {
            Ok(Some(imported)) => self.note_import(imported),
            Ok(None) => self.known.lock().lacks.deletions = true,
            Err(records::ImportError::Service(error)) => {
                // If the service went away, the next look tells.
                tracing::debug!(
                    service = self.url,
                    error = &error as &dyn std::error::Error,
                    "deletions not imported"
                );
            }
            Err(error) => self.refuse_import(&error),
        }
    }

    async fn import(&self) {
        let dumps = self.known.lock().dumps();
        match records::import(&self.client, &self.catalog, &dumps).await {
            Ok(imported) => {
                self.images.note_catalog().await;
                self.note_import(imported);
            }
            Err(error) => self.refuse_import(&error),
        }
    }

    fn note_import(&self, imported: records::Imported) {
        for record in imported.records {
            let _ = self.events.send(Event::Record(Box::new(record)));
        }
        let wrong = (!imported.is_complete)
            .then(|| "it has more records than one import reads; the rest follows later".into());
        self.warn(|known| known.note_import(wrong));
    }

    fn refuse_import(&self, error: &records::ImportError) {
        tracing::warn!(service = self.url, error = error as &dyn std::error::Error, "records not imported");
        self.warn(|known| known.note_import(Some(Message::new(error))));
    }

    /// Notes what is wrong, or not any more, and tells it where that is news.
    fn warn(&self, note: impl FnOnce(&mut Known)) {
        let is_news = {
            let mut known = self.known.lock();
            let before = known.health();
            note(&mut known);
            before != known.health()
        };
        if is_news {
            self.publish_health();
        }
    }

    pub(crate) fn note_health(&self, condition: HostCondition, error: Option<Message>) {
        {
            let mut known = self.known.lock();
            let was_known = std::mem::replace(&mut known.condition, condition) == condition;
            if known.error == error {
                if !was_known {
                    drop(known);
                    self.publish_health();
                }
                return;
            }
            if let Some(reason) = &error {
                tracing::warn!(service = self.url, %reason, "the dump service does not answer");
            } else {
                tracing::info!(service = self.url, "the dump service answers again");
            }
            known.error = error;
        }
        self.publish_health();
    }

    fn publish_health(&self) {
        let _ = self.events.send(Event::Service(self.known.lock().health()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_vary_within_their_bounds() {
        let waits: Vec<Duration> = (0..200).map(|_| varied(ABSENT_INTERVAL, ABSENT_VARIATION)).collect();
        let bounds = Duration::from_millis(700)..=Duration::from_millis(1300);
        assert!(waits.iter().all(|wait| bounds.contains(wait)), "{waits:?}");
        assert!(waits.iter().any(|wait| *wait < ABSENT_INTERVAL));
        assert!(waits.iter().any(|wait| *wait > ABSENT_INTERVAL));
    }
}
