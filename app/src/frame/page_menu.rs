//! Pages of one kind: behind a button of the bar; on a narrow screen a group of the menu.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_location;
use wasm_bindgen::JsCast;

use super::page_link::PageLink;
use crate::base;
use crate::routes::Page;
use crate::ui::erase::{follow, handler};
use crate::ui::{Icon, IconView, close_on_dismissal};

/// A button that shows and hides a list of links. Esc, a choice, a press outside and leaving it with the keyboard hide it.
#[component]
pub fn PageMenu(
    /// The id of the list.
    id: &'static str,
    /// What the pages are for.
    name: &'static str,
    pages: &'static [Page],
    /// Called when the operator is about to open a page.
    on_approach: fn(Page),
) -> impl IntoView {
    let open = RwSignal::new(false);
    let place = NodeRef::<html::Div>::new();
    let button = NodeRef::<html::Button>::new();
    close_on_dismissal(open, place, button);
    let left = move |event: ev::FocusEvent| {
        let next = event.related_target().and_then(|next| next.dyn_into::<web_sys::Node>().ok());
        let stays = place.get_untracked().is_some_and(|place| place.contains(next.as_ref()));
        // Without a next place it is the window that lost the focus.
        if next.is_some() && !stays {
            open.set(false);
        }
    };
    let pathname = use_location().pathname;
    let is_here = move || pathname.with(|path| pages.iter().any(|page| base::leads_to(path, page.path())));
    let links =
        pages.iter().map(|page| view! { <li><PageLink page=*page on_approach /></li> }).collect_view();
    view! {
        <div class="page-menu" class:is-open=open class:is-here=follow(is_here) node_ref=place on:focusout=handler(left)>
            <button
                type="button"
                class="page-menu-button"
                node_ref=button
                aria-expanded=follow(move || open.get().to_string())
                aria-controls=id
                on:click=handler(move |_| open.update(|open| *open = !*open))
            >
                {name}
                <IconView icon=Icon::ChevronDown />
            </button>
            // In place of the button where its list is always there.
            <p class="page-menu-title" aria-hidden="true">{name}</p>
            <ul id=id aria-label=name on:click=handler(move |_| open.set(false))>
                {links}
            </ul>
        </div>
    }
}
