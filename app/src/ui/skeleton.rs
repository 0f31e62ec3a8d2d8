//! The outline of what is being loaded. It appears after 200 ms, so that a fast answer does not flicker.

use leptos::prelude::*;

/// `rows` grey lines and, for screen readers, what is being loaded.
#[component]
pub fn Skeleton(
    /// How many lines.
    rows: usize,
    /// What is being loaded: `Loading the guests`.
    label: &'static str,
) -> impl IntoView {
    view! {
        <div class="skeleton" role="status">
            <span class="visually-hidden">{label}</span>
            {(0..rows).map(|_| view! { <span class="skeleton-line" aria-hidden="true"></span> }).collect_view()}
        </div>
    }
}
