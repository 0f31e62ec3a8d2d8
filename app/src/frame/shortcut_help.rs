//! The list of keys.

use leptos::prelude::*;

use crate::shortcuts::Shortcuts;
use crate::ui::Dialog;

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
                {rows}
                <div class="shortcut">
                    <dt>
                        <kbd>"Esc"</kbd>
                    </dt>
                    <dd>"Close what is open"</dd>
                </div>
            </dl>
            <p class="secondary">"They rest while you type."</p>
        </Dialog>
    }
}
