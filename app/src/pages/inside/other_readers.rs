//! What reads the memory of guests of which memdeck finds nothing, or not all.

use leptos::prelude::*;

use super::state::State;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Card, CopyButton, Show};

/// Commands to copy, where there is a need for them.
#[component]
pub fn OtherReaders() -> impl IntoView {
    let state = State::expect();
    let commands = memo(move || state.with_known(|known| known.commands.clone()).unwrap_or_default());
    let line = |command: String| {
        view! {
            <li>
                <code>{command.clone()}</code>
                <CopyButton text=command.clone() what=format!("the command {command}") />
            </li>
        }
    };
    view! {
        <Show when=move || commands.with(|commands| !commands.is_empty())>
            <Card id="inside-other" title="With Volatility">
                <p>
                    "Volatility 3 reads Windows, and Linux kernels whose symbols it has. Run these on the host that keeps the image: the \
                     first line exports it."
                </p>
                <ol class="inside-commands">
                    {dynamic(move || commands.get().into_iter().map(line).collect_view())}
                </ol>
            </Card>
        </Show>
    }
}
