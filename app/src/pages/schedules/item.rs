//! One schedule of the list.

use leptos::prelude::*;
use memdeck_model::schedule::Schedule;

use super::state::State;
use super::words::{manner, outcome, state_of, whom};
use crate::ui::erase::dynamic;
use crate::ui::{Badge, Button, ButtonKind, ButtonSize, Icon, Instant, Moment, Tone};
use crate::words::{by_whom, upper_first};

/// When it runs, whom it dumps, its next and its last run, and what can be done with it.
#[component]
pub fn Item(schedule: Schedule) -> impl IntoView {
    let state = State::expect();
    let Schedule { name, plan, paused, changed_by, changed_at, next, last } = schedule.clone();
    let kept = StoredValue::new(schedule);
    let title = name.to_string();
    let labelled = format!("schedule-{name}");
    let heading = labelled.clone();
    let of = |what: &str| format!("{what} {title}");
    let (run_label, pause_label, edit_label, remove_label) =
        (of("Run now:"), of(if paused { "Resume" } else { "Pause" }), of("Edit"), of("Remove"));
    let label_of_runs = of("Runs of");
    let (to_run, to_pause, to_show) = (name.clone(), name.clone(), name);
    let last = StoredValue::new(last);
    view! {
        <li class="card schedule" aria-labelledby=labelled>
            <header class="card-head">
                <h2 class="card-title" id=heading>{title.clone()}</h2>
                {paused.then(|| view! { <Badge tone=Tone::Waiting icon=Icon::Pause>"Paused"</Badge> })}
            </header>
            <dl class="facts schedule-facts">
                <dt>"When"</dt>
                <dd>{format!("{} ({})", upper_first(&plan.when.to_string()), plan.zone)}</dd>
                <dt>"Guests"</dt>
                <dd>{whom(&plan.guests)}</dd>
                <dt>"How"</dt>
                <dd>{upper_first(&manner(&plan))}</dd>
                <dt>"Next run"</dt>
                <dd>
                    {match next {
                        Some(next) => view! { <Instant instant=next /> " (" <Moment instant=next /> ")" }.into_any(),
                        None if paused => "None while it is paused".into_any(),
                        None => "Never".into_any(),
                    }}
                </dd>
                <dt>"Last run"</dt>
                <dd>
                    {dynamic(move || match last.get_value() {
                        None => "None yet".into_any(),
                        Some(run) => {
                            let (word, tone, icon) = state_of(&run);
                            view! {
                                <Badge tone icon>{word}</Badge>
                                " "
                                <Moment instant=run.planned />
                                {Some(outcome(&run)).filter(|text| !text.is_empty()).map(|text| format!(": {text}"))}
                            }
                                .into_any()
                        }
                    })}
                </dd>
                <dt>"Changed"</dt>
                <dd><Moment instant=changed_at /> " " {by_whom(&changed_by)}</dd>
            </dl>
            <div class="schedule-buttons">
                <Button size=ButtonSize::Small label=run_label on_press=move |()| state.run_now(to_run.clone())>
                    "Run now"
                </Button>
                <Button size=ButtonSize::Small label=pause_label on_press=move |()| state.pause(to_pause.clone(), !paused)>
                    {if paused { "Resume" } else { "Pause" }}
                </Button>
                <Button size=ButtonSize::Small label=label_of_runs on_press=move |()| state.show_runs(to_show.clone())>
                    "Runs"
                </Button>
                <Button size=ButtonSize::Small label=edit_label on_press=move |()| state.edit(Some(kept.get_value()))>
                    "Edit…"
                </Button>
                <Button
                    size=ButtonSize::Small
                    kind=ButtonKind::Quiet
                    label=remove_label
                    on_press=move |()| state.removing.set(Some(kept.get_value()))
                >
                    "Remove…"
                </Button>
            </div>
        </li>
    }
}
