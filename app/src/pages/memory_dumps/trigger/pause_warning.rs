//! The warning before a dump of a guest that is too large for the pause limit.

use leptos::prelude::*;

use crate::ui::{Icon, IconView};

/// The warning, with its mark: `text` says which guests, for how long, and what can be done.
#[component]
pub fn PauseWarning(text: String) -> impl IntoView {
    view! {
        <p class="pause-warning">
            <IconView icon=Icon::Alert />
            " "
            {text}
        </p>
    }
}
