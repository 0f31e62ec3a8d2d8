//! Parts of which one is shown at a time.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::erase::{dynamic, follow, handler};

/// One part: its name and its content.
#[derive(Clone)]
pub struct Tab {
    name: &'static str,
    content: ViewFn,
}

impl Tab {
    /// A part called `name`.
    pub fn new(name: &'static str, content: impl Into<ViewFn>) -> Self {
        Self { name, content: content.into() }
    }
}

/// The names in a row, and the content of the chosen one. Left, Right, Home and End choose; Tab goes to the content.
#[component]
pub fn Tabs(
    /// An id that the ids of the parts begin with.
    id: &'static str,
    /// What they are parts of.
    label: &'static str,
    /// The parts, at least one.
    tabs: Vec<Tab>,
    /// Which is shown, counted from 0.
    chosen: RwSignal<usize>,
) -> impl IntoView {
    let count = tabs.len().max(1);
    let list = NodeRef::<html::Div>::new();
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        let here = chosen.get_untracked();
        let target = match event.key().as_str() {
            "ArrowRight" => (here + 1) % count,
            "ArrowLeft" => (here + count - 1) % count,
            "Home" => 0,
            "End" => count - 1,
            _ => return,
        };
        event.prevent_default();
        chosen.set(target);
        let tab =
            list.get_untracked().and_then(|list| list.children().item(u32::try_from(target).unwrap_or(0)));
        if let Some(tab) = tab.and_then(|tab| tab.dyn_into::<HtmlElement>().ok()) {
            let _ = tab.focus();
        }
    };
    let names = tabs.iter().map(|tab| tab.name).enumerate();
    let buttons = names
        .map(|(index, name)| {
            let is_chosen = move || chosen.get() == index;
            view! {
                <button
                    type="button"
                    class="tab"
                    role="tab"
                    id=format!("{id}-tab-{index}")
                    aria-controls=format!("{id}-panel")
                    aria-selected=follow(move || is_chosen().to_string())
                    tabindex=follow(move || if is_chosen() { "0" } else { "-1" })
                    on:click=handler(move |_| chosen.set(index))
                >
                    {name}
                </button>
            }
        })
        .collect_view();
    let contents: Vec<_> = tabs.into_iter().map(|tab| tab.content).collect();
    view! {
        <div>
            <div class="tablist" role="tablist" aria-label=label node_ref=list on:keydown=handler(on_key)>
                {buttons}
            </div>
            <div
                class="tabpanel"
                role="tabpanel"
                id=format!("{id}-panel")
                tabindex="0"
                aria-labelledby=follow(move || format!("{id}-tab-{}", chosen.get()))
            >
                {dynamic(move || contents.get(chosen.get()).map(ViewFn::run))}
            </div>
        </div>
    }
}
