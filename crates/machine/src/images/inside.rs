//! Reads what is inside of guests out of their images: one image at a time, each in a process of its own, never begun while a
//! dump is being taken here. What was read is kept beside the image.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_image::{keep_inside, kept_inside, read_manifest};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult, NewEntry};
use memdeck_model::{
    Actor, DumpId, InsideProblem, InsideProblemKind, InsideReading, InsideState, Problem, ProblemKind,
    with_causes,
};
use memdeck_operations::catalog_problem;
use memdeck_study::inside::{InsideLimits, InsideRequest, from_kept, run, to_kept};
use parking_lot::Mutex;

use super::uses::{InUse, Uses};
use super::{StoredImage, internal};

/// Images that wait to be read; more are refused.
const MOST_WAITING: usize = 16;
/// Failures that are remembered.
const MOST_KNOWN: usize = 500;
/// Between two looks whether a dump is still being taken.
const DUMP_INTERVAL: Duration = Duration::from_millis(500);

/// The images that are read, that wait for it, and those of which nothing could be read.
pub(super) struct Readings {
    /// The program that reads an image when it is called for that.
    reader: PathBuf,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    uses: Uses,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    waiting: VecDeque<Asked>,
    /// Whether a thread reads what waits.
    is_working: bool,
    /// What waits, is read, or failed. A result is not among them: it is in its file.
    known: HashMap<DumpId, InsideReading>,
}

struct Asked {
    image: StoredImage,
    by: Actor,
}

impl Readings {
    pub(super) fn new(reader: PathBuf, catalog: Arc<Catalog>, clock: Arc<dyn Clock>, uses: Uses) -> Self {
        Self { reader, catalog, clock, uses, now: Mutex::default() }
    }

    /// What is kept of an image, or how far its reading is.
    pub(super) fn of(&self, image: &StoredImage) -> InsideReading {
        let known = self.now.lock().known.get(&image.dump_id).cloned();
        match known {
            Some(reading) if reading.state.is_active() => reading,
            known => kept(image).or(known).unwrap_or_else(|| InsideReading::none(image.dump_id.clone())),
        }
    }

    /// Begins to read an image, unless that was done or goes on. How it stands then.
    pub(super) fn begin(self: &Arc<Self>, image: StoredImage, by: &Actor) -> Result<InsideReading, Problem> {
        let before = self.of(&image);
        if before.state.is_active() || before.state == InsideState::Finished {
            return Ok(before);
        }
        let dump_id = image.dump_id.clone();
        let mut now = self.now.lock();
        // Somebody else may have asked meanwhile.
        if let Some(reading) = now.known.get(&dump_id).filter(|reading| reading.state.is_active()) {
            return Ok(reading.clone());
        }
        if now.waiting.len() >= MOST_WAITING {
            let detail =
                format!("{MOST_WAITING} images wait to be read, which is the limit; try again later");
            return Err(Problem::new(ProblemKind::Unavailable, detail));
        }
        if !now.is_working {
            let readings = Arc::clone(self);
            let started =
                std::thread::Builder::new().name("image-inside".to_owned()).spawn(move || readings.work());
            started.map_err(|error| internal(&error))?;
            now.is_working = true;
        }
        let reading = InsideReading {
            state: InsideState::Waiting,
            requested_by: Some(by.clone()),
            asked_at: Some(self.clock.now()),
            ..InsideReading::none(dump_id)
        };
        tracing::info!(dump_id = %image.dump_id, vm = %image.record.dom, %by, "an image is to be read");
        now.waiting.push_back(Asked { image, by: by.clone() });
        put(&mut now.known, reading.clone());
        Ok(reading)
    }

    /// Nothing is known of an image that is gone.
    pub(super) fn forget(&self, dump_id: &DumpId) {
        let mut now = self.now.lock();
        now.waiting.retain(|asked| asked.image.dump_id != *dump_id);
        now.known.remove(dump_id);
    }

    /// Reads what waits, until nothing does.
    fn work(&self) {
        loop {
            // A dump has a guest that waits for it.
            while self.is_dumping() {
                std::thread::sleep(DUMP_INTERVAL);
            }
            let Some(Asked { image, by }) = self.next() else { return };
            let read = self.read(&image);
            let problem = read.as_ref().err().cloned();
            match &problem {
                None => tracing::info!(dump_id = %image.dump_id, vm = %image.record.dom, "an image was read"),
                Some(problem) => {
                    tracing::warn!(dump_id = %image.dump_id, vm = %image.record.dom, %problem, "an image was not read");
                }
            }
            self.note(&image, &by, problem.as_ref());
            let mut now = self.now.lock();
            match (problem, now.known.get(&image.dump_id).cloned()) {
                (Some(problem), Some(reading)) => {
                    let failed = InsideReading {
                        state: InsideState::Failed,
                        finished_at: Some(self.clock.now()),
                        problem: Some(problem),
                        ..reading
                    };
                    put(&mut now.known, failed);
                }
                // It is in its file; or the image was deleted meanwhile.
                _ => drop(now.known.remove(&image.dump_id)),
            }
            // The image can be deleted when nobody is told any more that it is being read.
            drop(read);
        }
    }

    fn next(&self) -> Option<Asked> {
        let mut now = self.now.lock();
        let next = now.waiting.pop_front();
        match &next {
            None => now.is_working = false,
            Some(asked) => {
                if let Some(reading) = now.known.get_mut(&asked.image.dump_id) {
                    reading.state = InsideState::Running;
                }
            }
        }
        next
    }

    fn is_dumping(&self) -> bool {
        // A catalog that cannot be read takes no dumps either.
        self.catalog.active_jobs().is_ok_and(|jobs| jobs.iter().any(|job| job.started_at.is_some()))
    }

    /// Reads an image and keeps what was read. The image is in use for as long as the answer is kept.
    fn read(&self, image: &StoredImage) -> Result<InUse, InsideProblem> {
        let in_use = self
            .uses
            .read(&image.dump_id)
            .map_err(|problem| InsideProblem::new(InsideProblemKind::Image, problem.detail))?;
        let manifest = manifest_sha256(image)?;
        let request = InsideRequest {
            image: image.path.clone(),
            record: Some(Box::new(image.record.clone())),
            limits: InsideLimits::default(),
        };
        // It ends with this process: it is not asked to end before.
        let inside =
            run(&self.reader, &request, &|| false).map_err(|problem| without_path(image, &problem))?;
        let not_kept = |error: &(dyn std::error::Error + 'static)| {
            let sentence =
                format!("what was read could not be kept beside the image: {}", with_causes(error));
            without_path(image, &InsideProblem::new(InsideProblemKind::NotKept, sentence))
        };
        let json = to_kept(&inside, &manifest, self.clock.now()).map_err(|error| not_kept(&error))?;
        keep_inside(&image.path, &json).map_err(|error| not_kept(&error))?;
        Ok(in_use)
    }

    fn note(&self, image: &StoredImage, by: &Actor, problem: Option<&InsideProblem>) {
        let object = AuditObject::Dump {
            dump_id: image.dump_id.clone(),
            guest: Some(image.record.dom.0.clone()),
            uuid: None,
            host: image.record.host.clone(),
        };
        let reason = problem.map(|problem| problem.message.clone());
        let details = AuditDetails { reason, ..AuditDetails::default() };
        let result = if problem.is_none() { AuditResult::Succeeded } else { AuditResult::Failed };
        let entry = NewEntry::new(self.clock.now(), by.clone(), AuditAction::InsideRead, object)
            .with(details)
            .with_result(result);
        if let Err(error) = self.catalog.note(&entry) {
            catalog_problem(&error);
        }
    }
}

/// What was kept of an image earlier. What cannot be used is read anew.
fn kept(image: &StoredImage) -> Option<InsideReading> {
    let json = kept_inside(&image.path).unwrap_or_else(|error| {
        tracing::warn!(dump_id = %image.dump_id, error = &error as &dyn std::error::Error, "what was read out of an image is lost");
        None
    })?;
    let (read_at, mut inside) = from_kept(&json, &manifest_sha256(image).ok()?)?;
    // It is asked for by place, and is large.
    inside.mapped = None;
    Some(InsideReading {
        state: InsideState::Finished,
        finished_at: Some(read_at),
        inside: Some(Box::new(inside)),
        ..InsideReading::none(image.dump_id.clone())
    })
}

/// The hash of the manifest, as it was recorded; of older dumps, as it is.
fn manifest_sha256(image: &StoredImage) -> Result<String, InsideProblem> {
    if let Some(recorded) = &image.record.manifest_sha256 {
        return Ok(recorded.clone());
    }
    let why = match read_manifest(&image.path) {
        Ok(Some(manifest)) => return Ok(manifest.sha256),
        Ok(None) => "it has no manifest beside it".to_owned(),
        Err(error) => with_causes(&error),
    };
    let problem = InsideProblem::new(InsideProblemKind::Image, format!("the image cannot be read: {why}"));
    Err(without_path(image, &problem))
}

/// Callers learn what is wrong, not where on the host the image lies.
fn without_path(image: &StoredImage, problem: &InsideProblem) -> InsideProblem {
    let directory = image.path.parent().unwrap_or(Path::new("/"));
    let sentence = problem.message.to_string().replace(&format!("{}/", directory.display()), "");
    InsideProblem::new(problem.kind, sentence)
}

fn put(known: &mut HashMap<DumpId, InsideReading>, reading: InsideReading) {
    known.insert(reading.dump_id.clone(), reading);
    while known.len() > MOST_KNOWN {
        let ended = known.values().filter(|known| !known.state.is_active());
        let oldest = ended.min_by_key(|known| known.finished_at).map(|known| known.dump_id.clone());
        let Some(oldest) = oldest else { break };
        known.remove(&oldest);
    }
}
