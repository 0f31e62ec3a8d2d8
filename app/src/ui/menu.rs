//! A button that opens a list of actions, as the ARIA Authoring Practices describe a menu button.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use memdeck_model::{bounded, decimal};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::dismiss::close_on_dismissal;
use super::erase::{dynamic, effect, follow, handler};
use super::show::Show;

/// A menu that is further than this from where its button is does not belong to it any more.
const MOST_DRIFT_PX: f64 = 8.0;

/// A menu button. Its children are [`MenuItem`]s and [`MenuLink`]s. Arrow keys, Home and End go from item to item; a
/// choice, Esc, Tab, a press outside and scrolling close it. It lies over everything, also where its button is in
/// something that scrolls, and opens upwards if there is no room below.
#[component]
pub fn Menu(
    /// What the menu is for: `Actions for web-01`.
    #[prop(into)]
    label: String,
    /// What the button shows.
    #[prop(into)]
    button: ViewFn,
    children: ChildrenFn,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let anchor = NodeRef::<html::Div>::new();
    let opener = NodeRef::<html::Button>::new();
    let list = NodeRef::<html::Div>::new();
    let place = RwSignal::new(Place::default());
    close_on_dismissal(open, anchor, opener);
    effect(move || {
        if open.get()
            && let (Some(list), Some(button)) = (list.get(), opener.get_untracked())
        {
            place.set(Place::beside(&button, &list));
            go(&list, Step::First);
            // It stands still while its button moves away; what was scrolled a moment before is reported late.
            let opened_at = button.get_bounding_client_rect().top();
            let scrolled = window_event_listener(ev::scroll, move |_| {
                let button = opener.get_untracked();
                let drift = button.map(|button| (button.get_bounding_client_rect().top() - opened_at).abs());
                if drift.is_none_or(|drift| drift > MOST_DRIFT_PX) {
                    open.set(false);
                }
            });
            on_cleanup(move || scrolled.remove());
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
                aria-expanded=follow(move || open.get().to_string())
                aria-label=label
                on:click=handler(move |_| open.update(|open| *open = !*open))
                on:keydown=handler(move |event: ev::KeyboardEvent| {
                    if event.key() == "ArrowDown" {
                        event.prevent_default();
                        open.set(true);
                    }
                })
            >
                {dynamic(move || button.run())}
            </button>
            <Show when=move || open.get()>
                <div
                    class="menu"
                    role="menu"
                    aria-label=name.clone()
                    node_ref=list
                    style:top=follow(move || place.with(|place| px(place.top)))
                    style:left=follow(move || place.with(|place| px(place.left)))
                    on:keydown=handler(on_key)
                    on:click=handler(choose)
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
    /// Whether it takes something away: it comes last and stands apart.
    #[prop(optional)]
    danger: bool,
    /// What it shows.
    children: Children,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class="menu-item"
            class:menu-item-danger=danger
            role="menuitem"
            tabindex="-1"
            on:click=handler(move |_| on_choose.run(()))
        >
            {children()}
        </button>
    }
}

/// A link of a [`Menu`] to something that is downloaded.
#[component]
pub fn MenuLink(
    /// Where it is.
    #[prop(into)]
    href: String,
    /// The name it is kept under; empty if the server says it.
    #[prop(optional, into)]
    file_name: String,
    /// Called when it is asked for.
    #[prop(optional, into)]
    on_choose: Option<Callback<()>>,
    /// What it shows.
    children: Children,
) -> impl IntoView {
    view! {
        // `download` also marks this for the router as no page.
        <a
            class="menu-item"
            role="menuitem"
            tabindex="-1"
            href=href
            download=file_name
            on:click=handler(move |_| {
                if let Some(on_choose) = on_choose {
                    on_choose.run(());
                }
            })
        >
            {children()}
        </a>
    }
}

/// Where an open menu is in the window, in CSS pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Place {
    top: f64,
    left: f64,
}

impl Place {
    /// Below the button and ending where it ends; within the window in any case.
    fn beside(opener: &HtmlElement, list: &HtmlElement) -> Self {
        let (button, menu) = (opener.get_bounding_client_rect(), list.get_bounding_client_rect());
        let root = document().document_element();
        let (width, height) = root.map_or((0, 0), |root| (root.client_width(), root.client_height()));
        Self::within(
            (width.into(), height.into()),
            (button.top(), button.bottom(), button.right()),
            (menu.width(), menu.height()),
        )
    }

    fn within(window: (f64, f64), button: (f64, f64, f64), menu: (f64, f64)) -> Self {
        const GAP: f64 = 4.0;
        let ((width, height), (above, below, right), (menu_width, menu_height)) = (window, button, menu);
        let fits_below = below + GAP + menu_height <= height;
        let top = if fits_below { below + GAP } else { above - GAP - menu_height };
        let furthest = (width - menu_width - GAP).max(GAP);
        Self {
            top: bounded(top, GAP, (height - menu_height - GAP).max(GAP)),
            left: bounded(right - menu_width, GAP, furthest),
        }
    }
}

fn px(length: f64) -> String {
    format!("{}px", decimal(length, 1))
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

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: (f64, f64) = (400.0, 600.0);
    const MENU: (f64, f64) = (200.0, 300.0);

    fn place(above: f64, right: f64) -> (f64, f64) {
        let Place { top, left } = Place::within(WINDOW, (above, above + 30.0, right), MENU);
        (top, left)
    }

    #[test]
    fn a_menu_is_below_its_button_or_above_it_and_always_in_the_window() {
        assert_eq!(place(100.0, 380.0), (134.0, 180.0));
        assert_eq!(place(500.0, 380.0), (196.0, 180.0), "no room below");
        assert_eq!(place(100.0, 60.0), (134.0, 4.0), "no room to the left");
        let (top, _) = place(290.0, 380.0);
        assert!((top - 4.0).abs() < 1e-9, "no room on either side: {top}");
    }
}
