//! Retention: which images go by the rules, and holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::notice::Happening;
use memdeck_model::retention::{
    Fate, FreeSpace, Hold, HoldList, HoldOf, ImageFate, KeptImage, NewHold, Policy, RetentionReport, decide,
};
use memdeck_model::{
    Actor, ByteCount, DeleteRequest, DumpId, Message, Millis, Permission, Problem, ProblemKind, Remark,
    Timestamp, Verdict, Verification, VerificationState,
};
use tokio::time::MissedTickBehavior;

use crate::audit::Deed;
use crate::{Caller, Operations, blocking, catalog_problem};

/// The setting that keeps the policy.
const POLICY: &str = "retention policy";

/// How often it is looked whether there is a new image.
const LOOK: Duration = Duration::from_secs(20);

/// Images get older without anything happening.
const AT_LEAST: Millis = Millis(24 * 60 * 60_000);

impl Operations {
    /// The rules; none at first.
    ///
    /// # Errors
    /// The catalog failed, or a newer version wrote the rules.
    pub async fn retention_policy(&self) -> Result<Policy, Problem> {
        let catalog = Arc::clone(&self.catalog);
        let kept =
            blocking(move || catalog.setting(POLICY)).await.map_err(|error| catalog_problem(&error))?;
        let Some(kept) = kept else { return Ok(Policy::default()) };
        serde_json::from_str(&kept).map_err(|error| {
            Problem::new(ProblemKind::Internal, format!("the rules of retention cannot be read: {error}"))
        })
    }

    /// Puts other rules in the place of those that are kept. They are applied within a minute.
    ///
    /// # Errors
    /// A rule says nothing, or the catalog failed.
    pub async fn set_retention_policy(
        &self,
        policy: Policy,
        caller: &Caller,
    ) -> Result<RetentionReport, Problem> {
        caller.must(Permission::Configure)?;
        let object = AuditObject::Policy { name: "all".to_owned() };
        let deed = Deed::new(AuditAction::PolicyChanged, object);
        let value = Some(said(&policy));
        let deed = deed.with(AuditDetails { value, ..AuditDetails::default() });
        if let Err(error) = policy.check() {
            let problem = Problem::new(ProblemKind::Invalid, error.to_string());
            let deed = deed.with(AuditDetails::because(&problem.detail));
            self.audit.note_done(caller, deed, AuditResult::Refused).await;
            return Err(problem);
        }
        let json = serde_json::to_string(&policy).unwrap_or_default();
        self.audit.store_setting(caller, (POLICY, json), deed, AuditResult::Succeeded).await?;
        tracing::info!(
            by = caller.actor.to_json(),
            rules = policy.rules.len(),
            "the rules of retention were changed"
        );
        self.preview_retention(policy).await
    }

    /// What a policy would do now, image by image.
    ///
    /// # Errors
    /// A rule says nothing, or the catalog failed.
    pub async fn preview_retention(&self, policy: Policy) -> Result<RetentionReport, Problem> {
        policy.check().map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
        let now = self.clock.now();
        let images = self.images_to_decide().await?;
        let free = self.free_space(&images).await;
        let decided = policy.clone();
        let images = blocking(move || decide(&decided, &images, now, &free)).await;
        Ok(report(policy, images, now))
    }

    /// Removes what goes by the rules that are kept; what was removed. An image that is in use, or whose host does not answer,
    /// is tried again with the next look.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn apply_retention(&self, caller: &Caller) -> Result<RetentionReport, Problem> {
        let policy = self.retention_policy().await?;
        if policy.rules.is_empty() {
            return Ok(report(policy, Vec::new(), self.clock.now()));
        }
        let mut preview = self.preview_retention(policy).await?;
        let mut removed = Vec::new();
        for image in preview.images.drain(..) {
            let Fate::Gone { why } = &image.fate else { continue };
            // What was decided may be old by now: a hold is looked for once more by the deletion itself.
            let request = DeleteRequest::confirmed(&image.guest.0);
            match self.images.delete(image.dump_id.as_str(), request, caller).await {
                Ok(_) => {
                    tracing::info!(dump_id = %image.dump_id, vm = %image.guest, size_bytes = image.bytes.0, %why, "an image was removed by retention");
                    removed.push(image);
                }
                Err(problem) => {
                    tracing::warn!(dump_id = %image.dump_id, vm = %image.guest, "retention could not remove an image: {problem}");
                }
            }
        }
        Ok(report(preview.policy, removed, preview.timestamp))
    }

    /// Applies the rules after dumps and once a day. Runs until its task is ended.
    pub async fn keep_retention(&self) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut seen, mut applied): (Option<(u64, i64)>, Option<Timestamp>) = (None, None);
        // The first tick comes at once: what runs is started first.
        looks.tick().await;
        loop {
            looks.tick().await;
            let now = self.clock.now();
            let catalog = Arc::clone(&self.catalog);
            let changes = blocking(move || catalog.changes()).await.ok();
            let is_old = applied.is_none_or(|applied| now.since(applied) >= AT_LEAST);
            if changes == seen && !is_old {
                continue;
            }
            match self.apply_retention(&Caller::trusted(Actor::Service)).await {
                Ok(_) => (seen, applied) = (changes, Some(now)),
                Err(problem) => tracing::error!("the rules of retention were not applied: {problem}"),
            }
        }
    }

    /// Holds a case or a dump: nobody deletes its images until the hold is lifted.
    ///
    /// # Errors
    /// There is no such dump, or the catalog failed.
    pub async fn add_hold(&self, new: NewHold, caller: &Caller) -> Result<Hold, Problem> {
        caller.must(Permission::Delete)?;
        let details = AuditDetails { reason: Some(new.reason.as_str().into()), ..AuditDetails::default() };
        let deed = Deed::new(AuditAction::HoldPlaced, held(&new.of)).with(details);
        self.audit.around(caller, deed, self.place_hold(new, caller)).await
    }

    async fn place_hold(&self, new: NewHold, caller: &Caller) -> Result<Hold, Problem> {
        if let HoldOf::Dump(dump_id) = &new.of {
            let record = self.images.record(dump_id.as_str(), caller).await?;
            if let Some(at) = record.deleted_at {
                let detail = format!("the image of dump {dump_id} was deleted at {at}");
                return Err(Problem::new(ProblemKind::Gone, detail));
            }
        }
        let (catalog, by, now) = (Arc::clone(&self.catalog), caller.actor.clone(), self.clock.now());
        let hold = blocking(move || catalog.add_hold(&new, &by, now)).await;
        let hold = hold.map_err(|error| catalog_problem(&error))?;
        tracing::info!(by = caller.actor.to_json(), of = %hold.of, "a legal hold was set");
        Ok(hold)
    }

    /// Lifts a hold; the reason stays with it.
    ///
    /// # Errors
    /// There is no such hold, it was lifted already, or the catalog failed.
    pub async fn lift_hold(&self, id: u32, reason: Remark, caller: &Caller) -> Result<Hold, Problem> {
        caller.must(Permission::Delete)?;
        let known = self.list_holds(caller).await?.holds.into_iter().find(|hold| hold.id == id);
        let object = known.map_or(AuditObject::Case { name: format!("hold {id}") }, |hold| held(&hold.of));
        let deed = Deed::new(AuditAction::HoldLifted, object);
        let deed =
            deed.with(AuditDetails { reason: Some(reason.as_str().into()), ..AuditDetails::default() });
        self.audit.around(caller, deed, self.lift_known_hold(id, reason, caller)).await
    }

    async fn lift_known_hold(&self, id: u32, reason: Remark, caller: &Caller) -> Result<Hold, Problem> {
        let (catalog, by, now) = (Arc::clone(&self.catalog), caller.actor.clone(), self.clock.now());
        let lifted = blocking(move || catalog.lift_hold(id, &reason, &by, now)).await;
        let lifted = lifted.map_err(|error| catalog_problem(&error))?;
        let hold = lifted
            .ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("there is no hold {id} to lift")))?;
        tracing::warn!(by = caller.actor.to_json(), of = %hold.of, "a legal hold was lifted");
        self.notices().raise(
            None,
            Happening::LegalHoldLifted {
                held: hold.of.to_string(),
                by: caller.actor.clone(),
                reason: hold.lift_reason.as_ref().map(ToString::to_string).unwrap_or_default(),
            },
        );
        Ok(hold)
    }

    /// Every hold that the caller may see, those that were lifted included: of who does not see all guests, those that keep an image
    /// of theirs.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn list_holds(&self, caller: &Caller) -> Result<HoldList, Problem> {
        let (catalog, reach) = (Arc::clone(&self.catalog), caller.reach.clone());
        let holds = blocking(move || catalog.holds(&reach)).await.map_err(|error| catalog_problem(&error))?;
        Ok(HoldList { count: holds.len(), holds })
    }

    /// The images, with what their newest verifications found.
    async fn images_to_decide(&self) -> Result<Vec<KeptImage>, Problem> {
        let catalog = Arc::clone(&self.catalog);
        let images = blocking(move || catalog.images_to_decide()).await;
        let mut images = images.map_err(|error| catalog_problem(&error))?;
        let verified = self.images.verifications().into_iter().map(|known| (known.dump_id.clone(), known));
        let verified: HashMap<DumpId, Verification> = verified.collect();
        for image in &mut images {
            let Some(known) = verified.get(&image.dump_id) else { continue };
            image.is_sound = match (known.state, &known.verdict) {
                (VerificationState::Finished, Some(Verdict::Intact)) => Some(true),
                (VerificationState::Finished, Some(Verdict::Damaged)) => Some(false),
                // What was found before still is, until it is found otherwise.
                (VerificationState::Running, _) => image.is_sound,
                // A sample is no proof, and what nothing confirms is not sound.
                _ => None,
            };
            image.is_in_use |= known.state == VerificationState::Running;
        }
        Ok(images)
    }

    /// What is free, by the names that records have for hosts.
    async fn free_space(&self, images: &[KeptImage]) -> FreeSpace {
        let mut space = FreeSpace::new();
        let members: Vec<_> = self.hosts.members().collect();
        for member in &members {
            let Some(free) = member.host().facts().await.free_bytes else { continue };
            // A single host may not have told its name yet: then all images are its own.
            let names: Vec<Option<String>> = match member.host().name() {
                Some(name) => vec![Some(name)],
                None if members.len() == 1 => images.iter().map(|image| image.host.clone()).collect(),
                None => Vec::new(),
            };
            space.extend(names.into_iter().map(|name| (name, free)));
        }
        space
    }
}

/// What a hold is on, for the audit.
fn held(of: &HoldOf) -> AuditObject {
    match of {
        HoldOf::Case(case) => AuditObject::Case { name: case.as_str().to_owned() },
        HoldOf::Dump(dump_id) => AuditObject::dump(dump_id.clone()),
    }
}

/// What the rules are, for the audit: the words in which they are kept.
fn said(policy: &Policy) -> String {
    let json = serde_json::to_string(policy).unwrap_or_default();
    Message::new(json).bounded(2_000).to_string()
}

fn report(policy: Policy, images: Vec<ImageFate>, timestamp: Timestamp) -> RetentionReport {
    let going = || images.iter().filter(|image| matches!(image.fate, Fate::Gone { .. }));
    let gone = u32::try_from(going().count()).unwrap_or(u32::MAX);
    let gone_bytes = ByteCount(going().map(|image| image.bytes.0).sum());
    RetentionReport { policy, gone, gone_bytes, images, timestamp }
}
