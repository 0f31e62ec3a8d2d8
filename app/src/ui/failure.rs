//! What could not be loaded or done, where it was to appear.

use leptos::prelude::*;

use super::button::{Button, ButtonKind};
use super::icon::{Icon, IconView};

/// Says what failed and why; offers to try again where `on_retry` is given.
#[component]
pub fn Failure(
    /// What failed: `The guests could not be loaded.`
    title: &'static str,
    /// Why, and what to do.
    #[prop(into)]
    detail: Signal<String>,
    /// Tries again.
    #[prop(optional, into)]
    on_retry: Option<Callback<()>>,
    /// What the button for it says.
    #[prop(default = "Retry")]
    action: &'static str,
) -> impl IntoView {
    view! {
        <div class="failure" role="alert">
            <span class="failure-icon">
                <IconView icon=Icon::Alert />
            </span>
            <div class="failure-text">
                <p class="failure-title">{title}</p>
                <p class="failure-detail">{detail}</p>
            </div>
            {on_retry.map(|retry| view! {
                <Button kind=ButtonKind::Secondary on_press=retry>
                    {action}
                </Button>
            })}
        </div>
    }
}
