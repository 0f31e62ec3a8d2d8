//! What notifications work with.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Courier, NoticeLimits, NoticePace, Notices, RaisedNotices};

/// What notifications work with.
pub struct NotifyParts {
    /// Where whatever happens is raised.
    pub notices: Arc<Notices>,
    /// What is raised there.
    pub raised: RaisedNotices,
    /// Carries messages to targets.
    pub courier: Arc<dyn Courier>,
    pub limits: NoticeLimits,
    pub pace: NoticePace,
}

/// What the use cases keep of them.
pub(crate) struct Notify {
    pub(crate) notices: Arc<Notices>,
    pub(crate) raised: Mutex<Option<RaisedNotices>>,
    pub(crate) courier: Arc<dyn Courier>,
    pub(crate) limits: NoticeLimits,
    pub(crate) pace: NoticePace,
}

impl From<NotifyParts> for Notify {
    fn from(parts: NotifyParts) -> Self {
        let NotifyParts { notices, raised, courier, limits, pace } = parts;
        Self { notices, raised: Mutex::new(Some(raised)), courier, limits, pace }
    }
}
