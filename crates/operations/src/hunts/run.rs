//! Carries hunts out, one after the other.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, HuntEnd, KeptHit, SearchedDump, StartedHunt};
use memdeck_clock::Clock;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult, NewEntry};
use memdeck_model::{
    ByteCount, HuntHit, HuntProgress, HuntReason, HuntTally, Message, Millis, Problem, Timestamp,
};

use crate::hunt_runs::Running;
use crate::images::about;
use crate::{
    Caller, HuntWatcher, ImageRef, Operations, Searched, SearchedImage, Study, blocking, catalog_problem,
};

/// When it is looked again although nothing was heard.
const ROUND: Duration = Duration::from_secs(10);
/// How often what was found goes into the catalog.
const KEEP_INTERVAL: Millis = Millis(1_000);
/// More hits than this do not wait for it.
const MOST_WAITING: usize = 1_000;

/// The images of a hunt that can be searched, by their places, and what keeps the others from it.
#[derive(Default)]
struct Chosen {
    study: Option<Arc<dyn Study>>,
    images: Vec<(u32, ImageRef)>,
    unsearched: Vec<SearchedDump>,
}

impl Operations {
    /// Carries hunts out as they are asked for. Runs until its task is ended; the hunt that runs then ends at once, and is
    /// told as interrupted by the next start.
    pub async fn keep_hunts(&self) {
        let mut is_first = true;
        loop {
            if is_first {
                let now = self.clock.now();
                match self.on_hunts(move |catalog| catalog.interrupt_hunt(now)).await {
                    Ok(interrupted) => {
                        is_first = false;
                        if let Some(hunt) = interrupted {
                            tracing::warn!(%hunt, "a hunt was interrupted: memdeck ended while it ran");
                        }
                    }
                    Err(problem) => tracing::error!("hunts are not carried out: {problem}"),
                }
            }
            if !is_first {
                while self.hunt_round().await.is_ok_and(|did_one| did_one) {}
            }
            tokio::select! {
                () = self.hunt_runs.wake.notified() => {}
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    /// Carries the hunt out whose turn it is. False if none waits.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn hunt_round(&self) -> Result<bool, Problem> {
        let starting = self.hunt_runs.starting.lock().await;
        let now = self.clock.now();
        let Some(hunt) = self.on_hunts(move |catalog| catalog.start_hunt(now)).await? else {
            return Ok(false);
        };
        let running = Running::new(hunt.id.clone());
        let _follow = self.hunt_runs.begin(&running);
        drop(starting);
        tracing::info!(hunt = %hunt.id, by = %hunt.requested_by, dumps = hunt.dumps.len(), "a hunt begins");
        let end = self.carry_out(&hunt, &running).await;
        tracing::info!(
            hunt = %hunt.id,
            hits = end.end.tally.hits,
            reason = end.end.reason.as_ref().map(tracing::field::display),
            "a hunt has ended"
        );
        let noted = Arc::new(end.noted(&hunt));
        // Until its end is kept, no other hunt begins.
        loop {
            let noted = Arc::clone(&noted);
            let kept = self.on_hunts(move |catalog| catalog.end_hunt(&noted.0, &noted.1)).await;
            match kept {
                Ok(()) => return Ok(true),
                Err(problem) => {
                    tracing::error!(hunt = %hunt.id, "the end of a hunt cannot be kept: {problem}");
                }
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn carry_out(&self, hunt: &StartedHunt, running: &Running) -> Ended {
        let Chosen { study, images, unsearched } = self.chosen_images(hunt).await;
        let places: Vec<u32> = images.iter().map(|(place, _)| *place).collect();
        let refs: Vec<ImageRef> = images.iter().map(|(_, image)| image.clone()).collect();
        let (tally, searched) = match study {
            None => (HuntTally::default(), Ok(Searched::default())),
            Some(study) => {
                let keeper =
                    Keeper::new(Arc::clone(&self.catalog), Arc::clone(&self.clock), running, &places);
                let (sought, limit) = (hunt.sought.clone(), hunt.limit);
                blocking(move || keeper.watch(|keeper| study.hunt(&refs, &sought, limit, keeper))).await
            }
        };
        let at = self.clock.now();
        let searched_well = |searched: &Searched| searched.images.iter().any(|image| image.problem.is_none());
        let reason = match (running.cancelled_by(), &searched) {
            (Some(by), _) => Some(HuntReason::Cancelled { by }),
            (None, Err(_)) => Some(HuntReason::Failed),
            (None, Ok(searched)) if searched.is_cut_short => Some(HuntReason::LimitOfHits),
            (None, Ok(searched)) if !searched_well(searched) => Some(HuntReason::NothingSearched),
            _ => None,
        };
        let searched = searched.unwrap_or_else(|problem| {
            tracing::error!(hunt = %hunt.id, "a hunt failed: {problem}");
            Searched::default()
        });
        let mut dumps: Vec<(SearchedDump, AuditObject)> = Vec::new();
        for ((place, image), SearchedImage { bytes, problem }) in images.iter().zip(searched.images) {
            dumps.push((SearchedDump { place: *place, searched_bytes: bytes, problem }, about(image)));
        }
        let done = tally.dumps_done.saturating_add(u32::try_from(unsearched.len()).unwrap_or(u32::MAX));
        let tally = HuntTally { dumps_done: done, ..tally };
        let end = HuntEnd { id: hunt.id.clone(), at, reason, tally, dumps: unsearched };
        Ended { end, searched: dumps }
    }

    /// What can be searched: an image may have been deleted since the hunt was asked for.
    async fn chosen_images(&self, hunt: &StartedHunt) -> Chosen {
        let mut chosen = Chosen::default();
        // What they may see was asked when the hunt was asked for.
        let by_itself = Caller::trusted(hunt.requested_by.clone());
        for (place, dump_id) in (0_u32..).zip(&hunt.dumps) {
            match self.searchable(dump_id, &by_itself).await {
                Ok((image, study)) => {
                    chosen.study.get_or_insert(study);
                    chosen.images.push((place, image));
                }
                Err(problem) => chosen.unsearched.push(SearchedDump {
                    place,
                    searched_bytes: ByteCount(0),
                    problem: Some(problem.detail),
                }),
            }
        }
        chosen
    }
}

/// How a hunt ended, and which images were read for it.
struct Ended {
    end: HuntEnd,
    searched: Vec<(SearchedDump, AuditObject)>,
}

impl Ended {
    /// The end with every dump, and what the audit says: a row for each image that was read, and one for the hunt.
    fn noted(self, hunt: &StartedHunt) -> (HuntEnd, Vec<NewEntry>) {
        let Self { mut end, searched } = self;
        let entry = |action, object| NewEntry::new(end.at, hunt.requested_by.clone(), action, object);
        let mut entries = Vec::new();
        for (dump, object) in &searched {
            let details = AuditDetails {
                bytes: Some(dump.searched_bytes),
                name: Some(format!("hunt {}", hunt.id)),
                reason: dump.problem.clone(),
                ..AuditDetails::default()
            };
            let result = if dump.problem.is_some() { AuditResult::Failed } else { AuditResult::Succeeded };
            entries.push(entry(AuditAction::ImageSearched, object.clone()).with_result(result).with(details));
        }
        let details = AuditDetails {
            count: Some(end.tally.hits.into()),
            reason: end.reason.as_ref().map(Message::new),
            ..AuditDetails::default()
        };
        let result = match &end.reason {
            None | Some(HuntReason::LimitOfHits) => AuditResult::Succeeded,
            Some(HuntReason::Cancelled { .. }) => AuditResult::Cancelled,
            Some(HuntReason::ServiceStopped) => AuditResult::CutOff,
            Some(HuntReason::NothingSearched | HuntReason::Failed) => AuditResult::Failed,
        };
        let object = AuditObject::Hunt { id: hunt.id.clone() };
        entries.push(entry(AuditAction::HuntEnded, object).with_result(result).with(details));
        end.dumps.extend(searched.into_iter().map(|(dump, _)| dump));
        (end, entries)
    }
}

/// Puts what a hunt finds into the catalog, now and then.
struct Keeper {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    running: Running,
    /// The places of the images in the hunt.
    places: Vec<u32>,
    tally: HuntTally,
    waiting: Vec<KeptHit>,
    kept_at: Timestamp,
    /// Why it cannot go on.
    problem: Option<Problem>,
}

impl Keeper {
    fn new(catalog: Arc<Catalog>, clock: Arc<dyn Clock>, running: &Running, places: &[u32]) -> Self {
        let kept_at = clock.now();
        Self {
            catalog,
            clock,
            running: running.clone(),
            places: places.to_vec(),
            tally: HuntTally::default(),
            waiting: Vec::new(),
            kept_at,
            problem: None,
        }
    }

    /// Watches a hunt to its end.
    fn watch(
        mut self,
        hunt: impl FnOnce(&mut Self) -> Result<Searched, Problem>,
    ) -> (HuntTally, Result<Searched, Problem>) {
        let searched = hunt(&mut self);
        let whole = searched.as_ref().is_ok_and(|searched| searched.images.len() == self.places.len());
        if whole && !self.running.must_end() {
            self.tally.dumps_done = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            if searched.as_ref().is_ok_and(|searched| !searched.is_cut_short) {
                self.tally.bytes_done = self.tally.bytes_expected;
            }
        }
        // The next start tells of a hunt that memdeck's end cut off.
        if !self.running.is_stopped() {
            self.keep();
        }
        (self.tally, self.problem.map_or(searched, Err))
    }

    fn keep(&mut self) {
        self.kept_at = self.clock.now();
        let kept = self.catalog.keep_hits(self.running.id(), &self.waiting, &self.tally);
        let lost = self.waiting.drain(..).count();
        if let Err(error) = kept {
            self.tally.hits = self.tally.hits.saturating_sub(u32::try_from(lost).unwrap_or(u32::MAX));
            self.problem.get_or_insert(catalog_problem(&error));
        }
    }
}

impl HuntWatcher for Keeper {
    fn begins(&mut self, image: usize) {
        self.tally.dumps_done = u32::try_from(image).unwrap_or(u32::MAX);
        self.running.tell(self.tally);
    }

    fn hit(&mut self, hit: &HuntHit) {
        self.tally.hits = self.tally.hits.saturating_add(1);
        let place = usize::try_from(hit.dump).ok().and_then(|image| self.places.get(image)).copied();
        let place = place.unwrap_or(hit.dump);
        self.waiting.push(KeptHit { number: self.tally.hits, place, hit: hit.clone() });
        if self.waiting.len() >= MOST_WAITING {
            self.keep();
        }
    }

    fn progress(&mut self, progress: HuntProgress) -> ControlFlow<()> {
        self.tally.bytes_done = progress.bytes_done;
        self.tally.bytes_expected = progress.bytes_expected;
        self.running.tell(self.tally);
        if self.clock.now().since(self.kept_at) >= KEEP_INTERVAL {
            self.keep();
        }
        if self.running.must_end() || self.problem.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}
