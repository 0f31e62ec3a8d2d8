//! What the page calls: each server function is one use case, asked for by somebody on the page.

use std::sync::Arc;

use async_trait::async_trait;
use memdeck_app::api;
use memdeck_model::telemetry::{Diagnosis, Series, SeriesQuery, TelemetryReport};
use memdeck_model::{
    Activity, DeleteRequest, DumpId, DumpStatus, Guest, ImageFacts, LastDump, Overview, Problem, Record,
    RecordPage, RecordQuery, TriggerRequest, Verification,
};
use memdeck_operations::{Caller, Operations};

/// The calls of the page, answered by these use cases.
pub fn calls(operations: Arc<Operations>) -> Arc<dyn api::Operations> {
    Arc::new(Page(operations))
}

struct Page(Arc<Operations>);

#[async_trait]
impl api::Operations for Page {
    async fn overview(&self) -> Result<Overview, Problem> {
        self.0.overview().await
    }

    async fn guests(&self) -> Result<Vec<Guest>, Problem> {
        self.0.list_guests().await
    }

    async fn dumps(&self) -> Result<Vec<DumpStatus>, Problem> {
        Ok(self.0.recent_dumps().await?)
    }

    async fn trigger(&self, request: TriggerRequest) -> Result<Vec<DumpStatus>, Problem> {
        let accepted = self.0.request_chosen(request, &Caller::page()).await?;
        Ok(accepted.statuses.into_values().collect())
    }

    async fn activity(&self) -> Result<Vec<Activity>, Problem> {
        self.0.list_activity().await
    }

    async fn cancel(&self, dump_id: DumpId) -> Result<(), Problem> {
        self.0.cancel_dump(dump_id.as_str(), &Caller::page()).await
    }

    async fn records(&self, query: RecordQuery) -> Result<RecordPage, Problem> {
        self.0.list_records(query).await
    }

    async fn record_hosts(&self) -> Result<Vec<String>, Problem> {
        self.0.record_hosts().await
    }

    async fn last_dumps(&self) -> Result<Vec<LastDump>, Problem> {
        self.0.last_dumps().await
    }

    async fn record(&self, dump_id: DumpId) -> Result<Record, Problem> {
        self.0.images().record(dump_id.as_str()).await
    }

    async fn image(&self, dump_id: DumpId) -> Result<ImageFacts, Problem> {
        self.0.images().facts(dump_id.as_str()).await
    }

    async fn verification(&self, dump_id: DumpId) -> Result<Verification, Problem> {
        Ok(self.0.images().verification(dump_id.as_str()).await?.in_short())
    }

    async fn verify(&self, dump_id: DumpId) -> Result<Verification, Problem> {
        self.0.images().verify(dump_id.as_str(), &Caller::page()).await
    }

    async fn delete_image(&self, dump_id: DumpId, confirm: String) -> Result<Record, Problem> {
        let request = DeleteRequest::confirmed(&confirm);
        self.0.images().delete(dump_id.as_str(), request, &Caller::page()).await
    }

    async fn collector(&self) -> Result<TelemetryReport, Problem> {
        self.0.telemetry_report()
    }

    async fn run_collector(&self, run: bool) -> Result<TelemetryReport, Problem> {
        if run {
            self.0.start_collector(&Caller::page()).await?;
        } else {
            self.0.stop_collector(&Caller::page()).await?;
        }
        self.0.telemetry_report()
    }

    async fn diagnose_telemetry(&self) -> Result<Diagnosis, Problem> {
        self.0.diagnose_telemetry().await
    }

    async fn series(&self, query: SeriesQuery) -> Result<Series, Problem> {
        self.0.series(query).await
    }
}
