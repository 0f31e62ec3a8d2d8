//! A link of the bar to a page.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::base;
use crate::routes::Page;
use crate::ui::erase::{follow, handler};

#[component]
pub fn PageLink(
    page: Page,
    /// Called when the operator is about to open it.
    on_approach: fn(Page),
) -> impl IntoView {
    let pathname = use_location().pathname;
    let is_shown = move || pathname.with(|path| base::leads_to(path, page.path()));
    view! {
        <a
            href=base::href(page.path())
            on:pointerenter=handler(move |_| on_approach(page))
            on:focus=handler(move |_| on_approach(page))
            aria-current=follow(move || is_shown().then_some("page"))
        >
            {page.name()}
        </a>
    }
}
