//! Cancelling a dump: the same for the page and for the calls of both services.

use memdeck_engine::DumpBackend;
use memdeck_model::{Actor, DumpId, Problem, ProblemKind};

/// Ends a dump that is queued or running, as cancelled by `by`. Returns at once; the end comes as an event.
///
/// # Errors
/// There is no such dump, or it cannot be cancelled; or the dump service does not answer.
pub async fn cancel(backend: &dyn DumpBackend, dump_id: &str, by: &Actor) -> Result<(), Problem> {
    let unknown =
        || Problem::new(ProblemKind::NotFound, format!("there is no dump {dump_id} that can be cancelled"));
    let known = DumpId::try_from(dump_id.to_owned()).map_err(|_| unknown())?;
    if backend.cancel(known, by).await? { Ok(()) } else { Err(unknown()) }
}
