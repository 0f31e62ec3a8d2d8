//! The page's calls about the audit.

use memdeck_model::audit::{AuditLines, AuditQuery, AuditVerdict};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;

server_functions! {
    /// What was done and by whom, newest first, in words.
    ///
    /// # Errors
    /// The range of time is empty, the server does not answer, or the catalog cannot be read.
    "audit": async fn fetch_audit(
        /// Which entries, and how many.
        query: AuditQuery,
    ) -> AuditLines {
        operations::present()?.audit(query).await.map_err(operations::refuse)
    }

    /// Checks the whole audit.
    ///
    /// # Errors
    /// The server does not answer, or the catalog cannot be read. What was manipulated is no error.
    "check-audit": async fn check_audit() -> AuditVerdict {
        operations::present()?.check_audit().await.map_err(operations::refuse)
    }
}
