//! Single keys that do something, for those who work without a pointer.
//!
//! Parts of the page say which keys they answer to; nothing happens while the operator types, while a dialog is open
//! or while Ctrl, Alt or Meta is held, because those are the browser's.

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// A key and what it does.
#[derive(Clone)]
pub struct Shortcut {
    /// The character it types.
    pub key: &'static str,
    /// What it does, as the help lists it.
    pub does: &'static str,
    action: Callback<()>,
}

/// The keys there are now.
#[derive(Clone, Copy)]
pub struct Shortcuts {
    list: RwSignal<Vec<Shortcut>>,
}

impl Shortcuts {
    /// Listens to the keyboard, and provides the keys to every part of the page.
    pub fn provide() -> Self {
        let shortcuts = Self { list: RwSignal::new(Vec::new()) };
        provide_context(shortcuts);
        // Listens as long as the page lives.
        let _ = window_event_listener(ev::keydown, move |event| {
            let is_modified = event.ctrl_key() || event.alt_key() || event.meta_key();
            let is_taken = event.repeat() || event.default_prevented();
            if is_modified || is_taken || is_typing(&event) || is_in_dialog() {
                return;
            }
            let pressed = event.key();
            let action = shortcuts.list.with_untracked(|list| {
                list.iter().find(|shortcut| shortcut.key == pressed).map(|shortcut| shortcut.action)
            });
            if let Some(action) = action {
                // The character must not end up in the field that gets the focus.
                event.prevent_default();
                action.run(());
            }
        });
        shortcuts
    }

    /// The keys that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Calls `action` when `key` is pressed, until the owner of this call is cleaned up.
    pub fn add(self, key: &'static str, does: &'static str, action: impl Fn() + Send + Sync + 'static) {
        let action = Callback::new(move |()| action());
        self.list.update(|list| list.push(Shortcut { key, does, action }));
        on_cleanup(move || {
            self.list.try_update(|list| list.retain(|shortcut| shortcut.key != key));
        });
    }

    /// All of them, in the order in which they were added.
    pub fn list(self) -> Vec<Shortcut> {
        self.list.get()
    }
}

/// Puts the focus on the element `id`; does nothing if there is none.
pub fn focus_on(id: &str) {
    let element = document().get_element_by_id(id);
    if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        // Fails only if the element is not in the document.
        let _ = element.focus();
    }
}

/// Whether a character would be written somewhere.
fn is_typing(event: &web_sys::KeyboardEvent) -> bool {
    const WRITABLE: &str = "textarea, select, [contenteditable]:not([contenteditable=false]), \
         input:not([type=checkbox], [type=radio], [type=button], [type=submit])";
    let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    target.is_some_and(|target| target.closest(WRITABLE).is_ok_and(|field| field.is_some()))
}

fn is_in_dialog() -> bool {
    document().query_selector("dialog[open]").is_ok_and(|dialog| dialog.is_some())
}
