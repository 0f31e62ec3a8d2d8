//! What keeps charts from going on.

use leptos::prelude::*;
use memdeck_model::telemetry::{Connection, SeriesQuery, TelemetryReport};

use super::state::ResourcesState;
use crate::api;
use crate::base;
use crate::data::Loader;
use crate::routes::Page;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Failure, Icon, IconView, Show, charts_failed, retry_charts};

/// The collector is looked at with every sixth look of the charts: every half minute.
const EVERY: u32 = 6;

/// The notices that hold now.
#[component]
pub fn Notices() -> impl IntoView {
    let state = ResourcesState::expect();
    let collector = Loader::<TelemetryReport>::new();
    effect(move || {
        if state.looks.get().is_multiple_of(EVERY) {
            // That of the guest's host.
            let guest = state.guest.get_untracked().unwrap_or_default();
            collector.fetch(api::fetch_collector(SeriesQuery::guest(&guest).0));
        }
    });
    let why_none = collector.why_failed();
    let notice = memo(move || collector.with_data(why_still).flatten());
    let is_gone =
        memo(move || state.data.guests.with(|_| ()).is_some() && state.with_guest(|_| ()).is_none());
    let failed = charts_failed();
    view! {
        <Show when=move || is_gone.get()>
            <p class="resource-notice" role="status">
                <IconView icon=Icon::Info />
                "The hypervisor no longer knows this guest. Its stored measurements are shown while they are kept."
            </p>
        </Show>
        {dynamic(move || notice.get().map(|text| view! {
            <p class="resource-notice" role="status">
                <IconView icon=Icon::Alert />
                <span>{text} " " <a href=base::href(Page::Telemetry.path())>"Open Telemetry"</a></span>
            </p>
        }))}
        <Show when=move || why_none.with(Option::is_some)>
            <Failure
                title="The collector cannot be reached."
                detail=Signal::derive(move || why_none.get().unwrap_or_default())
            />
        </Show>
        <Show when=move || failed.get()>
            <Failure
                title="Charts cannot be drawn."
                detail="Their script did not load. The figures below each chart and the tables are still there."
                on_retry=move |()| retry_charts()
            />
        </Show>
    }
}

/// Why no new values come.
fn why_still(report: &TelemetryReport) -> Option<&'static str> {
    match report.status.connection {
        _ if !report.status.running => Some("The collector is stopped: no new values arrive."),
        Connection::Reconnecting { .. } => {
            Some("The hypervisor does not answer the collector: no new values arrive until it does.")
        }
        Connection::Idle | Connection::Connected => None,
    }
}
