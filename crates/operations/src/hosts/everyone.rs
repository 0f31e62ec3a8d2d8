//! What "all" means: exactly the guests that run, each with its UUID, and the others by name with a reason.

use memdeck_model::{DumpStatus, Guest, Omitted, OmittedWhy, Target, VmRef};

/// The guests of a request for all, and those that it leaves out.
#[derive(Debug, Default)]
pub struct Everyone {
    /// They run, and no dump of them waits or runs.
    pub targets: Vec<Target>,
    /// All the others.
    pub omitted: Vec<Omitted>,
}

impl Everyone {
    /// Divides `guests`, of which those in `dumps` may be under way. Every guest is in one of the two lists.
    pub fn of<'a>(guests: &[Guest], dumps: impl Iterator<Item = &'a DumpStatus>) -> Self {
        let active: Vec<&DumpStatus> = dumps.filter(|dump| !dump.exact_state().is_final()).collect();
        let mut everyone = Self::default();
        for guest in guests {
            let omitted = Omitted::by_state(guest).or_else(|| {
                let dump = active.iter().find(|dump| is_of(dump, guest, guests))?;
                let reason = format!("it is being dumped already, by dump {}", dump.dump_id);
                Some(Omitted::new(guest, OmittedWhy::BeingDumped, reason.into()))
            });
            match (omitted, Target::chosen(guest)) {
                (Some(omitted), _) => everyone.omitted.push(omitted),
                (None, Ok(target)) => everyone.targets.push(target),
                (None, Err(error)) => {
                    let reason = format!("it cannot be named: {error}");
                    everyone.omitted.push(Omitted::new(guest, OmittedWhy::Unnamable, reason.into()));
                }
            }
        }
        everyone
    }

    /// Whether no guest runs at all.
    pub fn is_nobody(&self) -> bool {
        let runs = |omitted: &Omitted| matches!(omitted.why, OmittedWhy::BeingDumped | OmittedWhy::Unnamable);
        self.targets.is_empty() && !self.omitted.iter().any(runs)
    }
}

/// Whether `dump` is one of `guest`. For a service that does not report UUIDs, the text of the request decides.
fn is_of(dump: &DumpStatus, guest: &Guest, guests: &[Guest]) -> bool {
    match (&dump.guest_uuid, &dump.guest) {
        (Some(uuid), _) => *uuid == guest.uuid,
        (None, Some(name)) => *name == guest.name,
        (None, None) => {
            let named = VmRef::new(&dump.vm).ok();
            named.and_then(|vm| vm.find_in(guests)).is_some_and(|found| found.uuid == guest.uuid)
        }
    }
}
