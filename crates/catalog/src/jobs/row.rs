//! Jobs as rows: how they are stored, selected and read back.

use memdeck_model::{
    Actor, DumpId, DumpOptions, EndReason, GuestName, Message, Millis, Remark, Timestamp, VmRef,
};
use rusqlite::{Connection, Row, named_params, params};

use super::GuestIdentity;
use crate::CatalogError;
use crate::column::{self, RECORD_COLUMNS, decode, integer, word};
use crate::record_row;
use crate::{Job, NewJob};

/// Selects jobs with their records. Columns with a namesake in `records` get a name of their own.
fn select(clause: &str) -> String {
    format!(
        "SELECT {RECORD_COLUMNS}, jobs.seq AS job_seq, jobs.dump_id AS job_dump_id, jobs.vm,
                jobs.guest_uuid AS job_guest_uuid,
                jobs.guest_name, jobs.guest_vmid, jobs.state, jobs.message, jobs.end_reason, jobs.requested_by AS job_requested_by,
                jobs.queued_at, jobs.started_at, jobs.finished_at, jobs.record_seq, jobs.requested_mode,
                jobs.pause_budget_ms, jobs.bandwidth_mibps, jobs.accept_encrypted, jobs.case_number AS job_case_number,
                jobs.note AS job_note, jobs.difference, jobs.mode AS job_mode, jobs.fallback AS job_fallback
         FROM jobs LEFT JOIN records ON records.seq = jobs.record_seq {clause}"
    )
}

/// The first job that `clause` selects.
pub(super) fn one(
    connection: &Connection,
    clause: &str,
    parameters: impl rusqlite::Params,
) -> Result<Option<Job>, CatalogError> {
    let mut statement = connection.prepare_cached(&select(clause))?;
    let mut rows = statement.query(parameters)?;
    rows.next()?.map(read_job).transpose()
}

/// Every job that `clause` selects.
pub(super) fn many(connection: &Connection, clause: &str) -> Result<Vec<Job>, CatalogError> {
    let mut statement = connection.prepare_cached(&select(clause))?;
    let mut rows = statement.query([])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(read_job(row)?);
    }
    Ok(jobs)
}

/// The job of that name.
pub(super) fn find(connection: &Connection, dump_id: &DumpId) -> Result<Option<Job>, CatalogError> {
    one(connection, "WHERE jobs.dump_id = ?1", [dump_id.as_str()])
}

/// The job at that place.
pub(super) fn of_seq(connection: &Connection, seq: i64) -> Result<Option<Job>, CatalogError> {
    one(connection, "WHERE jobs.seq = ?1", [seq])
}

/// The job of that name, which must be there.
pub(super) fn existing(connection: &Connection, dump_id: &DumpId) -> Result<Job, CatalogError> {
    find(connection, dump_id)?.ok_or_else(|| CatalogError::UnknownDump(dump_id.clone()))
}

/// The job, if it may still change.
pub(crate) fn active(connection: &Connection, dump_id: &DumpId) -> Result<Job, CatalogError> {
    let job = existing(connection, dump_id)?;
    if job.state.is_final() {
        return Err(CatalogError::AlreadyFinal { dump_id: job.dump_id, state: job.state });
    }
    Ok(job)
}

/// Adds a queued job.
pub(super) fn insert(connection: &Connection, job: &NewJob) -> rusqlite::Result<()> {
    let guest = job.guest.as_ref();
    connection.execute(
        "INSERT INTO jobs (dump_id, vm, guest_uuid, guest_name, guest_vmid, state, message, requested_by, queued_at,
                           requested_mode, pause_budget_ms, bandwidth_mibps, case_number, note, accept_encrypted, difference)
         VALUES (:dump_id, :vm, :guest_uuid, :guest_name, :guest_vmid, 'queued', '', :requested_by, :queued_at,
                 :requested_mode, :pause_budget_ms, :bandwidth_mibps, :case_number, :note, :accept_encrypted,
                 :difference)",
        named_params! {
            ":dump_id": job.dump_id.as_str(),
            ":vm": job.vm.as_str(),
            ":guest_uuid": guest.map(|guest| guest.uuid.as_str()),
            ":guest_name": guest.map(|guest| guest.name.0.as_str()),
            ":guest_vmid": guest.map(|guest| guest.vmid.as_str()),
            ":requested_by": job.requested_by.to_json(),
            ":queued_at": job.queued_at.unix_micros(),
            ":requested_mode": job.options.mode.as_str(),
            ":pause_budget_ms": job.options.pause_budget_ms.map(|budget| integer(budget.0)),
            ":bandwidth_mibps": job.options.bandwidth_mibps.map(integer),
            ":case_number": job.options.case.as_ref().map(Remark::as_str),
            ":note": job.options.note.as_ref().map(Remark::as_str),
            ":accept_encrypted": job.options.accept_encrypted,
            ":difference": job.options.difference,
        },
    )?;
    Ok(())
}

/// Ends a job without an image.
pub(super) fn finish(
    connection: &Connection,
    dump_id: &DumpId,
    reason: &EndReason,
    at: Timestamp,
) -> Result<Job, CatalogError> {
    connection.execute(
        "UPDATE jobs SET state = ?2, message = ?3, end_reason = ?4, finished_at = ?5 WHERE dump_id = ?1",
        params![
            dump_id.as_str(),
            reason.state().as_str(),
            reason.to_string(),
            reason.to_json(),
            at.unix_micros()
        ],
    )?;
    existing(connection, dump_id)
}

fn read_job(row: &Row<'_>) -> Result<Job, CatalogError> {
    let record = match row.get::<_, Option<i64>>("record_seq")? {
        Some(_) => Some(record_row::read_record(row)?),
        None => None,
    };
    let guest = match (row.get("job_guest_uuid")?, row.get("guest_name")?, row.get("guest_vmid")?) {
        (Some(uuid), Some(name), Some(vmid)) => Some(GuestIdentity { uuid, name: GuestName(name), vmid }),
        _ => None,
    };
    let instant =
        |column| row.get::<_, Option<i64>>(column)?.map(|micros| column::instant(column, micros)).transpose();
    let vm: String = row.get("vm")?;
    Ok(Job {
        seq: row.get::<_, i64>("job_seq")?.unsigned_abs(),
        dump_id: decode("dump_id", row.get("job_dump_id")?)?,
        vm: VmRef::new(&vm).map_err(|_| CatalogError::Undecodable { column: "vm", value: vm })?,
        guest,
        state: decode("state", row.get("state")?)?,
        message: row.get::<_, String>("message")?.into(),
        end_reason: row.get::<_, Option<String>>("end_reason")?.map(|json| EndReason::from_json(&json)),
        requested_by: Actor::from_kept(&row.get::<_, String>("job_requested_by")?),
        queued_at: column::instant("queued_at", row.get("queued_at")?)?,
        started_at: instant("started_at")?,
        finished_at: instant("finished_at")?,
        options: read_options(row)?,
        mode: word(row, "job_mode")?,
        fallback: row.get::<_, Option<String>>("job_fallback")?.map(Message::from),
        record,
    })
}

fn read_options(row: &Row<'_>) -> Result<DumpOptions, CatalogError> {
    Ok(DumpOptions {
        mode: decode("requested_mode", row.get("requested_mode")?)?,
        pause_budget_ms: row
            .get::<_, Option<i64>>("pause_budget_ms")?
            .map(|millis| Millis(millis.unsigned_abs())),
        bandwidth_mibps: row.get::<_, Option<i64>>("bandwidth_mibps")?.map(i64::unsigned_abs),
        case: word(row, "job_case_number")?,
        note: word(row, "job_note")?,
        accept_encrypted: row.get("accept_encrypted")?,
        difference: row.get("difference")?,
    })
}
