//! The page's calls about one dump and its image.

use memdeck_model::{DumpId, Record, Verification};

#[cfg(feature = "ssr")]
use memdeck_model::ProblemKind;

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;
use crate::words::Details;

server_functions! {
    /// What is known of one dump: at once from its record, or with what its image and manifest hold, which may be on
    /// another host.
    ///
    /// # Errors
    /// There is no such dump, the server does not answer, or the catalog cannot be read. What the image does not hold is no
    /// error.
    "details": async fn fetch_details(
        /// Which dump.
        dump_id: DumpId,
        /// Whether the image is looked at.
        with_image: bool,
    ) -> Details {
        let operations = operations::present()?;
        let record = operations.record(dump_id.clone()).await.map_err(operations::refuse)?;
        let image = if with_image { Some(operations.image(dump_id).await) } else { None };
        Ok(crate::words::details::in_words(record, image))
    }

    /// How far the newest verification of an image is, or what it found. `begin` begins one, unless it goes on already: its
    /// progress and its end come as events.
    ///
    /// # Errors
    /// One is to begin, and the image was deleted or others are being verified; or the server or the dump service that has it does not answer.
    "verification": async fn ask_verification(
        /// Which dump.
        dump_id: DumpId,
        /// Whether to begin one.
        begin: bool,
    ) -> Verification {
        let operations = operations::present()?;
        if begin {
            return operations.verify(dump_id).await.map_err(operations::refuse);
        }
        match operations.verification(dump_id.clone()).await {
            // The image went while the page looked: of what is gone nothing is verified, and nobody did anything wrong.
            Err(problem) if problem.kind == ProblemKind::Gone => Ok(Verification::none(dump_id)),
            told => told.map_err(operations::refuse),
        }
    }

    /// Deletes an image. Its record stays, and is given as it is afterwards.
    ///
    /// # Errors
    /// `confirm` is not the name of the guest, the image is in use or was deleted, or the server or the dump service that
    /// has it does not answer.
    "delete-image": async fn delete_image(
        /// Which dump.
        dump_id: DumpId,
        /// The guest's name, as the operator typed it.
        confirm: String,
    ) -> Record {
        operations::present()?.delete_image(dump_id, confirm).await.map_err(operations::refuse)
    }
}
