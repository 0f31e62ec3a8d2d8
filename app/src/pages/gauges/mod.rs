//! Main Gauges: one guest at a glance.

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;

/// The page.
#[component]
pub fn Gauges() -> impl IntoView {
    set_title(Page::Gauges.name());
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Gauges.name()}</h1>
                <p class="page-lead">"Network, disk, CPU and memory of one guest, as they change."</p>
            </div>
        </header>
    }
}
