//! Why something that was asked for was not done.

use leptos::prelude::*;
use memdeck_model::Problem;

use crate::ui::{Failure, Show};
use crate::words::sentence;

/// Says that something was not done and why, while there is a problem.
#[component]
pub fn Refusal(
    /// What was not done: `The rule was not added.`
    title: &'static str,
    problem: RwSignal<Option<Problem>>,
) -> impl IntoView {
    let why = move || {
        problem
            .with(|problem| problem.as_ref().map(|problem| sentence(&problem.detail.to_string())))
            .unwrap_or_default()
    };
    view! {
        <Show when=move || problem.with(Option::is_some)>
            <Failure title detail=Signal::derive(why) />
        </Show>
    }
}
