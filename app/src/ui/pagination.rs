//! Going from page to page.

use leptos::prelude::*;

use super::button::Button;
use super::erase::dynamic;
use super::icon::{Icon, IconView};

/// Previous, next, and where one is. Pages are counted from 1.
#[component]
pub fn Pagination(
    /// What is paged: `Pages of recorded dumps`.
    label: &'static str,
    /// The present page.
    #[prop(into)]
    page: Signal<u64>,
    /// How many pages there are; at least 1.
    #[prop(into)]
    pages: Signal<u64>,
    /// How much there is in all, in words.
    #[prop(into)]
    total: Signal<String>,
    /// Called with the page to go to.
    #[prop(into)]
    on_go: Callback<u64>,
) -> impl IntoView {
    let is_first = Signal::derive(move || page.get() <= 1);
    let is_last = Signal::derive(move || page.get() >= pages.get());
    view! {
        <nav class="pagination" aria-label=label>
            <p class="pagination-total number">{total}</p>
            <div class="pagination-buttons">
                <Button
                    on_press=move |()| on_go.run(page.get_untracked().saturating_sub(1))
                    disabled=is_first
                >
                    <IconView icon=Icon::Previous />
                    "Previous"
                </Button>
                <p class="number" aria-live="polite">
                    {dynamic(move || format!("Page {} of {}", page.get(), pages.get()))}
                </p>
                <Button
                    on_press=move |()| on_go.run(page.get_untracked().saturating_add(1))
                    disabled=is_last
                >
                    "Next"
                    <IconView icon=Icon::Next />
                </Button>
            </div>
        </nav>
    }
}
