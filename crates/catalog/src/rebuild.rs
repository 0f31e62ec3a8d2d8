//! Records that were lost, made anew from the manifests of their images.

use memdeck_model::{Actor, CaptureMode, Record, Timestamp, VmRef};
use rusqlite::named_params;

use crate::reserve::For;
use crate::{Catalog, CatalogError, GuestIdentity, jobs, record_row};

/// A dump that the catalog has lost.
#[derive(Clone, Copy, Debug)]
pub struct Adopted<'a> {
    /// Its record; it names its dump.
    pub record: &'a Record,
    pub guest: &'a GuestIdentity,
    /// Who asked for it.
    pub requested_by: &'a Actor,
    /// When it ended.
    pub finished_at: Timestamp,
    /// One sentence for people.
    pub message: &'a str,
}

impl Catalog {
    /// Adds the record and the completed job of a dump; a job that is there is completed. `false` if its record is
    /// known: nothing changes then. Its point waits in the outbox: written twice, it counts once.
    ///
    /// # Errors
    /// The record does not name a dump, or `SQLite` refused.
    pub fn adopt(&self, adopted: &Adopted<'_>) -> Result<bool, CatalogError> {
        let Adopted { record, guest, requested_by, finished_at, message } = *adopted;
        self.conclude("add a record again", For::Start, |tx| {
            if record_row::is_known(tx, record)? {
                return Ok(false);
            }
            let Some(dump_id) = &record.dump_id else {
                return Err(CatalogError::Undecodable { column: "dump_id", value: String::new() });
            };
            let seq = record_row::insert(tx, None, record)?;
            let parameters = named_params! {
                ":dump_id": dump_id.as_str(),
                // As a request would name it; a name that no request can have is passed over.
                ":vm": VmRef::new(&guest.name.0).map_or(guest.uuid.as_str(), |_| guest.name.0.as_str()),
                ":guest_uuid": guest.uuid,
                ":guest_name": guest.name.0,
                ":guest_vmid": guest.vmid,
                ":message": message,
                ":requested_by": requested_by.to_json(),
                ":started_at": record.timestamp.unix_micros(),
                ":finished_at": finished_at.unix_micros(),
                ":mode": record.mode.map(CaptureMode::as_str),
                ":fallback": record.fallback.as_ref().map(ToString::to_string),
                ":seq": seq,
            };
            tx.execute(
                "INSERT INTO jobs (dump_id, vm, guest_uuid, guest_name, guest_vmid, state, message, requested_by,
                                   queued_at, started_at, finished_at, mode, fallback, record_seq)
                 VALUES (:dump_id, :vm, :guest_uuid, :guest_name, :guest_vmid, 'completed', :message, :requested_by,
                         :started_at, :started_at, :finished_at, :mode, :fallback, :seq)
                 ON CONFLICT (dump_id) DO UPDATE SET
                    guest_uuid = excluded.guest_uuid, guest_name = excluded.guest_name,
                    guest_vmid = excluded.guest_vmid, state = 'completed', end_reason = NULL, message = excluded.message,
                    started_at = excluded.started_at, finished_at = excluded.finished_at, mode = excluded.mode,
                    fallback = excluded.fallback, record_seq = excluded.record_seq",
                parameters,
            )?;
            tx.execute("INSERT INTO outbox (record_seq) VALUES (?1)", [seq])?;
            jobs::adopted(tx, record, record.rebuilt_at.unwrap_or(finished_at))?;
            if record.deleted_at.is_some() {
                tx.execute("INSERT INTO deletions (record_seq, files_gone) VALUES (?1, 1)", [seq])?;
            }
            Ok(true)
        })
    }
}
