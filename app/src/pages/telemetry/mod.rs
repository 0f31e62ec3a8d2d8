//! Telemetry: the collector, its state, and what keeps it from working.

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;

/// The page.
#[component]
pub fn Telemetry() -> impl IntoView {
    set_title(Page::Telemetry.name());
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Telemetry.name()}</h1>
                <p class="page-lead">"What is measured, how well that goes, and where the values are kept."</p>
            </div>
        </header>
    }
}
