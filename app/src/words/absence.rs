//! Why the image of a dump cannot be read.

use memdeck_model::{Problem, ProblemKind};

use super::sentence;

/// What it means that an image cannot be read.
pub fn absence(problem: &Problem) -> &'static str {
    match problem.kind {
        ProblemKind::Gone => "The image file is gone",
        ProblemKind::Conflict => "The image cannot be read",
        ProblemKind::Unavailable => "The image cannot be reached now",
        ProblemKind::NotFound => "The image is out of reach",
        ProblemKind::Invalid
        | ProblemKind::KeyReused
        | ProblemKind::Unauthorized
        | ProblemKind::Forbidden
        | ProblemKind::Internal => "The image details could not be loaded",
    }
}

/// Why, and what is known anyway.
pub fn why_absent(problem: &Problem, has_manifest: bool) -> String {
    let from = if has_manifest { "the record and the manifest" } else { "the record" };
    format!("{} The details below are from {from}.", sentence(&problem.detail.to_string()))
}
