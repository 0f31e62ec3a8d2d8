//! The list of keys.

use leptos::prelude::*;

use crate::shortcuts::Shortcuts;
use crate::ui::Dialog;
use crate::ui::erase::dynamic;

/// Every key there is now, and what it does.
#[component]
pub fn ShortcutHelp(
    /// Whether it is shown.
    open: RwSignal<bool>,
) -> impl IntoView {
    let shortcuts = Shortcuts::expect();
    let rows = move || {
        shortcuts
            .list()
            .into_iter()
            .map(|shortcut| {
                view! {
                    <div class="shortcut">
                        <dt>
                            <kbd>{shortcut.key}</kbd>
                        </dt>
                        <dd>{shortcut.does}</dd>
                    </div>
                }
            })
            .collect_view()
    };
    view! {
        <Dialog open id="shortcut-help-title" title="Keyboard shortcuts">
            <dl class="shortcuts">
                {dynamic(rows)}
                <div class="shortcut">
                    <dt>
                        <kbd>"Esc"</kbd>
                    </dt>
                    <dd>"Close the open dialog or menu"</dd>
                </div>
            </dl>
            <p class="secondary">"Shortcuts are off while you type."</p>
        </Dialog>
    }
}
