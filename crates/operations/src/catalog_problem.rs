//! A catalog that fails, as callers see it.

use memdeck_catalog::CatalogError;
use memdeck_model::{Problem, ProblemKind};

/// Logs where it is handled; callers see no paths and no SQL.
pub fn catalog_problem(error: &CatalogError) -> Problem {
    if error.is_full() {
        tracing::error!(error = error as &dyn std::error::Error, "the catalog has no room");
        let detail = "the volume of STATE_DIR is full: make room there, then try again";
        return Problem::new(ProblemKind::Unavailable, detail);
    }
    tracing::error!(error = error as &dyn std::error::Error, "the catalog failed");
    Problem::new(ProblemKind::Internal, "the catalog cannot be read or written; the log of memdeck says why")
}
