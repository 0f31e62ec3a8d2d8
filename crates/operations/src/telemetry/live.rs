//! The newest values of what a page watches, from every host that measures such guests, as they come.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll};
use memdeck_model::telemetry::{LiveValues, Watch};
use memdeck_model::{Event, HostId};
use tokio::sync::watch;

use crate::Operations;

type Told = BoxStream<'static, (Option<HostId>, LiveValues)>;

/// The values that somebody watches. While it is kept, hosts are asked for them.
pub struct Live {
    operations: Arc<Operations>,
    watch: Watch,
    told: SelectAll<Told>,
    changes: watch::Receiver<()>,
}

impl Operations {
    /// Watches what `watch` names.
    #[must_use]
    pub fn live(self: &Arc<Self>, watch: Watch) -> Live {
        let changes = self.hosts.changes();
        let told = self.told_of(&watch);
        Live { operations: Arc::clone(self), watch, told, changes }
    }

    fn told_of(&self, watch: &Watch) -> SelectAll<Told> {
        let mut all = SelectAll::new();
        for measurer in self.measurers() {
            let of_host = watch.of_host(measurer.label.as_ref());
            // Whose guests nobody looks at is not asked.
            if !of_host.is_empty() {
                let values = measurer.telemetry.values(of_host);
                let label = measurer.label;
                all.push(values.map(move |values| (label.clone(), values)).boxed());
            }
        }
        all
    }
}

impl Live {
    /// Waits for the next values: those of one host. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Vec<Event> {
        loop {
            tokio::select! {
                Ok(()) = self.changes.changed() => self.told = self.operations.told_of(&self.watch),
                Some((host, values)) = self.told.next() => return events(host.as_ref(), values),
                else => std::future::pending().await,
            }
        }
    }
}

/// What pages are told, with the name of the host on it.
fn events(host: Option<&HostId>, values: LiveValues) -> Vec<Event> {
    let summaries = values.summaries.map(|mut summaries| {
        for summary in &mut summaries {
            summary.host = host.cloned();
        }
        Event::Summaries(summaries)
    });
    let samples = values.samples.into_iter().map(|mut sample| {
        sample.host = host.cloned();
        Event::Sample(Box::new(sample))
    });
    summaries.into_iter().chain(samples).collect()
}
