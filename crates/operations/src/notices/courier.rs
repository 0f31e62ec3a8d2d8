//! The port to the targets.

use std::time::Duration;

use async_trait::async_trait;
use memdeck_model::Message;
use memdeck_model::notice::{NoticeMessage, TargetAddress};

/// Carries messages to targets: by HTTP or mail.
#[async_trait]
pub trait Courier: Send + Sync {
    /// Whether messages could be sent to `address` by what is written there. Asks nobody.
    ///
    /// # Errors
    /// Something of it cannot be used, and what.
    fn check(&self, address: &TargetAddress) -> Result<(), Message>;

    /// Sends a message and waits, for a limited time, until the target has taken it.
    ///
    /// # Errors
    /// The target did not take it. It may have it all the same, if its answer was lost.
    async fn deliver(&self, address: &TargetAddress, message: &NoticeMessage) -> Result<(), Undelivered>;
}

/// Why a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Undelivered {
    /// What happened, in a sentence that names no secret.
    pub detail: Message,
    /// Whether the target refused it, so that it is likely to refuse it again.
    pub is_refusal: bool,
    /// When the target wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Undelivered {
    /// What may pass by itself.
    #[must_use]
    pub fn passing(detail: impl Into<Message>) -> Self {
        Self { detail: detail.into(), is_refusal: false, retry_after: None }
    }

    /// What the target does not take.
    #[must_use]
    pub fn refused(detail: impl Into<Message>) -> Self {
        Self { detail: detail.into(), is_refusal: true, retry_after: None }
    }
}
