//! A modal dialog on the native element: the browser traps the focus, closes on Esc and returns the focus.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlDialogElement, HtmlElement};

use super::button::{Button, ButtonKind, ButtonSize};
use super::erase::{effect, handler};
use super::icon::{Icon, IconView};
use super::show::Show;

/// Shows its children as a modal dialog while `open` is set, and unsets it when the operator leaves: with Esc, the
/// button in the corner, or a click outside. The focus begins on what has `autofocus`; in a dialog that asks before
/// something is lost, that is the harmless button.
#[component]
pub fn Dialog(
    /// Whether it is shown.
    open: RwSignal<bool>,
    /// The id of its heading.
    id: &'static str,
    #[prop(into)] title: Signal<String>,
    /// Whether it has room for groups of values side by side.
    #[prop(optional)]
    wide: bool,
    children: ChildrenFn,
) -> impl IntoView {
    let element = NodeRef::<html::Dialog>::new();
    effect(move || {
        let Some(dialog) = element.get() else { return };
        if open.get() {
            if !dialog.open() {
                // Fails only if the element is not in the document.
                let _ = dialog.show_modal();
                // What has `autofocus` may be rendered a moment later.
                request_animation_frame(move || focus_first(&dialog));
            }
        } else if dialog.open() {
            dialog.close();
        }
    });
    // The backdrop belongs to the dialog; everything inside is another element. A press that began inside, as when
    // text is selected, is no click outside.
    let is_backdrop = move |event: &web_sys::Event| {
        element.get_untracked().is_some_and(|dialog| event.target().as_ref() == Some(dialog.as_ref()))
    };
    let pressed_outside = StoredValue::new(false);
    let children = StoredValue::new(children);
    view! {
        <dialog
            class="dialog"
            class:dialog-wide=wide
            node_ref=element
            aria-labelledby=id
            on:close=handler(move |_| open.set(false))
            on:pointerdown=handler(move |event: ev::PointerEvent| pressed_outside.set_value(is_backdrop(&event)))
            on:click=handler(move |event: ev::MouseEvent| {
                if pressed_outside.get_value() && is_backdrop(&event) {
                    open.set(false);
                }
            })
        >
            // Rendered anew each time it opens, so that `autofocus` and the content are of that moment.
            <Show when=move || open.get()>
                <div class="dialog-body">
                    <header class="dialog-head">
                        <h2 class="dialog-title" id=id>
                            {title}
                        </h2>
                        <span class="dialog-close">
                            <Button
                                kind=ButtonKind::Quiet
                                size=ButtonSize::Small
                                icon_only=true
                                label="Close"
                                on_press=move |()| open.set(false)
                            >
                                <IconView icon=Icon::Close />
                            </Button>
                        </span>
                    </header>
                    {children.with_value(|children| children())}
                </div>
            </Show>
        </dialog>
    }
}

/// The focus is on what has `autofocus`, unless the operator has moved it already.
fn focus_first(dialog: &HtmlDialogElement) {
    let is_elsewhere = document().active_element().is_some_and(|active| {
        active.dyn_ref::<HtmlDialogElement>() != Some(dialog) && dialog.contains(Some(&active))
    });
    let first = dialog.query_selector("[autofocus]").ok().flatten();
    if let Some(first) =
        first.and_then(|first| first.dyn_into::<HtmlElement>().ok()).filter(|_| !is_elsewhere)
    {
        // Fails only if the element is not in the document.
        let _ = first.focus();
    }
}
