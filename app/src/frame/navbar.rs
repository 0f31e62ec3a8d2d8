//! The bar at the top.

use leptos::html;
use leptos::prelude::*;

use super::connection_chip::ConnectionChip;
use super::page_link::PageLink;
use super::page_menu::PageMenu;
use crate::routes::Page;
use crate::ui::erase::{dynamic, follow, handler};
use crate::ui::{Button, ButtonKind, ButtonSize, Icon, IconView, ThemeSwitch, close_on_dismissal};

/// Brand, pages, tools, what belongs to the session, connection. On a narrow screen, pages and tools are behind a button.
#[component]
pub fn Navbar(
    /// Opens the list of keys.
    #[prop(into)]
    on_help: Callback<()>,
    /// What belongs to the operator's session, such as a way to sign out.
    session: ViewFn,
    /// Called when the operator is about to open a page.
    on_approach: fn(Page),
) -> impl IntoView {
    let open = RwSignal::new(false);
    let bar = NodeRef::<html::Header>::new();
    let toggle = NodeRef::<html::Button>::new();
    close_on_dismissal(open, bar, toggle);
    let pages =
        Page::DAILY.iter().map(|page| view! { <li><PageLink page=*page on_approach /></li> }).collect_view();
    view! {
        <header class="navbar" node_ref=bar>
            <div class="navbar-inner">
                <a class="brand" href="./">
                    <span class="brand-mark">
                        <IconView icon=Icon::Memory />
                    </span>
                    <span class="brand-name">"memdeck"</span>
                </a>
                <button
                    type="button"
                    class="button button-quiet button-icon navbar-toggle"
                    node_ref=toggle
                    aria-label="Menu"
                    aria-expanded=follow(move || open.get().to_string())
                    aria-controls="navbar-menu"
                    on:click=handler(move |_| open.update(|open| *open = !*open))
                >
                    <IconView icon=Signal::derive(move || if open.get() { Icon::Close } else { Icon::Menu }) />
                </button>
                <div class="navbar-menu" class:is-open=open id="navbar-menu">
                    <nav class="navbar-pages" aria-label="Pages" on:click=handler(move |_| open.set(false))>
                        <ul>{pages}</ul>
                        <PageMenu id="study" name="Study" pages=Page::STUDY on_approach />
                        <PageMenu id="manage" name="Manage" pages=Page::MANAGE on_approach />
                    </nav>
                    <span class="navbar-help">
                        <Button
                            kind=ButtonKind::Quiet
                            size=ButtonSize::Small
                            icon_only=true
                            label="Keyboard shortcuts"
                            on_press=on_help
                        >
                            <IconView icon=Icon::Help />
                        </Button>
                    </span>
                    <ThemeSwitch />
                    {dynamic(move || session.run())}
                </div>
                <ConnectionChip />
            </div>
        </header>
    }
}
