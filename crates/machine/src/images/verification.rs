//! Verifies images in the background and publishes its progress.

use std::sync::Arc;

use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_image::{ReadError, VerifyReport};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult, NewEntry};
use memdeck_model::{
    Actor, Message, Millis, Problem, ProblemKind, Timestamp, Verdict, Verification, VerificationState,
};
use memdeck_operations::{Verifications, catalog_problem};
use memdeck_signing::KeyFiles;

use super::uses::InUse;
use super::{StoredImage, StoredImages, internal, unreadable};

/// Verifications at the same time: each reads, unpacks and hashes on all cores.
const MAX_RUNNING: usize = 2;
/// The shortest time between two events about the progress of a verification.
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
            catalog: Arc::clone(&self.catalog),
            verifications: self.verifications.clone(),
            clock: Arc::clone(&self.clock),
            keys: self.keys.clone(),
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
    catalog: Arc<Catalog>,
    verifications: Verifications,
    clock: Arc<dyn Clock>,
    keys: Option<KeyFiles>,
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
            self.check_signature(&mut report);
            report
        });
        let ended = self.ended(result, self.clock.now());
        tracing::info!(
            dump_id = %self.image.dump_id,
            vm = %self.image.record.dom,
            verdict = ended.verdict.map_or("none", Verdict::as_str),
            findings = ended.findings.len(),
            "image verified"
        );
        self.note(&ended);
        // After the event about its end, the image can be deleted.
        self.verifications.end(&ended, || drop(in_use));
    }

    fn check_signature(&self, report: &mut VerifyReport) {
        let Some(keys) = &self.keys else { return };
        match keys.known() {
            Ok(known) => memdeck_image::check_signature(report, &known),
            Err(error) => tracing::error!(
                dump_id = %self.image.dump_id,
                error = &error as &dyn std::error::Error,
                "a signature is not checked: the keys that are believed cannot be read"
            ),
        }
    }

    fn note(&self, ended: &Verification) {
        let object = AuditObject::Dump {
            dump_id: self.image.dump_id.clone(),
            guest: Some(self.image.record.dom.0.clone()),
            uuid: None,
            host: self.image.record.host.clone(),
        };
        let details = AuditDetails {
            verdict: ended.verdict,
            reason: ended.error.clone().or_else(|| ended.findings.first().cloned()),
            bytes: Some(ended.bytes_done),
            ..AuditDetails::default()
        };
        let by = ended.requested_by.clone().unwrap_or(Actor::Unknown);
        let entry = NewEntry::new(self.clock.now(), by, AuditAction::ImageVerified, object).with(details);
        let is_known = ended.state == VerificationState::Finished;
        let entry = entry.with_result(if is_known { AuditResult::Succeeded } else { AuditResult::Failed });
        if let Err(error) = self.catalog.note(&entry) {
            catalog_problem(&error);
        }
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
                    verdict: Some(report.verdict),
                    findings: report.findings.iter().map(Message::new).collect(),
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
