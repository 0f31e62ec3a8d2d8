//! A value nobody told us.

use leptos::prelude::*;

/// `unknown`, which a screen reader is told of `what`; `hash unknown` where the place alone does not say what.
#[component]
pub fn Unknown(
    /// What is unknown: `hash`.
    #[prop(into)]
    what: String,
    /// Whether the eye is told too what is unknown.
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
