//! Going from page to page of the table.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::paging::{page_count, page_to_query};
use super::state::State;
use crate::ui::{Button, Icon, IconView};

/// Previous, Next, page x of y and the number of records. The page is in the address.
#[component]
pub fn Pager() -> impl IntoView {
    let state = State::expect();
    let total = Memo::new(move |_| state.records.with_data(|page| page.total));
    let pages = move || page_count(total.get().unwrap_or(0));
    let navigate = StoredValue::new_local(use_navigate());
    let go_to = move |page: u64| {
        // The operator stays where they look.
        let options = NavigateOptions { scroll: false, ..NavigateOptions::default() };
        navigate.with_value(|navigate| navigate(&format!("/memory-dumps{}", page_to_query(page)), options));
    };
    let previous = move |()| go_to(state.page.get_untracked().saturating_sub(1));
    let next = move |()| go_to(state.page.get_untracked().saturating_add(1));
    let is_first = Signal::derive(move || state.page.get() <= 1);
    let is_last = Signal::derive(move || state.page.get() >= pages());
    let records = move || match total.get() {
        Some(1) => "1 record".to_owned(),
        Some(total) => format!("{total} records"),
        None => String::new(),
    };
    view! {
        <Show when=move || total.get().is_some_and(|total| total > 0) && state.page.get() <= pages()>
            <nav class="pager" aria-label="Pages of recorded dumps">
                <p class="pager-count number">{records}</p>
                <div class="pager-buttons">
                    <Button on_press=previous disabled=is_first>
                        <IconView icon=Icon::Previous />
                        "Previous"
                    </Button>
                    <p class="pager-page number" aria-live="polite">
                        {move || format!("Page {} of {}", state.page.get(), pages())}
                    </p>
                    <Button on_press=next disabled=is_last>
                        "Next"
                        <IconView icon=Icon::Next />
                    </Button>
                </div>
            </nav>
        </Show>
    }
}
