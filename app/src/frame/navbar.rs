//! The bar at the top.

use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use super::connection_chip::ConnectionChip;
use crate::base;
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
) -> impl IntoView {
    let open = RwSignal::new(false);
    let bar = NodeRef::<html::Header>::new();
    let toggle = NodeRef::<html::Button>::new();
    close_on_dismissal(open, bar, toggle);
    let pathname = use_location().pathname;
    let pages = Page::ALL
        .into_iter()
        .map(|page| {
            view! {
                <li>
                    <a
                        href=base::href(page.path())
                        aria-current=follow(move || pathname.with(|path| base::leads_to(path, page.path())).then_some("page"))
                    >
                        {page.name()}
                    </a>
                </li>
            }
        })
        .collect_view();
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
