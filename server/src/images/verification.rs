//! Verifies images in the background, and tells open pages how far it is. Results are kept in memory only: a later
//! verification may find otherwise.
//!
//! A verification of an image that a dump service has is followed by asking the service, so that whoever looks here is
//! told as if it went on here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use memdeck_engine::Clock;
use memdeck_image::{ReadError, VerifyReport};
use memdeck_model::{
    DumpId, Event, Millis, Problem, ProblemKind, Timestamp, Verification, VerificationState,
};
use parking_lot::Mutex;
use reqwest::Method;
use tokio::sync::broadcast;

use super::uses::InUse;
use super::{Images, Place, StoredImage, internal, unreadable};
use crate::remote::ServiceClient;

/// Verifications at the same time: each reads, unpacks and hashes on all cores.
const MAX_RUNNING: usize = 2;
/// Results that are kept.
const MAX_KEPT: usize = 500;
/// Pages are told at most so often how far a verification is.
const TELL_INTERVAL: Millis = Millis(250);
/// Between two questions to a dump service that verifies.
const ASK_INTERVAL: Duration = Duration::from_millis(500);
/// So many questions in a row may go without an answer before the follower gives up.
const MAX_UNANSWERED: u32 = 20;

/// The newest verification of each image, and who is told of changes.
#[derive(Clone)]
pub struct Verifications {
    known: Arc<Mutex<Known>>,
    changed: broadcast::Sender<Event>,
}

#[derive(Default)]
struct Known(HashMap<DumpId, Verification>);

impl Images {
    /// Begins to verify the image of a dump, unless that goes on already. The present state of it.
    ///
    /// # Errors
    /// There is no such image, it is being deleted, or others are being verified.
    pub async fn verify(&self, dump_id: &str) -> Result<Verification, Problem> {
        match self.locate(dump_id).await? {
            Place::There(service, id) => {
                let body = serde_json::json!({});
                let begun = ask(service, Method::POST, &id, Some(&body)).await?;
                self.verifications.note_there(service, &begun);
                Ok(begun)
            }
            Place::Here(image) => self.verify_here(*image),
        }
    }

    /// How far the newest verification of a dump's image is, or what it found.
    ///
    /// # Errors
    /// There is no such image.
    pub async fn verification(&self, dump_id: &str) -> Result<Verification, Problem> {
        match self.locate(dump_id).await? {
            Place::There(service, id) => {
                let present = ask(service, Method::GET, &id, None).await?;
                self.verifications.note_there(service, &present);
                Ok(present)
            }
            Place::Here(image) => Ok(self.verifications.known.lock().of(&image.dump_id)),
        }
    }

    /// The newest verification of every image of which one is known here, without the whole reports.
    #[must_use]
    pub fn verifications(&self) -> Vec<Verification> {
        self.verifications.known.lock().0.values().map(Verification::in_short).collect()
    }

    fn verify_here(&self, image: StoredImage) -> Result<Verification, Problem> {
        let mut known = self.verifications.known.lock();
        if known.of(&image.dump_id).state == VerificationState::Running {
            return Ok(known.of(&image.dump_id));
        }
        if known.running() >= MAX_RUNNING {
            let detail =
                format!("{MAX_RUNNING} images are being verified, which is the limit; try again later");
            return Err(Problem::new(ProblemKind::Unavailable, detail));
        }
        let Some(in_use) = self.uses.verify(&image.dump_id)? else {
            return Ok(known.of(&image.dump_id));
        };
        let begun = Verification {
            state: VerificationState::Running,
            started_at: Some(self.clock.now()),
            ..Verification::none(image.dump_id.clone())
        };
        let job = Job {
            verifications: self.verifications.clone(),
            clock: Arc::clone(&self.clock),
            begun: begun.clone(),
            image,
        };
        known.put(begun.clone());
        drop(known);
        self.verifications.tell(&begun);
        let started =
            std::thread::Builder::new().name("image-verify".to_owned()).spawn(move || job.run(in_use));
        if let Err(error) = started {
            self.verifications.forget(&begun.dump_id);
            return Err(internal(&error));
        }
        Ok(begun)
    }
}

/// What the service that has the image says of its verification.
async fn ask(
    service: &ServiceClient,
    method: Method,
    dump_id: &DumpId,
    body: Option<&serde_json::Value>,
) -> Result<Verification, Problem> {
    let answer = service.image_call(method, dump_id, Some("verify"), body).await?;
    serde_json::from_value(answer).map_err(|error| internal(&error))
}

/// One verification.
struct Job {
    verifications: Verifications,
    clock: Arc<dyn Clock>,
    begun: Verification,
    image: StoredImage,
}

impl Job {
    fn run(&self, in_use: InUse) {
        let mut told_at = self.clock.now();
        let result = memdeck_image::verify(&self.image.path, &mut |progress| {
            let now = Verification {
                bytes_done: progress.bytes_done,
                bytes_expected: progress.bytes_expected,
                ..self.begun.clone()
            };
            self.verifications.known.lock().put(now.clone());
            if self.clock.now().since(told_at) >= TELL_INTERVAL {
                told_at = self.clock.now();
                self.verifications.tell(&now);
            }
        });
        let result = result.map(|mut report| {
            memdeck_image::compare_with_record(&mut report, &self.image.record);
            report
        });
        let ended = self.ended(result, self.clock.now());
        tracing::info!(
            dump_id = %self.image.dump_id,
            vm = %self.image.record.dom,
            verdict = ended.verdict.as_deref().unwrap_or("none"),
            findings = ended.findings.len(),
            "image verified"
        );
        let mut known = self.verifications.known.lock();
        known.put(ended.clone());
        // Before anybody can see the end: what is told to be finished can be deleted.
        drop(in_use);
        drop(known);
        self.verifications.tell(&ended);
    }

    fn ended(&self, result: Result<VerifyReport, ReadError>, at: Timestamp) -> Verification {
        let ended = Verification { finished_at: Some(at), ..self.begun.clone() };
        match result {
            Ok(report) => {
                let size = report.raw_size.unwrap_or_default();
                Verification {
                    state: VerificationState::Finished,
                    bytes_done: size,
                    bytes_expected: size,
                    verdict: Some(report.verdict.to_string()),
                    findings: report.findings.iter().map(ToString::to_string).collect(),
                    report: serde_json::to_value(&report).ok(),
                    ..ended
                }
            }
            Err(error) => Verification {
                state: VerificationState::Failed,
                error: Some(unreadable(&self.image, &error).detail.to_string()),
                ..ended
            },
        }
    }
}

impl Verifications {
    /// Knows none yet; tells `changed` of every change.
    pub(super) fn new(changed: broadcast::Sender<Event>) -> Self {
        Self { known: Arc::default(), changed }
    }

    fn tell(&self, verification: &Verification) {
        // Nobody may listen.
        let _ = self.changed.send(Event::Verification(Box::new(verification.in_short())));
    }

    /// Nothing is told of an image that is gone.
    pub(super) fn forget(&self, dump_id: &DumpId) {
        self.known.lock().0.remove(dump_id);
    }

    /// Takes over what a dump service says; one that goes on is followed to its end.
    fn note_there(&self, service: &ServiceClient, present: &Verification) {
        let was_running = {
            let mut known = self.known.lock();
            let before = known.of(&present.dump_id);
            if before == *present {
                return;
            }
            known.put(present.clone());
            before.state == VerificationState::Running
        };
        self.tell(present);
        if present.state == VerificationState::Running && !was_running {
            tokio::spawn(self.clone().follow(service.clone(), present.clone()));
        }
    }

    /// Asks until it has ended, or until the service has not answered for a while.
    async fn follow(self, service: ServiceClient, begun: Verification) {
        let mut unanswered = 0;
        loop {
            tokio::time::sleep(ASK_INTERVAL).await;
            match ask(&service, Method::GET, &begun.dump_id, None).await {
                Ok(present) => {
                    unanswered = 0;
                    self.note_there(&service, &present);
                    if present.state != VerificationState::Running {
                        return;
                    }
                }
                Err(problem) => {
                    unanswered += 1;
                    if unanswered >= MAX_UNANSWERED || problem.kind != ProblemKind::Unavailable {
                        let error = format!("how the verification ended is not known: {}", problem.detail);
                        let ended =
                            Verification { state: VerificationState::Failed, error: Some(error), ..begun };
                        self.note_there(&service, &ended);
                        return;
                    }
                }
            }
        }
    }
}

impl Known {
    fn of(&self, dump_id: &DumpId) -> Verification {
        self.0.get(dump_id).cloned().unwrap_or_else(|| Verification::none(dump_id.clone()))
    }

    fn running(&self) -> usize {
        self.0.values().filter(|known| known.state == VerificationState::Running).count()
    }

    fn put(&mut self, verification: Verification) {
        self.0.insert(verification.dump_id.clone(), verification);
        while self.0.len() > MAX_KEPT {
            let ended = self.0.values().filter(|known| known.state != VerificationState::Running);
            let oldest = ended.min_by_key(|known| known.finished_at).map(|known| known.dump_id.clone());
            let Some(oldest) = oldest else { break };
            self.0.remove(&oldest);
        }
    }
}
