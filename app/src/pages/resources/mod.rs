//! Resource Monitoring: charts of one guest over time.

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;

/// The page.
#[component]
pub fn Resources() -> impl IntoView {
    set_title(Page::Resources.name());
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Resources.name()}</h1>
                <p class="page-lead">"Charts of one guest over time, with its dumps."</p>
            </div>
        </header>
    }
}
