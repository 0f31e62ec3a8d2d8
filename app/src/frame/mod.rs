//! What surrounds every page: skip link, navigation, connection chip, notifications.

mod connection_chip;
mod navbar;

use leptos::html;
use leptos::prelude::*;

use crate::session::SessionEnded;
use crate::ui::{Announcements, ToastRegion};
use navbar::Navbar;

/// The frame around `children`.
#[component]
pub fn Frame(
    /// The page.
    children: Children,
) -> impl IntoView {
    let main = NodeRef::<html::Main>::new();
    let skip = move |event: leptos::ev::MouseEvent| {
        // The router would take this for a navigation and leave the focus where it is.
        event.prevent_default();
        if let Some(main) = main.get_untracked() {
            let _ = main.focus();
        }
    };
    view! {
        <a class="skip-link" href="#main" on:click=skip>
            "Skip to content"
        </a>
        <Navbar />
        <SessionEnded />
        <main id="main" class="page" tabindex="-1" node_ref=main>
            {children()}
        </main>
        <ToastRegion />
        <Announcements />
    }
}
