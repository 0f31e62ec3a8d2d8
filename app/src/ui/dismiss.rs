//! Closing what is open by Esc or by pressing beside it.

use leptos::ev;
use leptos::html::ElementType;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, Node};

/// While `open` is set, Esc and a press outside of `container` unset it. After Esc the focus is on `opener` again,
/// where it was inside.
pub fn close_on_dismissal<C, O>(open: RwSignal<bool>, container: NodeRef<C>, opener: NodeRef<O>)
where
    C: ElementType + 'static,
    C::Output: JsCast + Clone + 'static,
    O: ElementType + 'static,
    O::Output: JsCast + Clone + 'static,
{
    let contains = move |node: Option<&Node>| {
        let container = container.get_untracked().map(JsCast::unchecked_into::<Node>);
        container.is_some_and(|container| container.contains(node))
    };
    let pressed = window_event_listener(ev::pointerdown, move |event| {
        if open.get_untracked() {
            let target = event.target().and_then(|target| target.dyn_into::<Node>().ok());
            if !contains(target.as_ref()) {
                open.set(false);
            }
        }
    });
    let escaped = window_event_listener(ev::keydown, move |event| {
        if event.key() == "Escape" && open.get_untracked() {
            let was_inside = contains(document().active_element().as_deref());
            open.set(false);
            if was_inside && let Some(opener) = opener.get_untracked() {
                // Fails only if the element is not in the document.
                let _ = opener.unchecked_into::<HtmlElement>().focus();
            }
        }
    });
    on_cleanup(move || {
        pressed.remove();
        escaped.remove();
    });
}
