//! An image that was not read yet: how far that is, why it failed, and the button for it.

use leptos::prelude::*;
use memdeck_model::InsideState;

use super::state::State;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Button, ButtonKind, Icon, IconView, Show, Tone};
use crate::words::InsideTrouble;

#[component]
pub fn Reading() -> impl IntoView {
    let state = State::expect();
    let present = memo(move || state.state().unwrap_or_default());
    let problem = memo(move || state.with_known(|known| known.problem.clone()).flatten());
    let can_ask =
        memo(move || problem.with(|problem| problem.as_ref().is_none_or(|problem| problem.can_ask_again)));
    let busy = Signal::derive(move || present.get().is_active());
    let told = move || {
        match present.get() {
        InsideState::Waiting => view! {
            <Badge tone=Tone::Waiting icon=Icon::Clock>"Waiting"</Badge>
            " Another image is being read, or a dump is being taken: both go first."
        }
        .into_any(),
        InsideState::Running => view! {
            <Badge tone=Tone::Active icon=Icon::Activity>"Reading"</Badge>
            " The image is unpacked and read in a process of its own. It takes seconds."
        }
        .into_any(),
        InsideState::None | InsideState::Finished | InsideState::Failed => {
            match problem.get() {
                Some(InsideTrouble { title, detail, .. }) => view! {
                    <Badge tone=Tone::Bad icon=Icon::Alert>{title}</Badge>
                    " "
                    {detail}
                }
                .into_any(),
                None => view! {
                    "This image was not read yet. Reading finds processes, files, modules and connections in the memory of a Linux \
                     guest; it takes seconds, changes nothing, and is noted in the audit."
                }
                .into_any(),
            }
        }
    }
    };
    view! {
        <section class="card inside-reading" aria-label="Reading the image">
            <p role="status">{dynamic(told)}</p>
            <Show when=move || can_ask.get()>
                <Button kind=ButtonKind::Primary on_press=move |()| state.look(true) busy>
                    <IconView icon=Icon::Search />
                    {dynamic(move || match present.get() {
                        InsideState::Waiting | InsideState::Running => "Reading the image",
                        InsideState::Failed => "Read the image again",
                        InsideState::None | InsideState::Finished => "Read the image",
                    })}
                </Button>
            </Show>
        </section>
    }
}
