//! What stands where there is nothing: why, and what to do.

use leptos::prelude::*;

use super::icon::{Icon, IconView};

/// A sentence on why there is nothing, and an action or a hint as children.
#[component]
pub fn EmptyState(
    #[prop(into)] title: String,
    /// What is missing, as a picture.
    #[prop(default = Icon::Memory)]
    icon: Icon,
    /// What to do.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="empty-state">
            <span class="empty-state-icon">
                <IconView icon />
            </span>
            <p class="empty-state-title">{title}</p>
            <div class="empty-state-hint">{children()}</div>
        </div>
    }
}
