//! Verifies images in the background, and tells open pages how far it is.

use std::sync::Arc;

use memdeck_clock::Clock;
use memdeck_image::{ReadError, VerifyReport};
use memdeck_model::{Actor, Millis, Problem, ProblemKind, Timestamp, Verification, VerificationState};
use memdeck_operations::Verifications;

use super::uses::InUse;
use super::{StoredImage, StoredImages, internal, unreadable};

/// Verifications at the same time: each reads, unpacks and hashes on all cores.
const MAX_RUNNING: usize = 2;
/// Pages are told at most so often how far a verification is.
const TELL_INTERVAL: Millis = Millis(250);

impl StoredImages {
    pub(super) fn begin_verification(&self, image: StoredImage, by: &Actor) -> Result<Verification, Problem> {
        let mut in_use = None;
        let begun = self.verifications.begin(&image.dump_id, |before, running| {
            if before.state == VerificationState::Running {
                return Ok(None);
            }
            if running >= MAX_RUNNING {
                let detail =
                    format!("{MAX_RUNNING} images are being verified, which is the limit; try again later");
                return Err(Problem::new(ProblemKind::Unavailable, detail));
            }
            in_use = self.uses.verify(&image.dump_id)?;
            Ok(in_use.is_some().then(|| Verification {
                state: VerificationState::Running,
                started_at: Some(self.clock.now()),
                requested_by: Some(by.clone()),
                ..Verification::none(image.dump_id.clone())
            }))
        })?;
        let Some(in_use) = in_use else { return Ok(begun) };
        tracing::info!(dump_id = %image.dump_id, vm = %image.record.dom, %by, "verification begins");
        let job = Job {
            verifications: self.verifications.clone(),
            clock: Arc::clone(&self.clock),
            begun: begun.clone(),
            image,
        };
        let started =
            std::thread::Builder::new().name("image-verify".to_owned()).spawn(move || job.run(in_use));
        if let Err(error) = started {
            self.verifications.forget(&begun.dump_id);
            return Err(internal(&error));
        }
        Ok(begun)
    }
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
            self.verifications.note(now.clone());
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
        // What is told to be finished can be deleted.
        self.verifications.end(&ended, || drop(in_use));
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
