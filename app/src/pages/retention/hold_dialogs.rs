//! Holds are set and lifted with a reason.

use std::future::Future;

use leptos::prelude::*;
use memdeck_model::retention::{Hold, HoldOf, NewHold};
use memdeck_model::{Problem, Remark};

use super::state::State;
use crate::api::{self, ApiError};
use crate::pages::refusal::Refusal;
use crate::ui::erase::{effect, memo};
use crate::ui::{Button, ButtonKind, Dialog, Select, TextField};

const WHAT: [(&str, &str); 2] = [("case", "A case"), ("dump", "A dump")];

#[component]
pub fn AddHold(open: RwSignal<bool>) -> impl IntoView {
    let state = State::expect();
    let what = RwSignal::new("case".to_owned());
    let name = RwSignal::new(String::new());
    let reason = RwSignal::new(String::new());
    let (pending, problem) = (RwSignal::new(false), RwSignal::new(None::<Problem>));
    effect(move || {
        if open.get() {
            name.set(String::new());
            reason.set(String::new());
            problem.set(None);
        }
    });
    let hold = memo(move || {
        let name = name.with(|name| name.trim().to_owned());
        let of = match what.get().as_str() {
            "dump" => HoldOf::Dump(name.parse().ok()?),
            _ => HoldOf::Case(name.parse().ok()?),
        };
        Some(NewHold { of, reason: reason.with(|reason| reason.trim().parse().ok())? })
    });
    let add = move |()| {
        let Some(hold) = hold.get_untracked() else { return };
        ask(state, open, pending, problem, api::add_hold(hold), "is held");
    };
    view! {
        <Dialog open id="hold-add" title="Hold images">
            <Select
                id="hold-what"
                label="What"
                value=what
                options=Signal::derive(|| WHAT.map(|(value, text)| (value.to_owned(), text.to_owned())).to_vec())
                on_choose=move |chosen: String| what.set(chosen)
            />
            <TextField id="hold-name" label="Case number or dump id" value=name hint="A case also means dumps of it that are yet to come." />
            <TextField id="hold-reason" label="Reason" value=reason lines=2 />
            <Refusal title="That was not done." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false)>"Cancel"</Button>
                <Button
                    kind=ButtonKind::Primary
                    on_press=add
                    busy=pending
                    disabled=Signal::derive(move || hold.with(Option::is_none))
                >
                    "Hold"
                </Button>
            </div>
        </Dialog>
    }
}

#[component]
pub fn LiftHold(lifting: RwSignal<Option<Hold>>) -> impl IntoView {
    let state = State::expect();
    let open = RwSignal::new(false);
    let reason = RwSignal::new(String::new());
    let (pending, problem) = (RwSignal::new(false), RwSignal::new(None::<Problem>));
    effect(move || {
        if lifting.with(Option::is_some) {
            reason.set(String::new());
            problem.set(None);
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            lifting.set(None);
        }
    });
    let title = Signal::derive(move || {
        lifting
            .with(|hold| hold.as_ref().map(|hold| format!("Lift the hold on {}?", hold.of)))
            .unwrap_or_default()
    });
    let why = memo(move || reason.with(|reason| reason.trim().parse::<Remark>().ok()));
    let lift = move |()| {
        let id = lifting.with_untracked(|hold| hold.as_ref().map(|hold| hold.id));
        let (Some(id), Some(why)) = (id, why.get_untracked()) else { return };
        ask(state, open, pending, problem, api::lift_hold(id, why), "is not held any more");
    };
    view! {
        <Dialog open id="hold-lift" title>
            <p class="dialog-consequence">
                "Its images can be deleted again, by people, and by rules within a minute. The hold stays in the list, with the reason."
            </p>
            <TextField id="hold-lift-reason" label="Reason" value=reason lines=2 />
            <Refusal title="That was not done." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>"Keep the hold"</Button>
                <Button
                    kind=ButtonKind::Danger
                    on_press=lift
                    busy=pending
                    disabled=Signal::derive(move || why.with(Option::is_none))
                >
                    "Lift the hold"
                </Button>
            </div>
        </Dialog>
    }
}

fn ask<F>(
    state: State,
    open: RwSignal<bool>,
    pending: RwSignal<bool>,
    problem: RwSignal<Option<Problem>>,
    request: F,
    done: &'static str,
) where
    F: Future<Output = Result<Hold, ApiError>> + 'static,
{
    pending.set(true);
    leptos::task::spawn_local(async move {
        let answer = request.await;
        pending.set(false);
        match answer {
            Ok(hold) => {
                open.set(false);
                let what = hold.of.to_string();
                state.tell(&format!("{} {done}.", crate::words::upper_first(&what)));
                state.fetch();
            }
            Err(ApiError(refused)) => problem.set(Some(refused)),
        }
    });
}
