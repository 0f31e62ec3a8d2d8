//! What surrounds every page: skip link, navigation, connection chip, keyboard shortcuts, notifications.

mod connection_chip;
mod navbar;
mod page_link;
mod page_menu;
mod shortcut_help;

use leptos::html;
use leptos::prelude::*;

use crate::routes::Page;
use crate::session::SessionEnded;
use crate::shortcuts::Shortcuts;
use crate::ui::erase::handler;
use crate::ui::{Announcements, ToastRegion};
use navbar::Navbar;
use shortcut_help::ShortcutHelp;

/// The frame around `children`.
#[component]
pub fn Frame(
    /// What stands in the bar for the operator's session, such as a way to sign out.
    #[prop(optional, into)]
    session: ViewFn,
    /// Called when the operator is about to open a page.
    on_approach: fn(Page),
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
    let help = RwSignal::new(false);
    Shortcuts::expect().add("?", "Show the keyboard shortcuts", move || help.set(true));
    view! {
        <a class="skip-link" href="#main" on:click=handler(skip)>
            "Skip to content"
        </a>
        <Navbar on_help=move |()| help.set(true) session on_approach />
        <SessionEnded />
        <main id="main" class="page" tabindex="-1" node_ref=main>
            {children()}
        </main>
        <ShortcutHelp open=help />
        <ToastRegion />
        <Announcements />
    }
}
