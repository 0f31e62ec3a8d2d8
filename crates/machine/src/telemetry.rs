//! The guests of this machine as they are measured: a collector, and a store of its own.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use memdeck_model::telemetry::{
    Check, CheckState, CollectorStatus, Connection, Diagnosis, LiveSample, LiveSummary, Series, SeriesQuery,
    SettingInUse, VmTelemetry, VmTotals,
};
use memdeck_model::{Message, Problem, ProblemKind, Timestamp, Vm, with_causes};
use memdeck_operations::{Telemetry, blocking};
use memdeck_telemetry::{Collector, Store, StoreError};
use tokio_stream::wrappers::WatchStream;

/// The collector of this machine and what it works with.
pub struct MeasuredGuests {
    collector: Arc<Collector>,
    store: Option<Arc<Store>>,
    uri: String,
    settings: Vec<SettingInUse>,
}

impl MeasuredGuests {
    /// What `collector` measures of the guests of the hypervisor at `uri` and `store` keeps.
    #[must_use]
    pub fn new(
        collector: Arc<Collector>,
        store: Option<Arc<Store>>,
        uri: String,
        settings: Vec<SettingInUse>,
    ) -> Self {
        Self { collector, store, uri, settings }
    }

    fn hypervisor_check(&self, status: &CollectorStatus) -> Check {
        let name = format!("Statistics of the hypervisor {}", self.uri);
        let (state, finding, remedy): (_, Message, Option<Message>) = match &status.connection {
            Connection::Connected => {
                let finding = format!("{} guests answer.", status.vms_monitored);
                (CheckState::Ok, finding.into(), None)
            }
            Connection::Reconnecting { error, .. } => (
                CheckState::Failed,
                error.clone(),
                Some("Check that libvirtd runs there and that this user may use it.".into()),
            ),
            Connection::Idle if status.running => (CheckState::Warning, "It has not answered yet.".into(), None),
            Connection::Idle => (
                CheckState::Off,
                "The collector does not run.".into(),
                Some("Start it on this page.".into()),
            ),
        };
        Check { name, state, finding, remedy }
    }

    fn store_check(&self, status: &CollectorStatus) -> Check {
        let name = "memdeck's own store of series".to_owned();
        let (state, finding, remedy): (_, Message, Option<Message>) = match (&self.store, &status.store_error) {
            (None, _) => (
                CheckState::Failed,
                "It could not be opened: charts have no history.".into(),
                Some("The log of memdeck says why.".into()),
            ),
            (Some(_), Some(error)) => {
                (CheckState::Failed, error.clone(), Some("Make room on the volume of STATE_DIR.".into()))
            }
            (Some(_), None) => (CheckState::Ok, format!("{} bytes are in use.", status.store_bytes).into(), None),
        };
        Check { name, state, finding, remedy }
    }
}

#[async_trait]
impl Telemetry for MeasuredGuests {
    fn collections(&self) -> BoxStream<'static, ()> {
        WatchStream::new(self.collector.subscribe()).map(|_| ()).boxed()
    }

    fn collected_at(&self) -> Option<Timestamp> {
        self.collector.snapshot().at()
    }

    fn live(&self, uuid: &str) -> Option<LiveSample> {
        self.collector.snapshot().guest(uuid).map(|guest| guest.live())
    }

    fn summaries(&self) -> Vec<LiveSummary> {
        let snapshot = self.collector.snapshot();
        snapshot.guests().iter().map(|guest| LiveSummary::from(&guest.live())).collect()
    }

    fn vms(&self) -> Vec<Vm> {
        self.collector.snapshot().guests().iter().map(|guest| guest.vm()).collect()
    }

    fn vm_telemetry(&self) -> Vec<VmTelemetry> {
        self.collector.snapshot().guests().iter().map(|guest| guest.vm_telemetry()).collect()
    }

    fn totals(&self, vm: &str) -> Option<VmTotals> {
        self.collector.snapshot().find(vm).map(|guest| guest.sample.totals)
    }

    fn status(&self) -> CollectorStatus {
        self.collector.status()
    }

    async fn start(&self) -> bool {
        let collector = Arc::clone(&self.collector);
        blocking(move || collector.start()).await
    }

    async fn stop(&self) -> bool {
        let collector = Arc::clone(&self.collector);
        blocking(move || collector.stop()).await
    }

    fn settings(&self) -> Vec<SettingInUse> {
        self.settings.clone()
    }

    async fn diagnose(&self) -> Diagnosis {
        let status = self.status();
        Diagnosis { checks: vec![self.hypervisor_check(&status), self.store_check(&status)] }
    }

    async fn series(&self, query: SeriesQuery) -> Result<Series, Problem> {
        let Some(store) = self.store.clone() else {
            let detail = "memdeck's own store of series could not be opened; its log says why";
            return Err(Problem::new(ProblemKind::Unavailable, detail));
        };
        blocking(move || store.series(&query)).await.map_err(|error| unreadable(&error))
    }
}

/// Logs what failed; callers are told no paths.
fn unreadable(error: &StoreError) -> Problem {
    tracing::error!(error = %with_causes(error), "the store of telemetry cannot be read");
    Problem::new(ProblemKind::Internal, "the store of series cannot be read; the log of memdeck says why")
}
