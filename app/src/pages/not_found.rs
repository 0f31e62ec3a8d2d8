//! An address that leads nowhere.

use leptos::prelude::*;
use leptos_router::components::A;

use super::title::set_title;
use crate::base;
use crate::routes::Page;

/// Says so, and where to go.
#[component]
pub fn NotFound() -> impl IntoView {
    set_title("Not found");
    view! {
        <header class="page-head">
            <h1>"Page not found"</h1>
            <p class="page-lead">
                "Nothing is at this address. " <A href=base::href(Page::Gauges.path())>{format!("Go to {}", Page::Gauges.name())}</A> "."
            </p>
        </header>
    }
}
