//! Verifies images, and publishes progress and end.

use std::ops::ControlFlow;
use std::sync::Arc;

use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_image::{ReadError, VerifyReport};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult, NewEntry};
use memdeck_model::{
    Actor, DumpId, Message, Millis, Problem, ProblemKind, Progress, Timestamp, Verdict, Verification,
    VerificationState,
};
use memdeck_operations::{Verifications, blocking, catalog_problem};
use memdeck_signing::{Authorities, KeyFiles};

use super::uses::InUse;
use super::{StoredImage, StoredImages, internal, unreadable};

/// Verifications at the same time: each reads, unpacks and hashes on all cores.
const MAX_RUNNING: usize = 2;
/// The shortest time between two events about the progress of a verification.
const TELL_INTERVAL: Millis = Millis(250);

impl StoredImages {
    pub(super) fn begin_verification(&self, image: StoredImage, by: &Actor) -> Result<Verification, Problem> {
        // One that goes on in the background is waited for from now on.
        self.background.hurry(&image.dump_id);
        let (begun, job) = self.begin(image, by, |running| {
            if running < MAX_RUNNING {
                return Ok(());
            }
            let detail =
                format!("{MAX_RUNNING} images are being verified, which is the limit; try again later");
            Err(Problem::new(ProblemKind::Unavailable, detail))
        })?;
        let Some((job, in_use)) = job else { return Ok(begun) };
        let started = std::thread::Builder::new().name("image-verify".to_owned()).spawn(move || {
            job.run(in_use, &mut |_| ControlFlow::Continue(()));
        });
        if let Err(error) = started {
            self.verifications.forget(&begun.dump_id);
            return Err(internal(&error));
        }
        Ok(begun)
    }

    /// Begins one if `may` allows it beside so many that somebody asked for; how it stands, and what is to be done, if
    /// that is new.
    pub(super) fn begin(
        &self,
        image: StoredImage,
        by: &Actor,
        may: impl FnOnce(usize) -> Result<(), Problem>,
    ) -> Result<(Verification, Option<(Job, InUse)>), Problem> {
        let mut new = None;
        let begun = self.verifications.begin::<Problem>(&image.dump_id, |before, running| {
            if before.state == VerificationState::Running {
                return Ok(None);
            }
            may(running)?;
            let Some(in_use) = self.uses.verify(&image.dump_id)? else { return Ok(None) };
            new = Some((before.clone(), in_use));
            Ok(Some(Verification {
                state: VerificationState::Running,
                started_at: Some(self.clock.now()),
                requested_by: Some(by.clone()),
                ..Verification::none(image.dump_id.clone())
            }))
        })?;
        let Some((before, in_use)) = new else { return Ok((begun, None)) };
        tracing::info!(dump_id = %image.dump_id, vm = %image.record.dom, %by, "verification begins");
        let job = Job {
            catalog: Arc::clone(&self.catalog),
            verifications: self.verifications.clone(),
            clock: Arc::clone(&self.clock),
            keys: self.keys.clone(),
            authorities: Arc::clone(&self.authorities),
            before,
            begun: begun.clone(),
            image,
        };
        Ok((begun, Some((job, in_use))))
    }

    /// How the newest verification of an image stands: since memdeck was started, or else as the catalog keeps it.
    pub(super) async fn newest_verification(&self, dump_id: DumpId) -> Result<Verification, Problem> {
        let present = self.verifications.of(&dump_id);
        if present.state != VerificationState::None {
            return Ok(present);
        }
        let catalog = Arc::clone(&self.catalog);
        let kept = blocking(move || catalog.verification_of(&dump_id)).await;
        Ok(kept.map_err(|error| catalog_problem(&error))?.unwrap_or(present))
    }
}

/// One verification.
pub(super) struct Job {
    catalog: Arc<Catalog>,
    verifications: Verifications,
    clock: Arc<dyn Clock>,
    keys: Option<KeyFiles>,
    authorities: Arc<Authorities>,
    before: Verification,
    begun: Verification,
    image: StoredImage,
}

impl Job {
    /// Verifies the image as fast as `pace` returns. If that breaks, it is as if it had not begun: false.
    pub(super) fn run(&self, in_use: InUse, pace: &mut dyn FnMut(&Progress) -> ControlFlow<()>) -> bool {
        let mut told_at = self.clock.now();
        let result = memdeck_image::verify_while(&self.image.path, &mut |progress| {
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
            pace(&progress)
        });
        if matches!(result, Err(ReadError::Stopped)) {
            tracing::info!(dump_id = %self.image.dump_id, vm = %self.image.record.dom, "verification stopped");
            self.verifications.take_back(&self.before, || drop(in_use));
            return false;
        }
        let result = result.map(|mut report| {
            memdeck_image::compare_with_record(&mut report, &self.image.record);
            self.check_signature(&mut report);
            memdeck_image::check_time_stamp(&mut report, &self.authorities);
            report
        });
        let ended = self.ended(result, self.clock.now());
        self.log(&ended);
        self.keep(&ended);
        // After the event about its end, the image can be deleted.
        self.verifications.end(&ended, || drop(in_use));
        true
    }

    fn log(&self, ended: &Verification) {
        let (dump_id, vm) = (&self.image.dump_id, &self.image.record.dom);
        let (verdict, findings) = (ended.verdict.map_or("none", Verdict::as_str), ended.findings.len());
        if ended.is_bad() {
            tracing::error!(%dump_id, %vm, verdict, findings, "image verified, and it is not as it was");
        } else {
            tracing::info!(%dump_id, %vm, verdict, findings, "image verified");
        }
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

    /// In the catalog, with its entry of the audit.
    fn keep(&self, ended: &Verification) {
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
        if let Err(error) = self.catalog.keep_verification(ended, &entry) {
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
