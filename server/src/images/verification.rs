//! Verifies images in the background. Results are kept in memory only: a later verification may find otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use memdeck_capture::Clock;
use memdeck_image::{ReadError, VerifyReport};
use memdeck_model::{DumpId, Problem, ProblemKind, Timestamp, Verification, VerificationState};
use parking_lot::Mutex;

use super::uses::InUse;
use super::{Images, Place, StoredImage, internal, unreadable};

/// Verifications at the same time: each reads, unpacks and hashes on all cores.
const MAX_RUNNING: usize = 2;
/// Results that are kept.
const MAX_KEPT: usize = 500;

/// The newest verification of each image.
#[derive(Default)]
pub struct Verifications(HashMap<DumpId, Verification>);

impl Images {
    /// Begins to verify the image of a dump, unless that goes on already. The present state of it.
    ///
    /// # Errors
    /// There is no such image, it is being deleted, or others are being verified.
    pub async fn verify(&self, dump_id: &str) -> Result<Verification, Problem> {
        match self.locate(dump_id).await? {
            Place::There(service, id) => {
                let body = serde_json::json!({});
                let answer =
                    service.image_call(reqwest::Method::POST, &id, Some("verify"), Some(&body)).await?;
                serde_json::from_value(answer).map_err(|error| internal(&error))
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
                let answer = service.image_call(reqwest::Method::GET, &id, Some("verify"), None).await?;
                serde_json::from_value(answer).map_err(|error| internal(&error))
            }
            Place::Here(image) => Ok(self.verifications.lock().of(&image.dump_id)),
        }
    }

    fn verify_here(&self, image: StoredImage) -> Result<Verification, Problem> {
        let mut verifications = self.verifications.lock();
        if verifications.of(&image.dump_id).state == VerificationState::Running {
            return Ok(verifications.of(&image.dump_id));
        }
        if verifications.running() >= MAX_RUNNING {
            let detail =
                format!("{MAX_RUNNING} images are being verified, which is the limit; try again later");
            return Err(Problem::new(ProblemKind::Unavailable, detail));
        }
        let Some(in_use) = self.uses.verify(&image.dump_id)? else {
            return Ok(verifications.of(&image.dump_id));
        };
        let begun = Verification {
            state: VerificationState::Running,
            started_at: Some(self.clock.now()),
            ..Verification::none(image.dump_id.clone())
        };
        let job = Job {
            verifications: Arc::clone(&self.verifications),
            clock: Arc::clone(&self.clock),
            begun: begun.clone(),
            image,
        };
        std::thread::Builder::new()
            .name("image-verify".to_owned())
            .spawn(move || job.run(in_use))
            .map_err(|error| internal(&error))?;
        verifications.put(begun.clone());
        Ok(begun)
    }
}

/// One verification.
struct Job {
    verifications: Arc<Mutex<Verifications>>,
    clock: Arc<dyn Clock>,
    begun: Verification,
    image: StoredImage,
}

impl Job {
    fn run(&self, in_use: InUse) {
        let result = memdeck_image::verify(&self.image.path, &mut |progress| {
            let mut verifications = self.verifications.lock();
            let mut now = verifications.of(&self.image.dump_id);
            (now.bytes_done, now.bytes_expected) = (progress.bytes_done, progress.bytes_expected);
            verifications.put(now);
        });
        let ended = self.ended(result, self.clock.now());
        tracing::info!(
            dump_id = %self.image.dump_id,
            vm = %self.image.record.dom,
            verdict = ended.verdict.as_deref().unwrap_or("none"),
            findings = ended.findings.len(),
            "image verified"
        );
        let mut verifications = self.verifications.lock();
        verifications.put(ended);
        // Before anybody can see the end: what is told to be finished can be deleted.
        drop(in_use);
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
                error: Some(unreadable(&self.image, &error).detail),
                ..ended
            },
        }
    }
}

impl Verifications {
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
