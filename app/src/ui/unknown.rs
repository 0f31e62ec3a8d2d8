//! A value nobody told us.

use leptos::prelude::*;

/// A dash for the eye; `<what> unknown` for screen readers and on hover.
#[component]
pub fn Unknown(
    /// What is unknown: `hash`.
    #[prop(into)]
    what: String,
) -> impl IntoView {
    let sentence = what + " unknown";
    let title = sentence.clone();
    view! {
        <span class="unknown" title=title>
            <span aria-hidden="true">"–"</span>
            <span class="visually-hidden">{sentence}</span>
        </span>
    }
}
