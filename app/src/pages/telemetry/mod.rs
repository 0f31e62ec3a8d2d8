//! Telemetry: the collector, its state, and what keeps it from working.

mod activity;
mod collector;
mod diagnosis;
mod figures;
mod guest_row;
mod guests;
mod happened;
mod hosts;
mod settings;
mod state;
mod words;

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::{Failure, Show};
use activity::CollectorActivity;
use collector::CollectorPanel;
use diagnosis::DiagnosisPanel;
use figures::Figures;
use guests::MonitoredGuests;
use hosts::Hosts;
use settings::Settings;
use state::TelemetryState;

#[component]
pub fn Telemetry() -> impl IntoView {
    set_title(Page::Telemetry.name());
    let state = TelemetryState::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.refresh());
    let problem = state.report.why_failed();
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Telemetry.name()}</h1>
                <p class="page-lead">"What is measured, whether collection keeps up, and where values are stored."</p>
            </div>
            <Figures />
        </header>
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The state of the collector could not be loaded."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| state.fetch()
            />
        </Show>
        <Hosts />
        <CollectorPanel />
        <div class="telemetry-columns">
            <MonitoredGuests />
            <CollectorActivity />
        </div>
        <DiagnosisPanel />
        <Settings />
    }
}
