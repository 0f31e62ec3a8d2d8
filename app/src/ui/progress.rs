//! How far something is.

use leptos::prelude::*;
use memdeck_model::decimal;

use super::erase::follow;

/// A bar from 0 to 100; without a value, a bar that says that the end is not known.
#[component]
pub fn ProgressBar(
    /// How far: 0 to 100.
    #[prop(into)]
    percent: Signal<Option<f64>>,
    /// What is going on: `Dump of web-01`.
    #[prop(into)]
    label: Signal<String>,
) -> impl IntoView {
    view! {
        <progress
            class="progress"
            max="100"
            value=follow(move || percent.get().map(|percent| decimal(percent, 1).to_string()))
            aria-label=label
        ></progress>
    }
}
