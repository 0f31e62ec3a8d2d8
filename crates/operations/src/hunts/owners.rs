//! Whose the places are where something was found: the processes that had them mapped, as far as that was read inside of the guest.

use memdeck_model::{DumpId, FoundHit, MappedMemory};

use crate::{Caller, Operations, blocking};

impl Operations {
    /// Says of each hit which processes had its place mapped. That of one dump is in memory at once: hits come dump by dump.
    pub(super) async fn name_owners(&self, hits: &mut [FoundHit], caller: &Caller) {
        let mut known: Option<(DumpId, Option<MappedMemory>)> = None;
        for hit in hits {
            if known.as_ref().is_none_or(|(dump_id, _)| *dump_id != hit.dump_id) {
                known = Some((hit.dump_id.clone(), self.mapped_in(&hit.dump_id, caller).await));
            }
            let mapped = known.as_ref().and_then(|(_, mapped)| mapped.as_ref());
            hit.owners = mapped.and_then(|mapped| mapped.owners(hit.address));
        }
    }

    /// Nothing where the image is gone by now.
    async fn mapped_in(&self, dump_id: &DumpId, caller: &Caller) -> Option<MappedMemory> {
        let (image, study) = self.searchable(dump_id, caller).await.ok()?;
        blocking(move || study.mapped(&image)).await.ok()?
    }
}
