//! The guest of a dump: which one it is, whether it may be dumped, whether the volume can hold it.

use memdeck_catalog::{CatalogError, Intent, Job};
use memdeck_model::{ByteCount, Guest, GuestState, ModeChoice};

use crate::dump::DumpError;
use crate::engine::{Shared, identity};

/// Kept free on the volume beside the largest files a dump can make.
const SPACE_RESERVE: ByteCount = ByteCount::from_mib(64);

/// Finds the guest that `job` means and claims it.
pub fn claim(shared: &Shared, job: &mut Job) -> Result<Guest, DumpError> {
    let guest = match &job.guest {
        // The id in the request may have gone to another guest while the job waited; the UUID has not.
        Some(known) => shared.hypervisor.guest(&known.uuid)?,
        None => shared.hypervisor.resolve(&job.vm)?,
    };
    if !guest.state.has_memory() {
        return Err(DumpError::NoMemory { guest: guest.name.0, state: guest.state });
    }
    let identity = identity(&guest);
    match shared.catalog.identify(&job.dump_id, &identity) {
        Err(CatalogError::GuestBusy { dump_id: other }) => return Err(DumpError::GuestBusy { other }),
        outcome => outcome?,
    }
    job.guest = Some(identity);
    Ok(guest)
}

/// Refuses before the guest is touched: encrypted memory that nobody accepted, and what the volume could not hold.
/// Returns whether the memory is encrypted.
pub fn admit(shared: &Shared, job: &Job, guest: &Guest) -> Result<bool, DumpError> {
    let encryption = shared.hypervisor.launch_security(&guest.uuid)?;
    if let Some(kind) = &encryption
        && !job.options.accept_encrypted
    {
        return Err(DumpError::Encrypted { guest: guest.name.0.clone(), kind: kind.clone() });
    }
    // Memory that does not compress is stored as it is; a live dump holds it a second time until it is in order.
    let copies = if job.options.mode == ModeChoice::Frozen { 1 } else { 2 };
    let needed = ByteCount(guest.memory_max.0.saturating_mul(copies).saturating_add(SPACE_RESERVE.0));
    let free = shared.store.free_bytes()?;
    if free < needed {
        return Err(DumpError::NoSpace { dir: shared.store.dir().display().to_string(), needed, free });
    }
    Ok(encryption.is_some())
}

/// Writes down what must be true of the guest again afterwards, before it is touched.
pub fn intend(shared: &Shared, job: &Job, guest: &Guest) -> Result<Intent, DumpError> {
    if !shared.wait_until_settled(&guest.uuid) {
        return Err(DumpError::Shutdown);
    }
    let intent = Intent {
        dump_id: job.dump_id.clone(),
        guest_uuid: guest.uuid.clone(),
        was_running: guest.state == GuestState::Running,
    };
    shared.catalog.intend(&intent.dump_id, &intent.guest_uuid, intent.was_running)?;
    shared.guardian.watch(&intent);
    Ok(intent)
}
