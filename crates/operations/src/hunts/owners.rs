//! Whose the places are where something was found: the processes that had them mapped, as far as that was read inside of the guest.

use memdeck_model::{DumpId, FoundHit, GuestPhysAddr, MappedMemory};

use crate::{Caller, Operations, blocking};

impl Operations {
    /// Says of each hit which processes had its place mapped. That of one dump is in memory at once: hits come dump by dump.
    pub(super) async fn name_owners(&self, hits: &mut [FoundHit], caller: &Caller) {
        for of_dump in hits.chunk_by_mut(|one, next| one.dump_id == next.dump_id) {
            let Some(first) = of_dump.first() else { continue };
            let Some(mapped) = self.mapped_in(&first.dump_id, caller).await else { continue };
            let addresses: Vec<GuestPhysAddr> = of_dump.iter().map(|hit| hit.address).collect();
            // What a guest made of its page tables decides how long that takes.
            let owners =
                blocking(move || addresses.into_iter().map(|at| mapped.owners(at)).collect::<Vec<_>>());
            for (hit, owners) in of_dump.iter_mut().zip(owners.await) {
                hit.owners = owners;
            }
        }
    }

    /// Nothing where the image is gone by now.
    async fn mapped_in(&self, dump_id: &DumpId, caller: &Caller) -> Option<MappedMemory> {
        let (image, study) = self.searchable(dump_id, caller).await.ok()?;
        blocking(move || study.mapped(&image)).await.ok()?
    }
}
