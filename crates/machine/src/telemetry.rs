//! The guests of this machine as they are measured: a collector, and a store of its own.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use memdeck_clock::{Clock as _, SystemClock};
use memdeck_influx::Influx;
use memdeck_model::telemetry::{
    Check, CheckState, CheckedPart, CollectorStatus, Connection, Diagnosis, LiveSummary, LiveValues,
    Measured, Measurements, Series, SeriesQuery, SettingInUse, TelemetryReport, Watch,
};
use memdeck_model::{Actor, InfluxDiagnosis, Message, Problem, ProblemKind, with_causes};
use memdeck_operations::{Telemetry, blocking};
use memdeck_telemetry::{
    Collector, GuestNow, History, HistoryError, InfluxSeries, MetricStore, Snapshot, Store,
};
use tokio_stream::wrappers::WatchStream;

/// The collector of this machine and what it works with.
pub struct MeasuredGuests {
    collector: Arc<Collector>,
    store: Option<Arc<Store>>,
    influx: Option<Arc<Influx>>,
    history: History,
    uri: String,
    settings: Vec<SettingInUse>,
}

impl MeasuredGuests {
    /// What `collector` measures of the guests of the hypervisor at `uri`, `store` keeps, and `influx` is sent.
    #[must_use]
    pub fn new(
        collector: Arc<Collector>,
        store: Option<Arc<Store>>,
        influx: Option<Arc<Influx>>,
        uri: String,
        settings: Vec<SettingInUse>,
    ) -> Self {
        let own = store.clone().map(|store| Arc::new(store) as Arc<dyn MetricStore>);
        let older = influx.clone().map(|influx| Arc::new(InfluxSeries::new(influx)) as Arc<dyn MetricStore>);
        Self { collector, store, influx, history: History::new(own, older), uri, settings }
    }

    fn hypervisor_check(&self, status: &CollectorStatus) -> Check {
        let (part, name) = (CheckedPart::Hypervisor, format!("Statistics of the hypervisor {}", self.uri));
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
            Connection::Idle if status.running => {
                (CheckState::Warning, "It has not answered yet.".into(), None)
            }
            Connection::Idle => {
                (CheckState::Off, "The collector does not run.".into(), Some("Start it on this page.".into()))
            }
        };
        Check { part, name, state, finding, remedy }
    }

    fn store_check(&self, status: &CollectorStatus) -> Check {
        let (part, name) = (CheckedPart::Store, "memdeck's own store of series".to_owned());
        let (state, finding, remedy): (_, Message, Option<Message>) = match (&self.store, &status.store_error)
        {
            (None, _) => (
                CheckState::Failed,
                "It could not be opened: charts have no history.".into(),
                Some("The log of memdeck says why.".into()),
            ),
            (Some(_), Some(error)) => {
                (CheckState::Failed, error.clone(), Some("Make room on the volume of STATE_DIR.".into()))
            }
            (Some(_), None) => {
                (CheckState::Ok, format!("{} bytes are in use.", status.store_bytes).into(), None)
            }
        };
        Check { part, name, state, finding, remedy }
    }
}

#[async_trait]
impl Telemetry for MeasuredGuests {
    fn values(&self, watch: Watch) -> BoxStream<'static, LiveValues> {
        let collections = WatchStream::new(self.collector.subscribe());
        collections.map(move |snapshot| values_of(&snapshot, &watch)).boxed()
    }

    async fn measurements(&self) -> Result<Measurements, Problem> {
        let snapshot = self.collector.snapshot();
        let guests = snapshot.guests().iter();
        let measured =
            |guest: &Arc<GuestNow>| Measured { telemetry: guest.vm_telemetry(), totals: guest.sample.totals };
        let age_ms = snapshot.at().map(|at| SystemClock::new().now().since(at));
        Ok(Measurements { collected_at: snapshot.at(), age_ms, guests: guests.map(measured).collect() })
    }

    async fn report(&self) -> Result<TelemetryReport, Problem> {
        Ok(TelemetryReport { status: self.collector.status(), settings: self.settings.clone() })
    }

    async fn start(&self, _by: &Actor) -> Result<bool, Problem> {
        let collector = Arc::clone(&self.collector);
        Ok(blocking(move || collector.start()).await)
    }

    async fn stop(&self, _by: &Actor) -> Result<bool, Problem> {
        let collector = Arc::clone(&self.collector);
        Ok(blocking(move || collector.stop()).await)
    }

    async fn diagnose(&self) -> Result<Diagnosis, Problem> {
        let status = self.collector.status();
        let mut checks = vec![self.hypervisor_check(&status), self.store_check(&status)];
        checks.extend(match &self.influx {
            Some(influx) => influx_checks(influx.diagnose().await),
            None => {
                vec![check("InfluxDB", CheckState::Off, "It is not configured.", Some("Set INFLUX_URL."))]
            }
        });
        Ok(Diagnosis { checks })
    }

    async fn series(&self, query: SeriesQuery) -> Result<Series, Problem> {
        self.history.series(&query).await.map_err(|error| unreadable(&error))
    }
}

/// What of a snapshot is watched.
fn values_of(snapshot: &Snapshot, watch: &Watch) -> LiveValues {
    let guests = snapshot.guests().iter();
    let summaries = watch.all.then(|| guests.map(|guest| LiveSummary::from(&guest.live())).collect());
    let watched = watch.guests.iter().filter_map(|uuid| snapshot.guest(uuid));
    LiveValues {
        collected_at: snapshot.at(),
        summaries,
        samples: watched.map(|guest| guest.live()).collect(),
    }
}

/// A check of the store of points.
fn check(name: &str, state: CheckState, finding: impl Into<Message>, remedy: Option<&str>) -> Check {
    let part = CheckedPart::Influx;
    Check { part, name: name.to_owned(), state, finding: finding.into(), remedy: remedy.map(Message::from) }
}

/// What was tried of the store of points, step by step.
#[must_use]
pub fn influx_checks(found: InfluxDiagnosis) -> Vec<Check> {
    let version = found.server_version.map(|version| format!(", version {version}")).unwrap_or_default();
    let steps = [
        ("InfluxDB: reach it", found.reachable, format!("{} answers{version}.", found.store)),
        ("InfluxDB: database", found.database, "It is there.".to_owned()),
        ("InfluxDB: write a point", found.write, "The point was taken.".to_owned()),
        ("InfluxDB: read it back", found.read, "The point was read.".to_owned()),
    ];
    let mut checks: Vec<Check> = steps
        .into_iter()
        .map(|(name, step, works)| match step {
            Some(step) if step.ok => check(name, CheckState::Ok, works, None),
            Some(step) => {
                let finding = step.message.unwrap_or_else(|| "It failed.".into());
                check(
                    name,
                    CheckState::Failed,
                    finding,
                    Some("Check INFLUX_URL, the token and the database."),
                )
            }
            None => check(name, CheckState::Off, "Not tried: a step before it failed.", None),
        })
        .collect();
    checks.extend(found.columns.into_iter().map(|column| {
        let name = format!("InfluxDB: type of {} in {}", column.column, column.measurement);
        let finding = format!("The store has {}, memdeck would write {}.", column.stored, column.natural);
        if column.is_converted {
            check(&name, CheckState::Ok, format!("{finding} It is converted."), None)
        } else {
            let remedy = "Rename or drop the column: rows with this field are refused.";
            check(&name, CheckState::Warning, finding, Some(remedy))
        }
    }));
    checks
}

/// Logs what failed; callers see no paths.
fn unreadable(error: &HistoryError) -> Problem {
    let (kind, detail) = match error {
        HistoryError::Closed => {
            (ProblemKind::Unavailable, "memdeck's own store of series could not be opened; its log says why")
        }
        HistoryError::Influx(_) => (
            ProblemKind::Unavailable,
            "InfluxDB does not answer, and memdeck's own store could not be opened",
        ),
        HistoryError::Own(_) => {
            (ProblemKind::Internal, "the store of series cannot be read; the log of memdeck says why")
        }
    };
    tracing::error!(error = %with_causes(error), "no series");
    Problem::new(kind, detail)
}
