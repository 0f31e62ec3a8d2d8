//! A browser's session in the hands of whoever answers it.

use std::fmt;
use std::sync::Arc;

use memdeck_catalog::{SecretDigest, SessionOf};
use tokio::sync::watch;

use super::Sessions;

/// A session that was open a moment ago.
#[derive(Clone)]
pub struct OpenSession {
    sessions: Arc<Sessions>,
    key: SecretDigest,
    of: SessionOf,
    end: watch::Receiver<()>,
}

impl OpenSession {
    pub(super) fn new(
        sessions: Arc<Sessions>,
        key: SecretDigest,
        of: SessionOf,
        end: watch::Receiver<()>,
    ) -> Self {
        Self { sessions, key, of, end }
    }

    /// Whose it is.
    #[must_use]
    pub fn of(&self) -> &SessionOf {
        &self.of
    }

    pub(super) fn is(&self, key: &SecretDigest) -> bool {
        self.key == *key
    }

    /// Uses the session; false if it is over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.sessions.touch(self.key).is_some()
    }

    /// Waits until it is signed out, or found to be over.
    pub async fn ended(&mut self) {
        // Nothing is ever sent: only the end of the sender ends this.
        while self.end.changed().await.is_ok() {}
    }

    /// Ends it.
    pub async fn close(&self) {
        self.sessions.end_keys(vec![self.key]).await;
    }
}

impl fmt::Debug for OpenSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenSession")
    }
}
