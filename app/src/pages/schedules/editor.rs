//! The editor: what a schedule does, and the next runs of what is written, before it is kept.

use leptos::prelude::*;
use memdeck_model::Problem;
use memdeck_model::schedule::{Plan, Preview, Schedule, Weekday};

use super::draft::Draft;
use super::state::{Editing, State};
use crate::api::{self, ApiError};
use crate::data::Loader;
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Button, ButtonKind, Checkbox, Dialog, Select, Show, TextField};
use crate::words::sentence;

/// The time zone of the browser, which is the operator's.
fn own_zone() -> String {
    let options =
        js_sys::Intl::DateTimeFormat::new(&js_sys::Array::new(), &js_sys::Object::new()).resolved_options();
    let zone = js_sys::Reflect::get(&options, &"timeZone".into()).ok().and_then(|zone| zone.as_string());
    zone.unwrap_or_else(|| "UTC".to_owned())
}

fn options(options: &'static [(&'static str, &'static str)]) -> Vec<(String, String)> {
    options.iter().map(|(value, text)| ((*value).to_owned(), (*text).to_owned())).collect()
}

const EVERY: &[(&str, &str)] = &[
    ("hour", "Every hour"),
    ("day", "Every day"),
    ("week", "On days of the week"),
    ("month", "Every month"),
    ("cron", "Cron expression"),
];
const WHICH: &[(&str, &str)] = &[
    ("all", "All that run then"),
    ("pattern", "Those whose name matches"),
    ("named", "These"),
    ("host", "Those of a host"),
];
const MODES: &[(&str, &str)] = &[("auto", "Auto"), ("live", "Live"), ("frozen", "Frozen")];

#[component]
pub fn Editor() -> impl IntoView {
    let state = State::expect();
    let draft = Draft::new();
    let open = RwSignal::new(false);
    let pending = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let preview: Loader<Preview> = Loader::new();
    let before = StoredValue::new(None::<Schedule>);
    effect(move || {
        if let Editing::Of(schedule) = state.editing.get() {
            draft.fill(schedule.as_deref(), own_zone());
            before.set_value(schedule.map(|schedule| *schedule));
            problem.set(None);
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            state.editing.set(Editing::Nothing);
        }
    });
    let is_new = move || before.with_value(Option::is_none);
    let plan = memo(move || {
        before.with_value(|before| draft.plan(before.as_ref().map(|before: &Schedule| &before.plan)))
    });
    effect(move || {
        let plan: Result<Plan, String> = plan.get();
        if let (true, Ok(plan)) = (open.get(), plan) {
            preview.fetch(api::preview_schedule(plan));
        }
    });
    let obstacle = memo(move || {
        let written =
            before.with_value(|before| draft.schedule(before.as_ref().map(|before: &Schedule| &before.plan)));
        written
            .err()
            .map(|why| sentence(&why))
            .or_else(|| preview.problem().map(|problem| sentence(&problem.detail.to_string())))
    });
    let save = move |()| {
        let written =
            before.with_value(|before| draft.schedule(before.as_ref().map(|before: &Schedule| &before.plan)));
        let Ok(schedule) = written else { return };
        let fresh = is_new();
        pending.set(true);
        problem.set(None);
        leptos::task::spawn_local(async move {
            let answer = api::save_schedule(schedule, fresh).await;
            pending.set(false);
            match answer {
                Ok(kept) => {
                    open.set(false);
                    state.tell(&format!("{} is kept.", kept.name));
                }
                Err(ApiError(refused)) => problem.set(Some(refused)),
            }
        });
    };
    let title = Signal::derive(move || {
        open.track();
        before.with_value(|before| match before {
            Some(schedule) => format!("Edit {}", schedule.name),
            None => "New schedule".to_owned(),
        })
    });
    view! {
        <Dialog open id="schedule-editor" title wide=true>
            <div class="schedule-form">
                <TextField id="schedule-name" label="Name" value=draft.name disabled=Signal::derive(move || !is_new()) />
                <When draft />
                <Whom draft />
                <Manner draft />
            </div>
            <section class="schedule-preview" aria-labelledby="schedule-preview-title">
                <h3 id="schedule-preview-title">"Next runs"</h3>
                {dynamic(move || if plan.with(Result::is_err) { view! { <p class="secondary">"None, while something is missing."</p> }.into_any() } else {
                    let next = preview.with_data(|preview| preview.local.clone()).unwrap_or_default();
                    view! { <ol>{next.into_iter().map(|at| view! { <li class="number">{at}</li> }).collect_view()}</ol> }
                        .into_any()
                })}
            </section>
            <Refusal title="The schedule was not kept." problem />
            <p class="secondary" id="schedule-obstacle" role="status">{move || obstacle.get()}</p>
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false)>"Cancel"</Button>
                <Button
                    kind=ButtonKind::Primary
                    on_press=save
                    disabled=Signal::derive(move || obstacle.with(Option::is_some))
                    busy=pending
                    described_by="schedule-obstacle"
                >
                    "Save"
                </Button>
            </div>
        </Dialog>
    }
}

/// When it runs.
#[component]
fn When(draft: Draft) -> impl IntoView {
    let is = move |every: &'static str| move || draft.every.with(|chosen| chosen == every);
    let has_time = move || draft.every.with(|chosen| matches!(chosen.as_str(), "day" | "week" | "month"));
    view! {
        <fieldset class="schedule-group">
            <legend class="schedule-legend">"When"</legend>
            <Select
                id="schedule-every"
                label="How often"
                value=draft.every
                options=Signal::derive(|| options(EVERY))
                on_choose=move |every: String| draft.every.set(every)
            />
            <Show when=is("hour")>
                <TextField id="schedule-minute" label="Minute of the hour" value=draft.minute />
            </Show>
            <Show when=is("week")>
                <div class="schedule-days" role="group" aria-label="Days of the week">
                    {Weekday::ALL.map(|day| view! {
                        <Checkbox
                            checked=Signal::derive(move || draft.on.with(|on| on.contains(&day)))
                            on_change=move |chosen: bool| draft.on.update(|on| {
                                on.retain(|other| *other != day);
                                if chosen {
                                    on.push(day);
                                }
                            })
                        >
                            {day.name()}
                        </Checkbox>
                    }).collect_view()}
                </div>
            </Show>
            <Show when=is("month")>
                <TextField id="schedule-day" label="Day of the month" value=draft.day hint="1 to 28, which every month has." />
            </Show>
            <Show when=has_time>
                <TextField id="schedule-at" label="Time" value=draft.at hint="As in 02:30." />
            </Show>
            <Show when=is("cron")>
                <TextField
                    id="schedule-cron"
                    label="Cron expression"
                    value=draft.expression
                    hint="Minute, hour, day of the month, month, day of the week."
                />
            </Show>
            <TextField id="schedule-zone" label="Time zone" value=draft.zone hint="As in Europe/Berlin or UTC." />
        </fieldset>
    }
}

/// Whose memory is dumped.
#[component]
fn Whom(draft: Draft) -> impl IntoView {
    let is = move |which: &'static str| move || draft.which.with(|chosen| chosen == which);
    view! {
        <fieldset class="schedule-group">
            <legend class="schedule-legend">"Guests"</legend>
            <Select
                id="schedule-which"
                label="Which"
                value=draft.which
                options=Signal::derive(|| options(WHICH))
                on_choose=move |which: String| draft.which.set(which)
            />
            <Show when=is("pattern")>
                <TextField
                    id="schedule-pattern"
                    label="Pattern"
                    value=draft.whom
                    hint="* stands for any characters, ? for one."
                />
            </Show>
            <Show when=is("named")>
                <TextField id="schedule-guests" label="Names" value=draft.whom hint="Separated by commas." />
            </Show>
            <Show when=is("host")>
                <TextField id="schedule-host" label="Host" value=draft.whom />
            </Show>
        </fieldset>
    }
}

/// How they are dumped.
#[component]
fn Manner(draft: Draft) -> impl IntoView {
    view! {
        <fieldset class="schedule-group">
            <legend class="schedule-legend">"How"</legend>
            <Select
                id="schedule-mode"
                label="Mode"
                value=draft.mode
                options=Signal::derive(|| options(MODES))
                on_choose=move |mode: String| draft.mode.set(mode)
            />
            <TextField id="schedule-spread" label="Spread over minutes" value=draft.spread hint="0 begins all at once." />
            <TextField id="schedule-per-host" label="At a time on a host" value=draft.per_host hint="Empty for no limit." />
            <TextField id="schedule-make-up" label="Make up within minutes" value=draft.make_up hint="0 never makes up a missed run." />
            <TextField id="schedule-recent" label="Skip if dumped within minutes" value=draft.recent hint="Empty to dump in any case." />
            <Checkbox checked=draft.waits on_change=move |waits: bool| draft.waits.set(waits)>
                "Wait for the run before it"
            </Checkbox>
            <TextField id="schedule-case" label="Case" value=draft.case />
            <TextField id="schedule-note" label="Note" value=draft.note lines=2 />
        </fieldset>
    }
}
