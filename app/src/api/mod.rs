//! The page's calls to the server: server functions, each of which translates, calls one use case of [`Operations`] and
//! translates back.
//!
//! Only the signatures are compiled into the page, and all of them go through one call ([`client`]). The bodies exist under
//! the feature `ssr`.

mod audit;
#[cfg(not(feature = "ssr"))]
mod client;
mod error;
mod hosts;
mod hunts;
mod images;
mod notifications;
#[cfg(feature = "ssr")]
mod operations;
mod retention;
mod schedules;
mod study;
mod telemetry;
mod users;

use memdeck_model::{
    Activity, DumpId, DumpStatus, Guest, LastDump, RecordPage, RecordQuery, TrendRange, Trends,
    TriggerRequest,
};

pub use audit::{check_audit, fetch_audit};
pub use error::ApiError;
pub use hosts::{add_host, drain_host, fetch_hosts, remove_host, test_host};
pub use hunts::{cancel_hunt, fetch_hunt, fetch_hunt_hits, fetch_hunts, remove_hunt, request_hunt};
pub use images::{ask_verification, delete_image, fetch_details};
pub use memdeck_model::Overview;
pub use notifications::{
    add_notice_rule, add_notice_target, change_notice_target, fetch_deliveries, fetch_notice_rules,
    fetch_notice_targets, remove_notice_rule, remove_notice_target, retry_delivery, test_notice_target,
};
#[cfg(feature = "ssr")]
pub use operations::{ForCaller, Operations, RequestId, router};
pub use retention::{add_hold, fetch_holds, fetch_retention, lift_hold, preview_retention, save_retention};
pub use schedules::{
    fetch_schedule_runs, fetch_schedules, pause_schedule, preview_schedule, remove_schedule, run_schedule,
    save_schedule,
};
pub use study::{ask_inside, compare_dumps, compare_inside, compare_page, fetch_timeline};
pub use telemetry::{diagnose_telemetry, fetch_collector, fetch_collectors, fetch_series, run_collector};
pub use users::{
    add_group, add_user, change_group, change_password, change_user, end_session, fetch_api_tokens,
    fetch_groups, fetch_me, fetch_sessions, fetch_users, make_token, remove_group, remove_user, revoke_token,
};

/// Server functions `POST /api/ui/NAME`. In the server each is one of Leptos'; in the page it has the same signature, and
/// sends its arguments by [`client::call`]: what the framework makes for each of them would be a tenth of the page.
macro_rules! server_functions {
    ($(
        $(#[$about:meta])*
        $name:literal: async fn $function:ident(
            $($(#[$said:meta])* $argument:ident: $type:ty),* $(,)?
        ) -> $answer:ty $body:block
    )*) => { $(
        #[cfg(feature = "ssr")]
        $(#[$about])*
        #[leptos::prelude::server(
            prefix = "/api/ui",
            endpoint = $name,
            input = leptos::server_fn::codec::Json,
            output = leptos::server_fn::codec::Json
        )]
        pub async fn $function(
            $($(#[$said])* $argument: $type),*
        ) -> Result<$answer, $crate::api::ApiError> $body

        #[cfg(not(feature = "ssr"))]
        $(#[$about])*
        pub async fn $function($($argument: $type),*) -> Result<$answer, $crate::api::ApiError> {
            #[derive(serde::Serialize)]
            struct Arguments {
                $($argument: $type),*
            }
            $crate::api::client::call($name, serde_json::to_string(&Arguments { $($argument),* })).await
        }
    )* };
}
use server_functions;

server_functions! {
    /// The figures and the health of the parts, for the status section.
    ///
    /// # Errors
    /// The server does not answer, or the catalog cannot be read.
    "overview": async fn fetch_overview() -> Overview {
        operations::present()?.overview().await.map_err(operations::refuse)
    }

    /// Every guest of the hypervisor, running or not.
    ///
    /// # Errors
    /// The server or the hypervisor does not answer.
    "guests": async fn fetch_guests() -> Vec<Guest> {
        operations::present()?.guests().await.map_err(operations::refuse)
    }

    /// The dumps that are queued or running, and those that ended in the last minutes.
    ///
    /// # Errors
    /// The server or the dump service does not answer.
    "dumps": async fn fetch_dumps() -> Vec<DumpStatus> {
        operations::present()?.dumps().await.map_err(operations::refuse)
    }

    /// The last things that happened to dumps, newest first, whether a page was open or not.
    ///
    /// # Errors
    /// The server does not answer, or the catalog cannot be read.
    "activity": async fn fetch_activity() -> Vec<Activity> {
        operations::present()?.activity().await.map_err(operations::refuse)
    }

    /// Asks for dumps; answers with the present state of each. A guest that is being dumped is not started again.
    ///
    /// # Errors
    /// The request names no guest, or the server or the dump service does not answer.
    "trigger": async fn trigger_dumps(
        /// The guests, and how.
        request: TriggerRequest,
    ) -> Vec<DumpStatus> {
        operations::present()?.trigger(request).await.map_err(operations::refuse)
    }

    /// Cancels a dump that waits or runs. Answers before it has ended: the end comes as an event. One that has ended
    /// already stays as it ended.
    ///
    /// # Errors
    /// There is no such dump, or the server or the dump service does not answer or cannot cancel.
    "cancel": async fn cancel_dump(
        /// Which dump.
        dump_id: DumpId,
    ) -> () {
        operations::present()?.cancel(dump_id).await.map_err(operations::refuse)
    }

    /// One page of the records that a filter means.
    ///
    /// # Errors
    /// The filter cannot be used, the server does not answer, or the catalog cannot be read.
    "records": async fn fetch_records(
        /// Which records, in what order, and which page of them.
        query: RecordQuery,
    ) -> RecordPage {
        operations::present()?.records(query).await.map_err(operations::refuse)
    }

    /// The hosts that records name, in alphabetical order.
    ///
    /// # Errors
    /// The server does not answer, or the catalog cannot be read.
    "record-hosts": async fn fetch_record_hosts() -> Vec<String> {
        operations::present()?.record_hosts().await.map_err(operations::refuse)
    }

    /// The newest successful dump of each guest, the newest first.
    ///
    /// # Errors
    /// The server does not answer, or the catalog cannot be read.
    "last-dumps": async fn fetch_last_dumps() -> Vec<LastDump> {
        operations::present()?.last_dumps().await.map_err(operations::refuse)
    }

    /// What became of dumps in a range of time.
    ///
    /// # Errors
    /// The server does not answer, or the catalog cannot be read.
    "trends": async fn fetch_trends(
        /// From when until when.
        range: TrendRange,
    ) -> Trends {
        operations::present()?.trends(range).await.map_err(operations::refuse)
    }

    /// Whether this page may still call: asked if no other call was refused that would show it.
    ///
    /// # Errors
    /// The server does not answer, or the session has ended.
    "session": async fn check_session() -> () {
        // A request that comes this far has passed the guard. A server function must wait for something.
        std::future::ready(Ok(())).await
    }
}
