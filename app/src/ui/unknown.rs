//! A value that nobody reported.

use leptos::prelude::*;

/// `unknown`, which a screen reader reads as unknown `what`; `hash unknown` where the place alone does not say what.
#[component]
pub fn Unknown(
    /// What is unknown: `hash`.
    #[prop(into)]
    what: String,
    /// Whether what is unknown is also visible.
    #[prop(optional)]
    in_full: bool,
) -> impl IntoView {
    let class = if in_full { "" } else { "visually-hidden" };
    view! {
        <span class="unknown">
            <span class=class>{what} " "</span>
            "unknown"
        </span>
    }
}
