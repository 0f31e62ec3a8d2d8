//! What stands where there is nothing: why, and what to do.

use leptos::prelude::*;

use super::icon::{Icon, IconView};

/// A sentence on why there is nothing, and an action or a hint as children.
#[component]
pub fn EmptyState(
    /// Why.
    #[prop(into)]
    title: String,
    /// What to do.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="empty-state">
            <span class="empty-state-icon">
                <IconView icon=Icon::Memory />
            </span>
            <p class="empty-state-title">{title}</p>
            <div class="empty-state-hint">{children()}</div>
        </div>
    }
}
