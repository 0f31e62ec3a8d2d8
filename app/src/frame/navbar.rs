//! The bar at the top.

use leptos::prelude::*;
use leptos_router::components::A;

use super::connection_chip::ConnectionChip;
use crate::session::SignOutButton;
use crate::ui::{Icon, IconView};

/// The pages there are, in the order of the bar.
const PAGES: [(&str, &str); 1] = [("/memory-dumps", "Memory Dumps")];

/// Brand, pages, connection, the way out.
#[component]
pub fn Navbar() -> impl IntoView {
    view! {
        <header class="navbar">
            <div class="navbar-inner">
                <a class="brand" href="/">
                    <span class="brand-mark">
                        <IconView icon=Icon::Memory />
                    </span>
                    <span class="brand-name">"memdeck"</span>
                </a>
                <nav class="navbar-pages" aria-label="Pages">
                    <ul>
                        {PAGES
                            .into_iter()
                            .map(|(path, name)| view! {
                                <li>
                                    <A href=path>{name}</A>
                                </li>
                            })
                            .collect_view()}
                    </ul>
                </nav>
                <ConnectionChip />
                <SignOutButton />
            </div>
        </header>
    }
}
