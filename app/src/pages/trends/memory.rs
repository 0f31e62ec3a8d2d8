//! The memory of one guest over its dumps.

use leptos::prelude::*;
use memdeck_model::{GuestName, GuestTimeline, Timestamp};

use super::amount_card::AmountCard;
use super::amounts::Amounts;
use super::memory_amounts::{self, Clock};
use super::state::State;
use crate::pages::dump_links::comparison_of;
use crate::time::local_time;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Card, Failure, Select, Show, Skeleton};
use crate::words::shown;

#[component]
pub fn Memory() -> impl IntoView {
    let state = State::expect();
    let timeline = state.timeline;
    let problem = timeline.why_failed();
    let value = memo(move || state.guest.get().map(|guest| guest.0).unwrap_or_default());
    let options = memo(move || {
        let mut names: Vec<String> = state
            .guests
            .with_data(|dumps| dumps.iter().map(|dump| dump.dom.0.clone()).collect())
            .unwrap_or_default();
        names.extend(state.guest.get().map(|guest| guest.0));
        names.sort();
        names.dedup();
        let none = (String::new(), "Choose a VM".to_owned());
        std::iter::once(none)
            .chain(names.into_iter().map(|name| (name.clone(), shown(&name))))
            .collect::<Vec<_>>()
    });
    let choose = move |name: String| state.show_guest((!name.is_empty()).then_some(GuestName(name)).as_ref());
    let is_chosen = memo(move || state.guest.with(Option::is_some));
    let has_data = memo(move || is_chosen.get() && timeline.has_data());
    let is_loading = memo(move || is_chosen.get() && !timeline.has_data() && problem.with(Option::is_none));
    let of = move |make: fn(&GuestTimeline, Clock) -> Amounts| {
        memo(move || timeline.with_data(|timeline| make(timeline, clock)))
    };
    let with_processes =
        memo(move || timeline.with_data(|timeline| timeline.with_processes).unwrap_or(false));
    let none = memo(String::new);
    view! {
        <Card id="trends-memory" title="Memory of a VM over its dumps">
            <Select id="trends-vm" label="VM" value=value options=options on_choose=choose />
            <Show when=move || is_chosen.get() && problem.with(Option::is_some)>
                <Failure
                    title="The dumps could not be compared."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch_timeline()
                />
            </Show>
            <Show when=move || is_loading.get()>
                <Skeleton rows=4 label="Comparing the dumps" />
            </Show>
            <Show when=move || has_data.get()>
                <p class="trend-about">{dynamic(move || timeline.with_data(about))}</p>
                {dynamic(move || timeline.with_data(most_changed))}
            </Show>
        </Card>
        <Show when=move || has_data.get()>
            <div class="trends">
                <AmountCard
                    id="trends-changed"
                    title="Memory that changed since the dump before"
                    amounts=of(memory_amounts::changed)
                    summary=none
                    nothing="There is nothing to compare yet."
                />
                <AmountCard
                    id="trends-entropy"
                    title="Mean entropy"
                    amounts=of(memory_amounts::entropy)
                    summary=none
                    nothing="No page map can be used."
                />
                <Show when=move || with_processes.get()>
                    <AmountCard
                        id="trends-began"
                        title="New programs since the dump before"
                        amounts=of(memory_amounts::began)
                        summary=none
                        nothing="The inside of two dumps, one after the other, must have been read."
                    />
                </Show>
            </div>
        </Show>
    }
}

fn clock(at: Timestamp) -> (String, String) {
    let local = local_time(at);
    (local.date, local.clock)
}

fn about(timeline: &GuestTimeline) -> String {
    let pending = timeline.pending;
    let about = memory_amounts::about(timeline);
    if pending == 0 { about } else { format!("{about} {pending} more are being looked at.") }
}

/// Where most changed, and the way there.
fn most_changed(timeline: &GuestTimeline) -> AnyView {
    let most =
        memory_amounts::most_changed(timeline).and_then(|(point, changes)| Some((point, changes.share()?)));
    let Some((point, share)) = most else { return ().into_any() };
    let (day, time) = clock(point.taken_at);
    view! {
        <p>
            {format!("Most changed before the dump of {day} {time}: {share}. ")}
            <a href=comparison_of(&point.dump_id)>"Compare it with the one before"</a>
        </p>
    }
    .into_any()
}
