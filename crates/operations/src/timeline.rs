//! What became of a guest's memory over its dumps.
//!
//! Shares and entropies are figures of page maps, for everybody who may see records. What ran is told from what was read inside
//! of the guest already, to those who may read memory: numbers, and no name of a process, so no entry of the audit. Nothing is read
//! anew for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_model::{
    ByteCount, GuestName, GuestTimeline, Inside, Permission, Problem, ProblemKind, ProcessFigures, Record,
    TimelinePoint, VmRef,
};

use crate::study::StopWhenDropped;
use crate::{Caller, FiguredImage, ImageRef, Operations, blocking, catalog_problem};

/// Bytes of a page.
const PAGE_BYTES: u64 = 4096;
/// Images that are looked at to find those of a guest; the newest are.
const MOST_KEPT: u32 = 10_000;
/// Guests of one name that a sentence names.
const MOST_NAMED: usize = 8;

impl Operations {
    /// The newest dumps of a guest whose images are kept on this machine: how much changed from each to the next. `guest` is its
    /// name or its UUID.
    ///
    /// # Errors
    /// No image of such a guest is kept here that the caller may see; several guests had the name; too much is studied already; or
    /// the catalog failed.
    pub async fn timeline(
        &self,
        guest: &str,
        most: Option<u32>,
        caller: &Caller,
    ) -> Result<GuestTimeline, Problem> {
        caller.must(Permission::View)?;
        let most = most.unwrap_or(GuestTimeline::USUAL_POINTS);
        if !(1..=GuestTimeline::MOST_POINTS).contains(&most) {
            let detail = format!("a timeline has 1 to {} dumps, not {most}", GuestTimeline::MOST_POINTS);
            return Err(Problem::new(ProblemKind::Invalid, detail));
        }
        let (catalog, sought) = (Arc::clone(&self.catalog), guest.to_owned());
        let records = blocking(move || kept_of(&catalog, &sought)).await;
        let mut records = records.map_err(|error| catalog_problem(&error))?;
        records.retain(|record| caller.sees_record(record));
        check_one(guest, &records)?;
        let Some(newest) = records.first() else {
            let detail =
                format!("no image of {} is kept on this machine, where it could be compared", shown(guest));
            return Err(Problem::new(ProblemKind::NotFound, detail));
        };
        let (name, guest_uuid) = (newest.dom.clone(), newest.guest_uuid.clone());
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let has_earlier = records.len() > most;
        // One more: what the first that is shown is compared with.
        records.truncate(most.saturating_add(1));
        records.reverse();
        let mut images = Vec::with_capacity(records.len());
        for dump_id in records.iter().filter_map(|record| record.dump_id.as_ref()) {
            match self.images.present(dump_id.as_str(), caller).await {
                Ok(image) => images.push(image),
                // It was deleted meanwhile.
                Err(problem) if matches!(problem.kind, ProblemKind::Gone | ProblemKind::NotFound) => {}
                Err(problem) => return Err(problem),
            }
        }
        let figured = self.figured(images.clone()).await?;
        let with_processes = caller.rights.may(Permission::ReadMemory);
        let processes = if with_processes { self.processes(&images).await } else { vec![None; images.len()] };
        let pending = figured.iter().filter(|figured| figured.is_pending).count();
        let points =
            images.into_iter().zip(figured).zip(processes).filter_map(|((image, figured), processes)| {
                let record = image.owned?.record;
                Some(TimelinePoint {
                    dump_id: image.dump_id,
                    taken_at: record.timestamp,
                    memory: figured.memory,
                    changes: figured.changes,
                    processes,
                    problem: figured.problem,
                })
            });
        let mut points: Vec<_> = points.collect();
        points.drain(..points.len().saturating_sub(most));
        Ok(GuestTimeline {
            guest: name,
            guest_uuid,
            page_bytes: ByteCount(PAGE_BYTES),
            points,
            has_earlier,
            pending: u32::try_from(pending).unwrap_or(u32::MAX),
            with_processes,
        })
    }

    async fn figured(&self, images: Vec<ImageRef>) -> Result<Vec<FiguredImage>, Problem> {
        let Some(first) = images.first() else { return Ok(Vec::new()) };
        let study = self.reader_of(first)?;
        let place = self.study_places.place().await?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let _stop = StopWhenDropped(Arc::clone(&is_stopped));
        Ok(blocking(move || {
            let _place = place;
            study.figures(&images, &|| is_stopped.load(Ordering::Relaxed))
        })
        .await)
    }

    /// What ran, from what was read inside of the guest already. Two readings are in memory at once.
    async fn processes(&self, images: &[ImageRef]) -> Vec<Option<ProcessFigures>> {
        let mut figures = Vec::with_capacity(images.len());
        let mut before: Option<Box<Inside>> = None;
        for image in images {
            let reading = match self.images.host_of(image) {
                Ok(host) => host.inside(image.clone()).await.ok(),
                Err(_) => None,
            };
            let inside = reading.and_then(|reading| reading.inside);
            figures.push(inside.as_deref().and_then(|inside| ProcessFigures::of(before.as_deref(), inside)));
            before = inside;
        }
        figures
    }
}

/// The kept images of the guests with this UUID, else of this name, newest first.
fn kept_of(catalog: &Catalog, guest: &str) -> Result<Vec<Record>, CatalogError> {
    if let Some(uuid) = VmRef::new(guest).ok().and_then(|guest| guest.as_uuid()) {
        let mut of_uuid = catalog.kept_images(None, MOST_KEPT)?;
        of_uuid.retain(|record| uuid_of(record).as_ref() == Some(&uuid));
        if !of_uuid.is_empty() {
            return Ok(of_uuid);
        }
    }
    catalog.kept_images(Some(&GuestName(guest.to_owned())), MOST_KEPT)
}

fn uuid_of(record: &Record) -> Option<String> {
    record.guest_uuid.as_ref().map(|uuid| uuid.to_ascii_lowercase())
}

/// A guest that was made anew under a name is another one: their dumps have nothing to do with each other.
fn check_one(guest: &str, records: &[Record]) -> Result<(), Problem> {
    let guests: BTreeSet<String> = records.iter().filter_map(uuid_of).collect();
    if guests.len() < 2 {
        return Ok(());
    }
    let (count, guest) = (guests.len(), shown(guest));
    let uuids: Vec<_> = guests.into_iter().take(MOST_NAMED).collect();
    let detail = format!(
        "{count} guests with images here had the name {guest}: name one of them by its UUID: {}",
        uuids.join(", ")
    );
    Err(Problem::new(ProblemKind::Conflict, detail))
}

/// A name in a sentence.
fn shown(guest: &str) -> String {
    guest.chars().filter(|c| !c.is_control()).take(64).collect()
}
