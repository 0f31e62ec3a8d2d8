//! Why a point was not written or a row was not read.

use std::sync::Arc;
use std::time::Duration;

use memdeck_model::Timestamp;

use crate::short::{masked, shortened};

/// Why a point was not written or a row was not read. Messages name the store and hold no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FeedError {
    /// The settings cannot be used.
    #[error("the InfluxDB settings cannot be used: {reason}")]
    Settings {
        /// What is wrong, and with which setting.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("{store} cannot be reached")]
    Unreachable {
        store: String,
        /// What the HTTP client said, without the URL.
        #[source]
        source: Arc<reqwest::Error>,
    },
    /// No answer in time. Whether the point was written is unknown; writing it again is harmless.
    #[error("{store} did not answer within {} s", after.as_secs_f64())]
    Timeout {
        store: String,
        /// The time it had.
        after: Duration,
    },
    /// The store does not accept the token, or the token may not do this.
    #[error(
        "{store} refused the credentials (HTTP {status}): set INFLUX_TOKEN to a token, or INFLUX_USER and \
         INFLUX_PASSWORD to a user, that may write to this database"
    )]
    Unauthorized {
        store: String,
        /// 401 or 403.
        status: u16,
    },
    /// The store answered that it did not write the point.
    #[error("{store} refused the point (HTTP {status}): {reason}")]
    Refused {
        store: String,
        /// The HTTP status.
        status: u16,
        /// What the store said, shortened.
        reason: String,
    },
    /// A store counts nanoseconds in 64 bits.
    #[error("InfluxDB has no place for the time {time}: it counts from 1677 to 2262")]
    TimeOutOfRange {
        /// When the dump began.
        time: Timestamp,
    },
    /// The store did not answer a question, or not so that it can be read.
    #[error("{store} was asked for rows and did not give them: {reason}")]
    Unreadable {
        store: String,
        /// What went wrong, shortened.
        reason: String,
    },
}

impl FeedError {
    /// Whether this very point will be refused again, however often it is written. All other errors pass: the store
    /// comes back, the token is set, the disk is cleared.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 413 | 422, .. } | Self::TimeOutOfRange { .. })
    }

    /// The same refusal with what the store said of one line.
    pub(crate) fn with_reason(&self, reason: &str, secret: Option<&str>) -> Self {
        match self {
            Self::Refused { store, status, .. } => Self::Refused {
                store: store.clone(),
                status: *status,
                reason: shortened(&masked(reason, secret)),
            },
            other => other.clone(),
        }
    }
}
