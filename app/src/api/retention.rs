//! The page's calls about retention.

use memdeck_model::Remark;
use memdeck_model::retention::{Hold, HoldList, NewHold, Policy, RetentionReport};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;

server_functions! {
    /// The rules by which images are removed.
    ///
    /// # Errors
    /// The server does not answer, or the catalog cannot be read.
    "retention": async fn fetch_retention() -> Policy {
        operations::present()?.retention().await.map_err(operations::refuse)
    }

    /// What rules would do now, image by image.
    ///
    /// # Errors
    /// A rule says nothing, or the server does not answer.
    "preview-retention": async fn preview_retention(
        policy: Policy,
    ) -> RetentionReport {
        operations::present()?.preview_retention(policy).await.map_err(operations::refuse)
    }

    /// Puts rules in the place of those that are kept.
    ///
    /// # Errors
    /// A rule says nothing, or the server does not answer.
    "save-retention": async fn save_retention(
        policy: Policy,
    ) -> RetentionReport {
        operations::present()?.save_retention(policy).await.map_err(operations::refuse)
    }

    /// Legal holds, those that were lifted last.
    ///
    /// # Errors
    /// The server does not answer, or the catalog cannot be read.
    "holds": async fn fetch_holds() -> HoldList {
        operations::present()?.holds().await.map_err(operations::refuse)
    }

    /// Holds a case or a dump.
    ///
    /// # Errors
    /// There is no such dump, or the server does not answer.
    "add-hold": async fn add_hold(
        /// What, and why.
        hold: NewHold,
    ) -> Hold {
        operations::present()?.add_hold(hold).await.map_err(operations::refuse)
    }

    /// Lifts a hold.
    ///
    /// # Errors
    /// There is no such hold to lift, or the server does not answer.
    "lift-hold": async fn lift_hold(
        id: u32,
        reason: Remark,
    ) -> Hold {
        operations::present()?.lift_hold(id, reason).await.map_err(operations::refuse)
    }
}
