//! Dumps of other services, as last reported: what the service forgets is still known here.

use memdeck_model::{Actor, DumpStatus, GuestName, Remark, Timestamp};
use rusqlite::{Connection, Row, named_params};

use crate::column::{self, word};
use crate::{Catalog, CatalogError, GuestIdentity};

/// The most dumps that are kept of one service.
const KEPT: u32 = 2_000;

/// A dump that another service takes or took.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteDump {
    /// What the service reported last, or how the dump ended if the service has forgotten it.
    pub status: DumpStatus,
    /// When that changed.
    pub changed_at: Timestamp,
    /// The guest that was meant, if that was known when it was asked for. The service may have dumped another.
    pub guest: Option<GuestIdentity>,
    /// Who asked for it here; `None` if it was asked for elsewhere.
    pub requested_by: Option<Actor>,
    /// Case number that was asked for here.
    pub case: Option<Remark>,
    /// Note that was asked for here.
    pub note: Option<Remark>,
}

impl RemoteDump {
    /// A dump that is known from the service only.
    #[must_use]
    pub fn told(status: DumpStatus, changed_at: Timestamp) -> Self {
        Self { status, changed_at, guest: None, requested_by: None, case: None, note: None }
    }
}

impl Catalog {
    /// Remembers dumps of `service`. Of one that is known the state changes; what was asked for stays. The oldest ended
    /// ones beyond two thousand are forgotten.
    ///
    /// # Errors
    /// `SQLite` refused, or a status cannot be written as JSON.
    pub fn remember_remote(&self, service: &str, dumps: &[RemoteDump]) -> Result<(), CatalogError> {
        if dumps.is_empty() {
            return Ok(());
        }
        self.write("remember dumps of another service", |tx| {
            for dump in dumps {
                upsert(tx, service, dump)?;
            }
            tx.execute(
                "DELETE FROM remote_dumps WHERE service = ?1 AND is_final = 1 AND seq <=
                     (SELECT seq FROM remote_dumps WHERE service = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
                (service, KEPT),
            )?;
            Ok(())
        })
    }

    /// Dumps of `service` that have not ended, oldest first, and the `ended` newest of those that have.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn remote_dumps(&self, service: &str, ended: u32) -> Result<Vec<RemoteDump>, CatalogError> {
        self.read("list dumps of another service", |connection| {
            select(
                connection,
                "WHERE service = ?1 AND (is_final = 0 OR seq IN
                     (SELECT seq FROM remote_dumps WHERE service = ?1 AND is_final = 1 ORDER BY seq DESC LIMIT ?2))
                 ORDER BY seq",
                (service, ended),
            )
        })
    }

    /// The `limit` dumps of other services to which something happened last, the latest first.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn latest_remote(&self, limit: u32) -> Result<Vec<RemoteDump>, CatalogError> {
        self.read("list what happened to dumps of other services", |connection| {
            select(connection, "ORDER BY changed_at DESC, seq DESC LIMIT ?1", [limit])
        })
    }
}

fn upsert(connection: &Connection, service: &str, dump: &RemoteDump) -> Result<(), CatalogError> {
    let guest = dump.guest.as_ref();
    let status = serde_json::to_string(&dump.status).map_err(|_| CatalogError::Undecodable {
        column: "status",
        value: dump.status.dump_id.to_string(),
    })?;
    connection.execute(
        "INSERT INTO remote_dumps (service, dump_id, status, is_final, changed_at, guest_uuid, guest_name, guest_vmid,
                                   requested_by, case_number, note)
         VALUES (:service, :dump_id, :status, :is_final, :changed_at, :guest_uuid, :guest_name, :guest_vmid,
                 :requested_by, :case_number, :note)
         ON CONFLICT (service, dump_id) DO UPDATE SET
             status = excluded.status, is_final = excluded.is_final,
             changed_at = CASE WHEN is_final = 1 THEN changed_at ELSE excluded.changed_at END,
             guest_uuid = coalesce(guest_uuid, excluded.guest_uuid),
             guest_name = CASE WHEN guest_uuid IS NULL THEN excluded.guest_name ELSE guest_name END,
             guest_vmid = CASE WHEN guest_uuid IS NULL THEN excluded.guest_vmid ELSE guest_vmid END,
             requested_by = coalesce(requested_by, excluded.requested_by),
             case_number = coalesce(case_number, excluded.case_number),
             note = coalesce(note, excluded.note)",
        named_params! {
            ":service": service,
            ":dump_id": dump.status.dump_id.as_str(),
            ":status": status,
            ":is_final": dump.status.exact_state().is_final(),
            ":changed_at": dump.changed_at.unix_micros(),
            ":guest_uuid": guest.map(|guest| guest.uuid.as_str()),
            ":guest_name": guest.map(|guest| guest.name.0.as_str()),
            ":guest_vmid": guest.map(|guest| guest.vmid.as_str()),
            ":requested_by": dump.requested_by.as_ref().map(Actor::to_json),
            ":case_number": dump.case.as_ref().map(Remark::as_str),
            ":note": dump.note.as_ref().map(Remark::as_str),
        },
    )?;
    Ok(())
}

fn select(
    connection: &Connection,
    clause: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<RemoteDump>, CatalogError> {
    let mut statement = connection.prepare_cached(&format!("SELECT * FROM remote_dumps {clause}"))?;
    let mut rows = statement.query(parameters)?;
    let mut dumps = Vec::new();
    while let Some(row) = rows.next()? {
        dumps.extend(read(row)?);
    }
    Ok(dumps)
}

/// `None` if the status was written by a version whose words this one does not know.
fn read(row: &Row<'_>) -> Result<Option<RemoteDump>, CatalogError> {
    let status: String = row.get("status")?;
    let Ok(status) = serde_json::from_str(&status) else { return Ok(None) };
    let guest = match (row.get("guest_uuid")?, row.get("guest_name")?, row.get("guest_vmid")?) {
        (Some(uuid), Some(name), Some(vmid)) => Some(GuestIdentity { uuid, name: GuestName(name), vmid }),
        _ => None,
    };
    Ok(Some(RemoteDump {
        status,
        changed_at: column::instant("changed_at", row.get("changed_at")?)?,
        guest,
        requested_by: column::actor(row, "requested_by")?,
        case: word(row, "case_number")?,
        note: word(row, "note")?,
    }))
}
