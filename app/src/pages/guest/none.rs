//! What stands in place of guests that cannot be listed, or are not there.

use leptos::prelude::*;

use crate::data::Data;
use crate::ui::erase::memo;
use crate::ui::{EmptyState, Failure, Icon, Show};

/// Why the guests cannot be listed: the call failed, or the hypervisor has gone away since.
pub fn why_unlisted(data: &Data) -> Memo<Option<String>> {
    let why_failed = data.guests.why_failed();
    let hypervisor = data.overview.find(|overview| overview.hypervisor.as_ref().map(ToString::to_string));
    memo(move || why_failed.get().or_else(|| hypervisor.get()))
}

/// That problem, with a way to try again. Nothing while there is none.
#[component]
pub fn UnlistedGuests(
    /// What [`why_unlisted`] found.
    problem: Memo<Option<String>>,
) -> impl IntoView {
    let Data { guests, overview, .. } = Data::expect();
    view! {
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The guests cannot be listed."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| {
                    guests.fetch();
                    overview.fetch();
                }
            />
        </Show>
    }
}

/// Says that the hypervisor has no guests.
#[component]
pub fn NoGuests() -> impl IntoView {
    view! {
        <EmptyState title="No guests" icon=Icon::Monitor>
            "The hypervisor has no guests. New guests appear here automatically."
        </EmptyState>
    }
}
