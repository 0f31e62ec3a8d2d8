//! The page's calls about what images tell.

use memdeck_model::{
    ComparedBytes, DrawnComparison, DumpId, GuestName, GuestPhysAddr, GuestTimeline, MapView,
};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;
use crate::words::{InsideCompared, InsideKnown};

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

    /// What came and went inside of a guest between two dumps. `begin` has their images read, where they were not.
    ///
    /// # Errors
    /// As of [`ask_inside`].
    "compare-inside": async fn compare_inside(
        first: DumpId,
        second: DumpId,
        /// Whether what was not read is to be read.
        begin: bool,
    ) -> InsideCompared {
        let compared = operations::present()?.compare_inside(first, second, begin).await;
        compared.map(|known| crate::words::inside_changes::compared_in_words(&known)).map_err(operations::refuse)
    }

    /// A guest's memory over the dumps whose images are kept, the newest of them.
    ///
    /// # Errors
    /// No image of the guest is kept on this machine, or the server does not answer.
    "timeline": async fn fetch_timeline(
        /// As its records name it.
        guest: GuestName,
    ) -> GuestTimeline {
        operations::present()?.timeline(guest).await.map_err(operations::refuse)
    }

    /// What is known of the inside of a dump's guest. `begin` has its image read, unless it was or is being read.
    ///
    /// # Errors
    /// The image was deleted, too many wait to be read, its host cannot read it, or the server or that host does not answer.
    "inside": async fn ask_inside(
        /// Which dump.
        dump_id: DumpId,
        /// Whether it is to be read.
        begin: bool,
    ) -> InsideKnown {
        let operations = operations::present()?;
        let asked = if begin { operations.read_inside(dump_id).await } else { operations.inside(dump_id).await };
        asked.map(|reading| crate::words::inside::in_words(&reading)).map_err(operations::refuse)
    }
}
