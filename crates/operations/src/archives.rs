//! Archives of records: what one would take, one that is made, and those that were.
//!
//! ```text
//! chosen ──► noted as begun ──► files: written, synced, read back, verified ──► records removed, and that noted: at once
//!                                                    a record changed └── the files go, and the records stay
//! ```

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use memdeck_catalog::{ArchiveCandidate, Catalog, CatalogError};
use memdeck_clock::Clock;
use memdeck_model::archive::{
    Archive, ArchiveChoice, ArchiveList, ArchivePreview, MadeArchive, StayReason, Staying,
};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::{Actor, DumpId, Permission, Problem, ProblemKind, Record, Timestamp};
use tokio::sync::Mutex;

use crate::audit::{Audit, Deed, result_of};
use crate::{Caller, blocking, catalog_problem};

/// The most records that one archive takes: they are removed in one transaction, and nobody else writes meanwhile.
const MOST_RECORDS: u64 = 20_000;
/// How many records are looked at at once.
const PAGE: u32 = 500;
/// How many dumps are named that stay, for each reason.
const MOST_NAMED: usize = 10;

/// An archive that is to be made.
#[derive(Clone, Debug)]
pub struct NewArchive {
    /// What the names of its files begin with.
    pub name: String,
    pub made_at: Timestamp,
    pub made_by: Actor,
    pub choice: ArchiveChoice,
}

/// Who writes the files of archives. All of it blocks.
pub trait ArchiveFiles: Send + Sync {
    /// The directory of the files.
    fn dir(&self) -> String;

    /// Begins the files of an archive.
    ///
    /// # Errors
    /// They cannot be created, or nobody can sign.
    fn begin(&self, new: NewArchive) -> Result<Box<dyn ArchiveWriter>, Problem>;

    /// Removes the files of an archive whose records stay.
    fn remove(&self, archive: &Archive);
}

/// The files of an archive, which have no names yet. Dropped, they are gone.
pub trait ArchiveWriter: Send {
    /// Writes a record, the oldest first.
    ///
    /// # Errors
    /// The volume fails or is full.
    fn add(&mut self, record: &Record) -> Result<(), Problem>;

    /// Makes the files durable and signed, gives them their names, reads them back and verifies them.
    ///
    /// # Errors
    /// A file cannot be written, or what was read back is not what was written.
    fn seal(self: Box<Self>) -> Result<Archive, Problem>;
}

/// The archives of one catalog.
pub struct Archives {
    catalog: Arc<Catalog>,
    audit: Audit,
    clock: Arc<dyn Clock>,
    files: Arc<dyn ArchiveFiles>,
    /// Whether there is a time-series store that is to have the point of a record first.
    waits_for_points: bool,
    /// One at a time.
    making: Mutex<()>,
}

impl Archives {
    /// The archives of the records in `catalog`. With `waits_for_points`, a record stays until its point is in the time-series
    /// store.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        audit: Audit,
        clock: Arc<dyn Clock>,
        files: Arc<dyn ArchiveFiles>,
        waits_for_points: bool,
    ) -> Self {
        Self { catalog, audit, clock, files, waits_for_points, making: Mutex::default() }
    }

    /// What an archive would take now, and why the other records that are chosen stay.
    ///
    /// # Errors
    /// Nothing is chosen, or the catalog failed.
    pub async fn preview(&self, choice: ArchiveChoice, caller: &Caller) -> Result<ArchivePreview, Problem> {
        caller.must(Permission::Delete)?;
        checked(&choice)?;
        let (catalog, waits) = (Arc::clone(&self.catalog), self.waits_for_points);
        blocking(move || {
            let mut tally = Tally::default();
            each(&catalog, &choice, waits, |candidate| Ok(tally.count(&candidate)))?;
            Ok(tally.preview(choice))
        })
        .await
    }

    /// Writes the records that are chosen and may go into the files of an archive, and removes them once these are found to be
    /// right.
    ///
    /// # Errors
    /// Nothing is chosen, no record may go, one changed meanwhile, the files cannot be written, or the catalog failed. Then every
    /// record stays.
    pub async fn make(&self, choice: ArchiveChoice, caller: &Caller) -> Result<MadeArchive, Problem> {
        caller.must(Permission::Delete)?;
        let _turn = self.making.lock().await;
        let now = self.clock.now();
        let name = name_of(now);
        let object = AuditObject::File { name: name.clone() };
        let asked = AuditDetails { value: Some(choice.to_string()), ..AuditDetails::default() };
        let deed = Deed::new(AuditAction::RecordsArchived, object).with(asked.clone());
        let begun = self.audit.begin(caller, deed).await?;
        let new = NewArchive { name, made_at: now, made_by: caller.actor.clone(), choice };
        let files = Arc::clone(&self.files);
        let (catalog, waits) = (Arc::clone(&self.catalog), self.waits_for_points);
        let ending = begun.clone();
        let made = blocking(move || {
            let (archive, records) = write(&catalog, files.as_ref(), new, waits)?;
            let details = AuditDetails {
                count: Some(archive.records),
                sha256: Some(archive.jsonl.sha256.clone()),
                bytes: Some(archive.jsonl.size_bytes),
                ..asked
            };
            let entry = ending.ending(AuditResult::Succeeded, details);
            match catalog.prune(&archive, &records, waits, &entry) {
                Ok(()) => Ok(archive),
                Err(error @ CatalogError::ArchivedRecordChanged { .. }) => {
                    files.remove(&archive);
                    Err(Problem::new(ProblemKind::Conflict, error.to_string()))
                }
                // Whether it is on disk is not known when the disk fails. An archive too many is better than one too few.
                Err(error) => {
                    tracing::warn!(
                        archive = archive.name,
                        "records may not be removed; the files of their archive stay"
                    );
                    Err(catalog_problem(&error))
                }
            }
        })
        .await;
        match made {
            Ok(archive) => {
                tracing::info!(
                    by = caller.actor.to_json(),
                    records = archive.records,
                    archive = archive.name,
                    "records were archived"
                );
                Ok(MadeArchive { dir: self.files.dir(), archive })
            }
            Err(problem) => {
                begun.end(result_of(&problem), AuditDetails::because(&problem.detail)).await;
                Err(problem)
            }
        }
    }

    /// The archives that were made here.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn list(&self, caller: &Caller) -> Result<ArchiveList, Problem> {
        caller.must(Permission::Delete)?;
        let catalog = Arc::clone(&self.catalog);
        let archives = blocking(move || catalog.archives()).await.map_err(|error| catalog_problem(&error))?;
        Ok(ArchiveList { dir: self.files.dir(), count: archives.len(), archives })
    }
}

fn checked(choice: &ArchiveChoice) -> Result<(), Problem> {
    choice.check().map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))
}

/// What the files of an archive are called that is made at this instant.
fn name_of(at: Timestamp) -> String {
    let digits: String = at.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("records-{digits}")
}

/// Writes the files of an archive; also which records it has.
fn write(
    catalog: &Catalog,
    files: &dyn ArchiveFiles,
    new: NewArchive,
    waits: bool,
) -> Result<(Archive, Vec<ArchiveCandidate>), Problem> {
    checked(&new.choice)?;
    let choice = new.choice.clone();
    let mut writer = files.begin(new)?;
    let (mut tally, mut records) = (Tally::default(), Vec::new());
    each(catalog, &choice, waits, |candidate| {
        let flow = tally.count(&candidate);
        if flow.is_continue() && candidate.stays.is_none() {
            writer.add(&candidate.record)?;
            records.push(candidate);
        }
        Ok(flow)
    })?;
    if records.is_empty() {
        return Err(nothing_to_archive(&tally.preview(choice)));
    }
    Ok((writer.seal()?, records))
}

fn nothing_to_archive(preview: &ArchivePreview) -> Problem {
    if preview.staying.is_empty() {
        return Problem::new(ProblemKind::NotFound, format!("there are no records of {}", preview.choice));
    }
    let why: Vec<_> =
        preview.staying.iter().map(|staying| format!("{} ({})", staying.reason, staying.count)).collect();
    let detail = format!("no record of {} may be archived: {}", preview.choice, why.join("; "));
    Problem::new(ProblemKind::Conflict, detail)
}

/// Every record that is chosen, the oldest first, until `work` breaks off.
fn each(
    catalog: &Catalog,
    choice: &ArchiveChoice,
    waits: bool,
    mut work: impl FnMut(ArchiveCandidate) -> Result<ControlFlow<()>, Problem>,
) -> Result<(), Problem> {
    let mut place = None;
    loop {
        let found = catalog.archive_candidates(choice, waits, place, PAGE);
        let (candidates, next) = found.map_err(|error| catalog_problem(&error))?;
        for candidate in candidates {
            if work(candidate)?.is_break() {
                return Ok(());
            }
        }
        if next.is_none() {
            return Ok(());
        }
        place = next;
    }
}

/// What was looked at so far.
#[derive(Default)]
struct Tally {
    records: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    more: bool,
    staying: BTreeMap<StayReason, (u64, Vec<DumpId>)>,
}

impl Tally {
    /// Breaks off at the first record that one archive does not take any more.
    fn count(&mut self, candidate: &ArchiveCandidate) -> ControlFlow<()> {
        let ArchiveCandidate { record, stays, .. } = candidate;
        if let Some(reason) = stays {
            let (count, named) = self.staying.entry(*reason).or_default();
            *count += 1;
            if named.len() < MOST_NAMED {
                named.extend(record.dump_id.clone());
            }
            return ControlFlow::Continue(());
        }
        if self.records == MOST_RECORDS {
            self.more = true;
            return ControlFlow::Break(());
        }
        self.records += 1;
        self.first.get_or_insert(record.timestamp);
        self.last = Some(record.timestamp);
        ControlFlow::Continue(())
    }

    fn preview(self, choice: ArchiveChoice) -> ArchivePreview {
        let Self { records, first, last, more, staying } = self;
        let staying = staying.into_iter().map(|(reason, (count, dumps))| Staying { reason, count, dumps });
        ArchivePreview { choice, records, first, last, more, staying: staying.collect() }
    }
}
