//! How long a target may keep us waiting.

use std::time::Duration;

/// How long a connection may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// How long all of it may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
