//! A hint on something that can have the focus. What the operator needs to know is never only here.

use leptos::ev;
use leptos::prelude::*;

use super::erase::{follow, handler};

/// Shows `text` above its children while the pointer or the focus is on them. Esc hides it.
#[component]
pub fn Tooltip(
    /// The id of the hint; what it is about names it in `aria-describedby`.
    id: &'static str,
    #[prop(into)] text: Signal<String>,
    /// What it is about.
    children: Children,
) -> impl IntoView {
    let shown = RwSignal::new(false);
    view! {
        <span
            class="tooltip-anchor"
            on:mouseenter=handler(move |_| shown.set(true))
            on:mouseleave=handler(move |_| shown.set(false))
            on:focusin=handler(move |_| shown.set(true))
            on:focusout=handler(move |_| shown.set(false))
            on:keydown=handler(move |event: ev::KeyboardEvent| {
                if event.key() == "Escape" {
                    shown.set(false);
                }
            })
        >
            {children()}
            <span class="tooltip" role="tooltip" id=id hidden=follow(move || !shown.get())>
                {text}
            </span>
        </span>
    }
}
