//! What is being done with an image, so that nobody deletes what somebody reads.

use std::collections::HashMap;
use std::sync::Arc;

use memdeck_model::{DumpId, Problem, ProblemKind};
use parking_lot::Mutex;

#[derive(Default)]
struct Use {
    downloads: u32,
    reads: u32,
    verifying: bool,
    deleting: bool,
}

/// The images that are in use now.
#[derive(Clone, Default)]
pub struct Uses(Arc<Mutex<HashMap<DumpId, Use>>>);

/// A use of an image; ends when it is dropped.
pub struct InUse {
    uses: Uses,
    dump_id: DumpId,
    end: fn(&mut Use),
}

impl Uses {
    /// Somebody downloads it.
    pub fn download(&self, dump_id: &DumpId) -> Result<InUse, Problem> {
        self.begin(dump_id, |now| {
            refuse_deleting(dump_id, now)?;
            now.downloads += 1;
            Ok(|now| now.downloads -= 1)
        })
    }

    /// It is compared or searched.
    pub fn read(&self, dump_id: &DumpId) -> Result<InUse, Problem> {
        self.begin(dump_id, |now| {
            refuse_deleting(dump_id, now)?;
            now.reads += 1;
            Ok(|now| now.reads -= 1)
        })
    }

    /// It is verified; `None` if it is already.
    pub fn verify(&self, dump_id: &DumpId) -> Result<Option<InUse>, Problem> {
        let mut already = false;
        let begun = self.begin(dump_id, |now| {
            refuse_deleting(dump_id, now)?;
            already = now.verifying;
            now.verifying = true;
            let end: fn(&mut Use) = if already { |_| {} } else { |now| now.verifying = false };
            Ok(end)
        })?;
        Ok((!already).then_some(begun))
    }

    /// It is deleted.
    pub fn delete(&self, dump_id: &DumpId) -> Result<InUse, Problem> {
        self.begin(dump_id, |now| {
            refuse_deleting(dump_id, now)?;
            let busy = match (now.downloads, now.verifying, now.reads) {
                (0, false, 0) => None,
                (0, true, _) => Some("verified"),
                (0, false, _) => Some("read"),
                _ => Some("downloaded"),
            };
            if let Some(busy) = busy {
                let detail =
                    format!("the image of dump {dump_id} is being {busy}; delete it when that has ended");
                return Err(Problem::new(ProblemKind::Conflict, detail));
            }
            now.deleting = true;
            Ok(|now| now.deleting = false)
        })
    }

    fn begin(
        &self,
        dump_id: &DumpId,
        begin: impl FnOnce(&mut Use) -> Result<fn(&mut Use), Problem>,
    ) -> Result<InUse, Problem> {
        let mut uses = self.0.lock();
        let result = begin(uses.entry(dump_id.clone()).or_default());
        uses.retain(|_, now| now.is_any());
        Ok(InUse { uses: self.clone(), dump_id: dump_id.clone(), end: result? })
    }
}

impl Use {
    fn is_any(&self) -> bool {
        self.downloads > 0 || self.reads > 0 || self.verifying || self.deleting
    }
}

fn refuse_deleting(dump_id: &DumpId, now: &Use) -> Result<(), Problem> {
    if now.deleting {
        let detail = format!("the image of dump {dump_id} is being deleted");
        return Err(Problem::new(ProblemKind::Conflict, detail));
    }
    Ok(())
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut uses = self.uses.0.lock();
        if let Some(now) = uses.get_mut(&self.dump_id) {
            (self.end)(now);
        }
        uses.retain(|_, now| now.is_any());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_deleted_while_it_is_read_and_nothing_is_read_while_it_is_deleted() {
        let uses = Uses::default();
        let (one, other): (DumpId, DumpId) = ("a1".parse().unwrap(), "b2".parse().unwrap());
        let downloads = [uses.download(&one).unwrap(), uses.download(&one).unwrap()];
        let verification = uses.verify(&one).unwrap().unwrap();
        assert!(uses.verify(&one).unwrap().is_none(), "one verification of an image at a time");
        let refused = |refused: Result<InUse, Problem>| refused.err().unwrap().detail.to_string();
        assert!(refused(uses.delete(&one)).contains("is being downloaded"));
        drop(downloads);
        assert!(refused(uses.delete(&one)).contains("is being verified"));
        drop(uses.delete(&other).unwrap());
        drop(verification);
        let reading = uses.read(&one).unwrap();
        assert!(refused(uses.delete(&one)).contains("is being read"));
        drop(reading);

        let deletion = uses.delete(&one).unwrap();
        assert!(refused(uses.download(&one)).contains("is being deleted"));
        assert!(refused(uses.delete(&one)).contains("is being deleted"));
        assert!(uses.verify(&one).is_err());
        assert!(uses.read(&one).is_err());
        drop(deletion);
        drop(uses.download(&one).unwrap());
        assert!(uses.0.lock().is_empty(), "nothing is kept of images that nobody uses");
    }
}
