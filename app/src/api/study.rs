//! The page's calls about what images tell.

use memdeck_model::{ComparedBytes, DrawnComparison, DumpId, GuestPhysAddr, MapView};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;

server_functions! {
    /// What changed between two dumps, with a map of a part of memory.
    ///
    /// # Errors
    /// An image was deleted, is on another host or cannot be compared, or the server does not answer.
    "compare": async fn compare_dumps(
        first: DumpId,
        second: DumpId,
        view: MapView,
    ) -> DrawnComparison {
        operations::present()?.compare(first, second, view).await.map_err(operations::refuse)
    }

    /// The bytes that two dumps have of a page.
    ///
    /// # Errors
    /// Neither has such a page, an image cannot be read, or the server does not answer.
    "compare-page": async fn compare_page(
        first: DumpId,
        second: DumpId,
        address: GuestPhysAddr,
    ) -> ComparedBytes {
        operations::present()?.compare_page(first, second, address).await.map_err(operations::refuse)
    }
}
