//! An address that leads nowhere.

use leptos::prelude::*;
use leptos_router::components::A;

use super::title::set_title;
use crate::base;

/// Says so, and where to go.
#[component]
pub fn NotFound() -> impl IntoView {
    set_title("Not found");
    view! {
        <header class="page-head">
            <h1>"There is no such page"</h1>
            <p class="page-lead">
                "The address leads nowhere. " <A href=base::href("/memory-dumps")>"Go to Memory Dumps"</A> "."
            </p>
        </header>
    }
}
