//! Wrong tokens in the audit. As many are noted one by one as the log has room for; of the others the next one that is noted
//! says how many there were, so that guessing fills no disk and is not forgotten either.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::{Actor, Message, Rights};
use memdeck_operations::audit::{Audit, Deed};
use memdeck_operations::{Caller, asked_from};
use tokio::runtime::Handle;

use super::Verdict;

/// Where they are noted, if anywhere.
#[derive(Default)]
pub struct Failures {
    audit: Option<Audit>,
    /// Since the last one that was noted.
    passed_over: AtomicU64,
}

impl Failures {
    pub fn noted_in(audit: Audit) -> Self {
        Self { audit: Some(audit), ..Self::default() }
    }

    pub fn audit(&self) -> Option<&Audit> {
        self.audit.as_ref()
    }

    /// Notes `verdict`, if it is one that is to be noted. Nothing waits for it: nothing was changed.
    pub fn note(&self, verdict: Verdict, address: IpAddr, action: AuditAction) {
        self.note_of(AuditObject::Service, verdict, address, action);
    }

    /// The same of what is known to be tried.
    pub fn note_of(&self, object: AuditObject, verdict: Verdict, address: IpAddr, action: AuditAction) {
        self.note_why(object, None, verdict, address, action);
    }

    /// The same, and why, in words without a secret.
    pub fn note_why(
        &self,
        object: AuditObject,
        reason: Option<Message>,
        verdict: Verdict,
        address: IpAddr,
        action: AuditAction,
    ) {
        match verdict {
            Verdict::Right => return,
            Verdict::Wrong { logged: true, .. } => {}
            Verdict::Wrong { logged: false, .. } | Verdict::Blocked { .. } => {
                self.passed_over.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        let (Some(audit), Ok(runtime)) = (self.audit.clone(), Handle::try_current()) else { return };
        let count = self.passed_over.swap(0, Ordering::Relaxed).saturating_add(1);
        let details = AuditDetails { reason, count: Some(count), ..AuditDetails::default() };
        let deed = Deed::new(action, object).with(details);
        runtime.spawn(async move {
            let caller = Caller { rights: Rights::NONE, ..Caller::trusted(Actor::Unknown) };
            asked_from(Some(address.to_string()), audit.note_done(&caller, deed, AuditResult::Refused)).await;
        });
    }
}
