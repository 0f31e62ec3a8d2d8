//! Notes what is done, and tells what was.
//!
//! What is a change in the catalog is noted in its transaction, by the catalog. Everything else is noted here: before the
//! effect with [`Audit::begin`] and after it with [`Begun::end`], or after it alone with [`Audit::note`] where the effect is
//! nothing that could be lost. What cannot be noted is not done.

mod sent;

use std::sync::Arc;

use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_model::audit::{
    AuditAction, AuditDetails, AuditEntry, AuditHead, AuditObject, AuditPage, AuditQuery, AuditReport,
    AuditResult, NewEntry, Witness,
};
use memdeck_model::{Problem, ProblemKind};

use crate::asked::{present, with_agent};
use crate::{Caller, blocking, catalog_problem, request_name};

pub(crate) use sent::noting;

/// Reads the ends of the audit that manifests name, blocking; `None` for those whose manifest cannot be read.
pub type Witnesses = Arc<dyn Fn() -> Vec<Witness> + Send + Sync>;

/// Something that was done, or is about to be.
#[derive(Clone, Debug)]
pub struct Deed {
    pub action: AuditAction,
    pub object: AuditObject,
    pub details: AuditDetails,
}

impl Deed {
    /// Of which no more is to be said.
    #[must_use]
    pub fn new(action: AuditAction, object: AuditObject) -> Self {
        Self { action, object, details: AuditDetails::default() }
    }

    /// The same with these details.
    #[must_use]
    pub fn with(self, details: AuditDetails) -> Self {
        Self { details, ..self }
    }
}

/// The audit of one memdeck. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    witnesses: Option<Witnesses>,
    /// One check at a time.
    checking: Arc<tokio::sync::Mutex<()>>,
}

impl Audit {
    /// The audit in that catalog.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, clock: Arc<dyn Clock>) -> Self {
        Self { catalog, clock, witnesses: None, checking: Arc::default() }
    }

    /// The same, which believes `witnesses` against what its rows say.
    #[must_use]
    pub fn with_witnesses(self, witnesses: Witnesses) -> Self {
        Self { witnesses: Some(witnesses), ..self }
    }

    /// Notes what `caller` did, and how it went. When this returns, it is on disk.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn note(&self, caller: &Caller, deed: Deed, result: AuditResult) -> Result<AuditHead, Problem> {
        self.keep(self.entry(caller, deed, result)).await
    }

    /// The same for what cannot be undone any more: a catalog that fails is logged, with what was to be noted.
    pub async fn note_done(&self, caller: &Caller, deed: Deed, result: AuditResult) {
        let entry = self.entry(caller, deed, result);
        if self.keep(entry.clone()).await.is_err() {
            log_lost(&entry);
        }
    }

    /// Notes that `caller` is about to do something.
    ///
    /// # Errors
    /// The catalog failed: then it must not be done.
    pub async fn begin(&self, caller: &Caller, deed: Deed) -> Result<Begun, Problem> {
        let head = self.note(caller, deed.clone(), AuditResult::Begun).await?;
        let address = present().and_then(|asked| asked.address);
        Ok(Begun { audit: self.clone(), caller: caller.clone(), address, deed, seq: head.seq })
    }

    /// Notes that `caller` is about to do something, does it, and notes how it went.
    ///
    /// # Errors
    /// The catalog failed before, or the effect did.
    pub async fn around<T>(
        &self,
        caller: &Caller,
        deed: Deed,
        effect: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let begun = self.begin(caller, deed).await?;
        let (done, agent) = with_agent(effect).await;
        match &done {
            Ok(_) => {
                begun.end(AuditResult::Succeeded, AuditDetails { agent, ..AuditDetails::default() }).await;
            }
            Err(problem) => {
                let details = AuditDetails::because(&problem.detail);
                begun.end(result_of(problem), AuditDetails { agent, ..details }).await;
            }
        }
        done
    }

    /// Does something that must not wait for the catalog, and notes how it went: a guest may stand still until a dump is
    /// cancelled, also while the catalog is locked or its volume is full. What cannot be noted is logged.
    ///
    /// # Errors
    /// Those of the effect.
    pub async fn effect_first<T>(
        &self,
        caller: &Caller,
        deed: Deed,
        effect: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let (done, agent) = with_agent(effect).await;
        let (result, details) = match &done {
            Ok(_) => (AuditResult::Succeeded, AuditDetails::default()),
            Err(problem) => (result_of(problem), AuditDetails::because(&problem.detail)),
        };
        let details = AuditDetails { agent, ..details };
        self.note_done(caller, Deed { details, ..deed }, result).await;
        done
    }

    /// Stores a setting of the catalog, and notes that `caller` did so: both or neither.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn store_setting(
        &self,
        caller: &Caller,
        (key, value): (&'static str, String),
        deed: Deed,
        result: AuditResult,
    ) -> Result<(), Problem> {
        let (catalog, entry) = (Arc::clone(&self.catalog), self.entry(caller, deed, result));
        let stored = blocking(move || catalog.set_setting_noted(key, &value, &entry)).await;
        stored.map_err(|error| catalog_problem(&error))
    }

    /// Entries that a query means, newest first.
    ///
    /// # Errors
    /// The query cannot be used, or the catalog failed.
    pub async fn list(&self, query: AuditQuery) -> Result<AuditPage, Problem> {
        query.check().map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
        let catalog = Arc::clone(&self.catalog);
        let page = blocking(move || catalog.audit_page(&query.bounded())).await;
        page.map_err(|error| catalog_problem(&error))
    }

    /// Up to `limit` entries after `seq`, oldest first.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn after(&self, seq: u64, limit: u32) -> Result<Vec<AuditEntry>, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || catalog.audit_after(seq, limit)).await.map_err(|error| catalog_problem(&error))
    }

    /// Checks every row, and holds what manifests say against them.
    ///
    /// # Errors
    /// The catalog failed. What was manipulated is no error.
    pub async fn verify(&self) -> Result<AuditReport, Problem> {
        let _turn = self.checking.lock().await;
        let (catalog, witnesses) = (Arc::clone(&self.catalog), self.witnesses.clone());
        let report = blocking(move || catalog.verify_audit(witnesses.map_or_else(Vec::new, |read| read())));
        report.await.map_err(|error| catalog_problem(&error))
    }

    fn entry(&self, caller: &Caller, deed: Deed, result: AuditResult) -> NewEntry {
        let Deed { action, object, details } = deed;
        let details = AuditDetails { request_id: request_name(), ..details };
        let address = present().and_then(|asked| asked.address);
        let entry = NewEntry::new(self.clock.now(), caller.actor.clone(), action, object);
        NewEntry { address, result, details, ..entry }
    }

    async fn keep(&self, entry: NewEntry) -> Result<AuditHead, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || catalog.note(&entry)).await.map_err(|error| catalog_problem(&error))
    }
}

/// Something whose begin is noted. If nobody notes its end, the next start of memdeck notes that it is not known.
#[derive(Clone)]
#[must_use = "its end is to be noted"]
pub struct Begun {
    audit: Audit,
    caller: Caller,
    /// From where it was asked for: its end may come when the request is long answered, as that of a download.
    address: Option<String>,
    deed: Deed,
    seq: u64,
}

impl Begun {
    /// Notes how it went. What is known since the begin stands in `details`.
    pub async fn end(self, result: AuditResult, details: AuditDetails) {
        let entry = self.ending(result, details);
        if self.audit.keep(entry.clone()).await.is_err() {
            log_lost(&entry);
        }
    }

    /// The entry that says how it went, for a transaction that keeps it together with what it tells.
    pub(crate) fn ending(&self, result: AuditResult, details: AuditDetails) -> NewEntry {
        let asked = &self.deed.details;
        let details = AuditDetails {
            begun: Some(self.seq),
            format: details.format.or_else(|| asked.format.clone()),
            part: details.part.or(asked.part),
            ..details
        };
        let deed = Deed { details, action: self.deed.action, object: self.deed.object.clone() };
        let entry = self.audit.entry(&self.caller, deed, result);
        NewEntry { address: entry.address.or_else(|| self.address.clone()), ..entry }
    }

    /// Notes how it went with each of several things; what is known of one stands in its details. Nothing is noted of none.
    pub(crate) async fn end_each(self, ends: Vec<(AuditObject, AuditResult, AuditDetails)>) {
        let entry = |(object, result, details): (AuditObject, AuditResult, AuditDetails)| {
            let details = AuditDetails { begun: Some(self.seq), ..details };
            let deed = Deed { object, details, action: self.deed.action };
            let entry = self.audit.entry(&self.caller, deed, result);
            NewEntry { address: entry.address.or_else(|| self.address.clone()), ..entry }
        };
        let entries: Vec<NewEntry> = ends.into_iter().map(entry).collect();
        let (catalog, kept) = (Arc::clone(&self.audit.catalog), entries.clone());
        if let Err(error) = blocking(move || catalog.note_all(&kept)).await {
            catalog_problem(&error);
            entries.iter().for_each(log_lost);
        }
    }
}

/// How something went that ended with this problem.
#[must_use]
pub fn result_of(problem: &Problem) -> AuditResult {
    match problem.kind {
        ProblemKind::Internal | ProblemKind::Unavailable => AuditResult::Failed,
        _ => AuditResult::Refused,
    }
}

fn log_lost(entry: &NewEntry) {
    tracing::error!(
        at = %entry.at,
        actor = entry.actor.to_json(),
        action = entry.action.as_str(),
        object = %entry.object,
        result = entry.result.as_str(),
        "this could not be noted in the audit"
    );
}
