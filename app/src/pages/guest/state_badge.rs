//! What a guest does.

use leptos::prelude::*;
use memdeck_model::GuestState;

use crate::ui::{Badge, Icon, Tone};

/// The state as a word, an icon and a colour.
#[component]
pub fn StateBadge(state: GuestState) -> impl IntoView {
    let (tone, icon) = match state {
        GuestState::Running | GuestState::Blocked => (Tone::Good, Icon::Activity),
        GuestState::Paused | GuestState::Suspended => (Tone::Waiting, Icon::Pause),
        GuestState::Crashed => (Tone::Bad, Icon::Alert),
        GuestState::Shutdown | GuestState::Shutoff | GuestState::NoState | GuestState::Unknown => {
            (Tone::Neutral, Icon::Power)
        }
    };
    view! {
        <Badge tone icon>
            {state.as_str()}
        </Badge>
    }
}
