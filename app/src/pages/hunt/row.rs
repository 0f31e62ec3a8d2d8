//! One hunt of the list, and what it shares with the view of one hunt.

use leptos::prelude::*;
use memdeck_model::{Hunt, HuntId, HuntState};

use super::state::{State, row_of};
use super::view::link_to;
use super::words::{manner, progress, sought, state_of};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Button, ButtonSize, Moment, ProgressBar, Show};
use crate::words::{by_whom, grouped, percent};

pub const COLUMNS: [&str; 6] = ["Looked for", "State", "Asked for", "Searched", "Hits", "Actions"];

/// Lives as long as the hunt is listed: what has the focus keeps it.
#[component]
pub fn Row(id: HuntId) -> impl IntoView {
    let state = State::expect();
    let (link, name) = (link_to(Some(&id)), row_of(&id));
    let hunt = memo(move || state.find(&id));
    let known = untrack(|| hunt.get());
    let [looked_for, stands, asked, searched, hits, actions] = COLUMNS;
    // What never changes.
    let fixed = known
        .map(|hunt| (sought(&hunt), manner(&hunt), Some(hunt.requested_at), by_whom(&hunt.requested_by)));
    let (what, manner, at, by) = fixed.unwrap_or_default();
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" data-label=looked_for class="hunt-name">
                <a href=link id=name>{what}</a>
                <span class="secondary hunt-manner">{manner}</span>
            </th>
            <td role="cell" data-label=stands><Stands hunt /></td>
            <td role="cell" data-label=asked>
                <span>{at.map(|instant| view! { <Moment instant /> })} " " {by}</span>
            </td>
            <td role="cell" data-label=searched class="hunt-searched"><Progress hunt /></td>
            <td role="cell" data-label=hits class="number">
                {dynamic(move || hunt.with(|hunt| hunt.as_ref().map(|hunt| grouped(hunt.tally.hits.into()))))}
            </td>
            <td role="cell" data-label=actions class="hunt-actions"><EndButton hunt /></td>
        </tr>
    }
}

/// How a hunt stands, as a badge.
#[component]
pub fn Stands(hunt: Memo<Option<Hunt>>) -> impl IntoView {
    let stands = memo(move || hunt.with(|hunt| hunt.as_ref().map(|hunt| hunt.state)));
    dynamic(move || {
        stands.get().map(|state| {
            let (word, tone, icon) = state_of(state);
            view! { <Badge tone icon>{word}</Badge> }
        })
    })
}

/// A bar while it runs, and how much is done.
#[component]
pub fn Progress(hunt: Memo<Option<Hunt>>) -> impl IntoView {
    let read = move |read: fn(&Hunt) -> String| hunt.with(|hunt| hunt.as_ref().map(read)).unwrap_or_default();
    let is_running =
        memo(move || hunt.with(|hunt| hunt.as_ref().is_some_and(|hunt| hunt.state == HuntState::Running)));
    let done = Signal::derive(move || {
        hunt.with(|hunt| {
            let tally = hunt.as_ref()?.tally;
            (tally.bytes_expected.0 > 0).then(|| percent(tally.bytes_done.0, tally.bytes_expected.0))
        })
    });
    view! {
        <span class="hunt-progress">
            <Show when=move || is_running.get()>
                <ProgressBar percent=done label=Signal::derive(move || format!("Hunt for {}", read(sought))) />
            </Show>
            <span class="number">{dynamic(move || read(progress))}</span>
        </span>
    }
}

/// Cancels a hunt, and asks whether it is to be removed when it has ended. One element for both: who has the focus on it keeps
/// it, and a second press is a question.
#[component]
pub fn EndButton(hunt: Memo<Option<Hunt>>) -> impl IntoView {
    let state = State::expect();
    let is_final = memo(move || hunt.with(|hunt| hunt.as_ref().is_some_and(|hunt| hunt.state.is_final())));
    let cancelled = RwSignal::new(false);
    let busy = Signal::derive(move || cancelled.get() && !is_final.get());
    let press = move |()| {
        let Some(hunt) = hunt.get_untracked() else { return };
        if hunt.state.is_final() {
            state.removing.set(Some(hunt));
        } else {
            cancelled.set(true);
            state.cancel(hunt.id, cancelled);
        }
    };
    let label = Signal::derive(move || {
        let what = if is_final.get() { "Remove…" } else { "Cancel" };
        hunt.with(|hunt| hunt.as_ref().map(|hunt| format!("{what} the hunt for {}", sought(hunt))))
    });
    view! {
        <Button size=ButtonSize::Small label on_press=press busy>
            {dynamic(move || if is_final.get() { "Remove…" } else { "Cancel" })}
        </Button>
    }
}
