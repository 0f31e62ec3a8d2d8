//! What the audit says of jobs, noted in the transactions that change them.

use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult, NewEntry};
use memdeck_model::{Actor, EndReason, JobState, Record, Timestamp};
use rusqlite::Connection;

use crate::audit::append;
use crate::{CatalogError, Job, NewJob};

/// Somebody asked for a dump, which is queued now.
pub(super) fn requested(connection: &Connection, job: &Job) -> Result<(), CatalogError> {
    let details = AuditDetails {
        asked_mode: Some(job.options.mode),
        case: job.options.case.clone(),
        note: job.options.note.clone(),
        ..AuditDetails::default()
    };
    let (at, by) = (job.queued_at, job.requested_by.clone());
    let entry = NewEntry::new(at, by, AuditAction::DumpRequested, object(job)).with(details);
    append(connection, &entry).map(drop)
}

/// Somebody asked for a dump of a guest that is being dumped, which changes nothing.
pub(super) fn asked_again(connection: &Connection, asked: &NewJob, job: &Job) -> Result<(), CatalogError> {
    let by = asked.requested_by.clone();
    let entry = NewEntry::new(asked.queued_at, by, AuditAction::DumpRequested, object(job));
    append(connection, &entry.with_result(AuditResult::Unchanged)).map(drop)
}

/// A dump ended with an image.
pub(super) fn completed(connection: &Connection, record: &Record, at: Timestamp) -> Result<(), CatalogError> {
    let Some(entry) = with_image(record, at, AuditAction::DumpEnded) else { return Ok(()) };
    append(connection, &entry).map(drop)
}

/// A record was made anew from its manifest.
pub(crate) fn adopted(connection: &Connection, record: &Record, at: Timestamp) -> Result<(), CatalogError> {
    let Some(entry) = with_image(record, at, AuditAction::RecordAdopted) else { return Ok(()) };
    append(connection, &entry).map(drop)
}

/// A dump ended without an image.
pub(super) fn ended(connection: &Connection, job: Job) -> Result<Job, CatalogError> {
    let result = match job.state {
        JobState::Cancelled => AuditResult::Cancelled,
        _ => AuditResult::Failed,
    };
    let actor = match &job.end_reason {
        Some(EndReason::Cancelled { by, .. }) => by.clone(),
        _ => Actor::Service,
    };
    let details = AuditDetails {
        end_reason: job.end_reason.clone(),
        reason: Some(job.message.clone()),
        mode: job.mode,
        ..AuditDetails::default()
    };
    let at = job.finished_at.unwrap_or(job.queued_at);
    let entry = NewEntry::new(at, actor, AuditAction::DumpEnded, object(&job));
    append(connection, &entry.with_result(result).with(details))?;
    Ok(job)
}

fn with_image(record: &Record, at: Timestamp, action: AuditAction) -> Option<NewEntry> {
    let object = AuditObject::Dump {
        dump_id: record.dump_id.clone()?,
        guest: Some(record.dom.0.clone()),
        uuid: None,
        host: record.host.clone(),
    };
    let details = AuditDetails {
        mode: record.mode,
        pause_ms: record.pause_ms,
        bytes: record.raw_size_bytes,
        sha256: record.sha256.clone(),
        case: record.case.clone(),
        ..AuditDetails::default()
    };
    Some(NewEntry::new(at, Actor::Service, action, object).with(details))
}

fn object(job: &Job) -> AuditObject {
    AuditObject::Dump {
        dump_id: job.dump_id.clone(),
        guest: Some(job.guest.as_ref().map_or_else(|| job.vm.to_string(), |guest| guest.name.0.clone())),
        uuid: job.guest.as_ref().map(|guest| guest.uuid.clone()),
        host: None,
    }
}
