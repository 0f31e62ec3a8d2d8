//! Where the request came from that a task answers, what was noted of it in the audit, and what an agent noted that was called
//! for it, and what the caller lacked. It stands beside the request's name, and for the same reason: everything that is asked for
//! would have to pass it on.

use std::sync::Arc;

use memdeck_model::Permission;
use memdeck_model::audit::AuditHead;
use parking_lot::Mutex;
use tokio::task_local;

task_local! {
    static ASKED: Asked;
    static AGENT: Arc<Mutex<Option<AuditHead>>>;
}

/// A request that is being answered.
#[derive(Clone, Default)]
pub struct Asked {
    /// Where it came from.
    pub address: Option<String>,
    /// The last entry that was made of it.
    pub noted: Arc<Mutex<Option<AuditHead>>>,
    /// What the caller was refused for want of.
    lacked: Arc<Mutex<Option<Permission>>>,
}

/// Answers a request that came from `address`: entries that are made of it have that.
pub async fn asked_from<T>(address: Option<String>, answer: impl Future<Output = T>) -> T {
    ASKED.scope(Asked { address, ..Asked::default() }, answer).await
}

/// The request that this task answers; `None` for work that nobody asked for just now.
pub fn present() -> Option<Asked> {
    ASKED.try_with(Clone::clone).ok()
}

/// The last entry that was made of the request that this task answers.
#[must_use]
pub fn noted() -> Option<AuditHead> {
    present().and_then(|asked| asked.noted.lock().clone())
}

/// A use case refuses what this task was asked for, for want of `permission`.
pub fn refused_for(permission: Permission) {
    if let Some(asked) = present() {
        *asked.lacked.lock() = Some(permission);
    }
}

/// For want of what a use case refused what this task was asked for, if one did.
#[must_use]
pub fn lacked() -> Option<Permission> {
    present().and_then(|asked| *asked.lacked.lock())
}

/// Does something for which an agent may be called, and returns the end of the agent's audit as it said it in its answer.
pub async fn with_agent<T>(effect: impl Future<Output = T>) -> (T, Option<AuditHead>) {
    let heard = Arc::default();
    let done = AGENT.scope(Arc::clone(&heard), effect).await;
    let heard = heard.lock().take();
    (done, heard)
}

/// An agent that this task called said that its audit ends so.
pub fn agent_noted(head: AuditHead) {
    // Nobody may want to know.
    let _ = AGENT.try_with(|heard| *heard.lock() = Some(head));
}
