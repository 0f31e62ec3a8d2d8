//! A button that opens a list of actions, as the ARIA Authoring Practices describe a menu button.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::dismiss::close_on_dismissal;

/// A menu button. Its children are [`MenuItem`]s. Arrow keys, Home and End go from item to item; a choice, Esc, Tab
/// and a press outside close it.
#[component]
pub fn Menu(
    /// What the menu is for: `Actions for web-01`.
    #[prop(into)]
    label: String,
    /// What the button shows.
    #[prop(into)]
    button: ViewFn,
    /// The items.
    children: ChildrenFn,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let anchor = NodeRef::<html::Div>::new();
    let opener = NodeRef::<html::Button>::new();
    let list = NodeRef::<html::Div>::new();
    close_on_dismissal(open, anchor, opener);
    Effect::new(move || {
        if open.get()
            && let Some(list) = list.get()
        {
            go(&list, Step::First);
        }
    });
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        let step = match event.key().as_str() {
            "ArrowDown" => Step::Next,
            "ArrowUp" => Step::Previous,
            "Home" => Step::First,
            "End" => Step::Last,
            "Tab" => {
                open.set(false);
                return;
            }
            _ => return,
        };
        event.prevent_default();
        if let Some(list) = list.get_untracked() {
            go(&list, step);
        }
    };
    let choose = move |_| {
        open.set(false);
        if let Some(opener) = opener.get_untracked() {
            let _ = opener.focus();
        }
    };
    let name = label.clone();
    let children = StoredValue::new(children);
    view! {
        <div class="menu-anchor" node_ref=anchor>
            <button
                type="button"
                class="button button-quiet button-small button-icon"
                node_ref=opener
                aria-haspopup="menu"
                aria-expanded=move || open.get().to_string()
                aria-label=label
                on:click=move |_| open.update(|open| *open = !*open)
                on:keydown=move |event| {
                    if event.key() == "ArrowDown" {
                        event.prevent_default();
                        open.set(true);
                    }
                }
            >
                {move || button.run()}
            </button>
            <Show when=move || open.get()>
                <div
                    class="menu"
                    role="menu"
                    aria-label=name.clone()
                    node_ref=list
                    on:keydown=on_key
                    on:click=choose
                >
                    {children.with_value(|children| children())}
                </div>
            </Show>
        </div>
    }
}

/// One action of a [`Menu`].
#[component]
pub fn MenuItem(
    /// What it does.
    #[prop(into)]
    on_choose: Callback<()>,
    /// What it shows.
    children: Children,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class="menu-item"
            role="menuitem"
            tabindex="-1"
            on:click=move |_| on_choose.run(())
        >
            {children()}
        </button>
    }
}

#[derive(Clone, Copy)]
enum Step {
    First,
    Last,
    Next,
    Previous,
}

/// Puts the focus on an item. Behind the last comes the first.
fn go(list: &HtmlElement, step: Step) {
    let Ok(items) = list.query_selector_all("[role=menuitem]") else { return };
    let count = items.length();
    if count == 0 {
        return;
    }
    let focused = document().active_element();
    let here = (0..count).find(|&index| items.item(index).as_ref() == focused.as_deref());
    let target = match (step, here) {
        (Step::First, _) | (Step::Next, None) => 0,
        (Step::Last, _) | (Step::Previous, None) => count - 1,
        (Step::Next, Some(here)) => (here + 1) % count,
        (Step::Previous, Some(here)) => (here + count - 1) % count,
    };
    if let Some(item) = items.item(target).and_then(|item| item.dyn_into::<HtmlElement>().ok()) {
        let _ = item.focus();
    }
}
