//! A modal dialog on the native element: the browser traps the focus, closes on Esc and gives the focus back.

use leptos::html;
use leptos::prelude::*;

/// Shows its children as a modal dialog while `open` is set, and unsets it when the operator leaves.
#[component]
pub fn Dialog(
    /// Whether it is shown.
    open: RwSignal<bool>,
    /// The id of its heading.
    id: &'static str,
    /// Its heading.
    title: &'static str,
    /// Its content.
    children: ChildrenFn,
) -> impl IntoView {
    let element = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = element.get() else { return };
        if open.get() {
            if !dialog.open() {
                // Fails only where the element is not in the document.
                let _ = dialog.show_modal();
            }
        } else if dialog.open() {
            dialog.close();
        }
    });
    let close_from_outside = move |event: leptos::ev::MouseEvent| {
        // The backdrop belongs to the dialog; everything inside is another element.
        if element.get_untracked().is_some_and(|dialog| event.target().as_ref() == Some(dialog.as_ref())) {
            open.set(false);
        }
    };
    let children = StoredValue::new(children);
    view! {
        <dialog
            class="dialog"
            node_ref=element
            aria-labelledby=id
            on:close=move |_| open.set(false)
            on:click=close_from_outside
        >
            <div class="dialog-body">
                <h2 class="dialog-title" id=id>
                    {title}
                </h2>
                // Rendered anew each time it opens, so that `autofocus` and the content are of that moment.
                <Show when=move || open.get()>{children.with_value(|children| children())}</Show>
            </div>
        </dialog>
    }
}
