//! What a hunt is asked to look for, and where.

use std::collections::BTreeSet;
use std::sync::Arc;

use memdeck_catalog::AddedHunt;
use memdeck_model::audit::{AuditAction, AuditDetails};
use memdeck_model::{
    DumpId, GuestName, HuntDetails, HuntDump, HuntId, NewHunt, Permission, Problem, ProblemKind, Record,
    Sought,
};
use uuid::Uuid;

use crate::{Caller, ImageRef, Operations, Study, blocking, unknown_image};

/// Images that are looked at to choose from; the newest are.
const MOST_KEPT: u32 = 10_000;

impl Operations {
    /// Queues a hunt.
    ///
    /// # Errors
    /// The caller may not read memory; a pattern cannot be looked for; a dump or a guest has no image here; there are too
    /// many of either, or too many hunts that wait; or the catalog failed.
    pub async fn request_hunt(&self, asked: NewHunt, caller: &Caller) -> Result<HuntDetails, Problem> {
        caller.must(Permission::ReadMemory)?;
        let limit = asked.limit.unwrap_or(NewHunt::USUAL_LIMIT);
        if !(1..=NewHunt::MOST_HITS).contains(&limit) {
            return Err(invalid(format!("a hunt ends after 1 to {} hits, not {limit}", NewHunt::MOST_HITS)));
        }
        check_count(&asked.sought)?;
        let dumps = self.hunted(&asked, caller).await?;
        self.check_patterns(&asked.sought, &dumps, caller).await?;
        let NewHunt { sought, .. } = asked;
        let hunt = AddedHunt {
            id: HuntId::from_uuid_bits(Uuid::new_v4().as_u128()),
            requested_by: caller.actor.clone(),
            at: self.clock.now(),
            sought: Sought { patterns: sought.counted().map(str::to_owned).collect(), ..sought },
            limit,
            dumps,
        };
        let id = hunt.id.clone();
        let count = u64::try_from(hunt.dumps.len()).unwrap_or(u64::MAX);
        let details = AuditDetails { count: Some(count), ..AuditDetails::default() };
        let entry = self.hunt_entry(caller, AuditAction::HuntRequested, &id).with(details);
        tracing::info!(hunt = %id, by = %caller.actor, dumps = count, "a hunt is queued");
        if let Some(most) = self.on_hunts(move |catalog| catalog.add_hunt(&hunt, &entry)).await? {
            let detail = format!("{most} hunts wait, which is the limit; cancel one or try again later");
            return Err(Problem::new(ProblemKind::Unavailable, detail));
        }
        self.hunt_runs.wake.notify_one();
        self.details_of(id).await
    }

    /// The dumps whose images are searched: those that are named, and those of guests, newest first.
    async fn hunted(&self, asked: &NewHunt, caller: &Caller) -> Result<Vec<HuntDump>, Problem> {
        if asked.dump_ids.is_empty() && asked.guests.is_empty() && !asked.all {
            return Err(invalid("say in which images it is looked for: dump_ids, guests, or all".to_owned()));
        }
        check_most(asked.dump_ids.len())?;
        let mut dumps: Vec<HuntDump> = Vec::new();
        for dump_id in &asked.dump_ids {
            let (image, _) = self.searchable(dump_id, caller).await?;
            dumps.extend(image.owned.and_then(|owned| hunted(owned.record)));
        }
        let guests: Vec<Option<GuestName>> =
            if asked.all { vec![None] } else { asked.guests.iter().cloned().map(Some).collect() };
        check_most(guests.len())?;
        for guest in guests {
            let of = guest.clone();
            let records = self.on_hunts(move |catalog| catalog.kept_images(of.as_ref(), MOST_KEPT)).await?;
            let mut seen = BTreeSet::new();
            let is_wanted = |record: &Record| {
                caller.sees_record(record) && (!asked.newest_only || seen.insert(record.dom.0.clone()))
            };
            let found: Vec<_> = records.into_iter().filter(is_wanted).filter_map(hunted).collect();
            if found.is_empty() {
                let whose = guest.map_or_else(String::new, |guest| format!(" of {guest}"));
                let detail = format!("no image{whose} is kept on this machine, where it could be searched");
                return Err(Problem::new(ProblemKind::NotFound, detail));
            }
            dumps.extend(found);
        }
        let mut seen = BTreeSet::new();
        dumps.retain(|dump| seen.insert(dump.dump_id.clone()));
        check_most(dumps.len())?;
        Ok(dumps)
    }

    /// An image that is kept here and that the caller may see, and who reads it.
    pub(super) async fn searchable(
        &self,
        dump_id: &DumpId,
        caller: &Caller,
    ) -> Result<(ImageRef, Arc<dyn Study>), Problem> {
        let image = self.images.present(dump_id.as_str(), caller).await?;
        let study = self.reader_of(&image)?;
        let record = image.owned.as_ref().map(|owned| &owned.record);
        if record.is_none_or(|record| record.dump_path.is_none()) {
            return Err(unknown_image(dump_id.as_str()));
        }
        Ok((image, study))
    }

    /// Asks whoever will look for the patterns whether that can be done.
    async fn check_patterns(
        &self,
        sought: &Sought,
        dumps: &[HuntDump],
        caller: &Caller,
    ) -> Result<(), Problem> {
        let Some(first) = dumps.first() else { return Ok(()) };
        let (_, study) = self.searchable(&first.dump_id, caller).await?;
        let sought = sought.clone();
        blocking(move || study.check_patterns(&sought)).await
    }
}

fn hunted(record: Record) -> Option<HuntDump> {
    Some(HuntDump {
        dump_id: record.dump_id?,
        guest: record.dom,
        taken_at: record.timestamp,
        searched_bytes: None,
        hits: 0,
        problem: None,
    })
}

fn check_count(sought: &Sought) -> Result<(), Problem> {
    match sought.counted().count() {
        0 => Err(invalid("there is no pattern to look for".to_owned())),
        count if count > NewHunt::MOST_PATTERNS => {
            Err(invalid(format!("a hunt takes {} patterns, and these are {count}", NewHunt::MOST_PATTERNS)))
        }
        _ => Ok(()),
    }
}

fn check_most(count: usize) -> Result<(), Problem> {
    if count > NewHunt::MOST_DUMPS {
        let most = NewHunt::MOST_DUMPS;
        return Err(invalid(format!("a hunt searches {most} images, and these are {count}: name fewer")));
    }
    Ok(())
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemKind::Invalid, detail)
}
