//! Legal holds of a dump: shown with their reasons, placed and lifted where the dump is looked at.

use leptos::prelude::*;
use memdeck_model::retention::{Hold, HoldOf, NewHold};
use memdeck_model::{Permission, Problem, Record, Remark};

use super::state::DumpsState;
use crate::api::{self, ApiError};
use crate::data::MAY_NOT_HOLD;
use crate::pages::refusal::Refusal;
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{
    Badge, Button, ButtonKind, ButtonSize, Dialog, Failure, Icon, Moment, Select, Show, TextField, Tone,
};
use crate::words::{by_whom, shown};

/// What is asked about.
#[derive(Clone, PartialEq)]
pub enum Holding {
    /// To hold the image of this record, or all of its case.
    Place(Box<Record>),
    Lift(Hold),
}

/// Those of `holds` that keep the image of `record` from being deleted.
pub fn of_record(holds: &[Hold], record: &Record) -> Vec<Hold> {
    let is_held = |hold: &&Hold| {
        hold.lifted_at.is_none()
            && match &hold.of {
                HoldOf::Dump(dump_id) => record.dump_id.as_ref() == Some(dump_id),
                HoldOf::Case(case) => record.case.as_ref() == Some(case),
            }
    };
    holds.iter().filter(is_held).cloned().collect()
}

/// The holds of the dump that is shown, and what can be done about them.
#[component]
pub fn HoldPanel(#[prop(into)] record: Signal<Option<Record>>) -> impl IntoView {
    let state = DumpsState::expect();
    let may = state.data.overview.may(Permission::Delete);
    let problem = state.holds.why_failed();
    let held = memo(move || {
        let all = state.holds.with_data(|list| list.holds.clone())?;
        record.with(|record| record.as_ref().map(|record| of_record(&all, record)))
    });
    let place =
        move |()| state.holding.set(record.get_untracked().map(|record| Holding::Place(Box::new(record))));
    view! {
        <section class="verification" aria-label="Legal hold">
            <div class="verification-head">
                <div class="verification-text">
                    <Show when=move || problem.with(Option::is_some)>
                        <Failure
                            title="The legal holds could not be loaded."
                            detail=Signal::derive(move || problem.get().unwrap_or_default())
                            on_retry=move |()| state.fetch_holds()
                        />
                    </Show>
                    {dynamic(move || held.get().map(|held| if held.is_empty() {
                        view! {
                            <p>
                                <span class="secondary">
                                    "Under no legal hold: people and rules can delete the image."
                                </span>
                            </p>
                        }
                            .into_any()
                    } else {
                        held.into_iter().map(|hold| of_hold(state.holding, hold, may)).collect_view().into_any()
                    }))}
                </div>
                <Button
                    size=ButtonSize::Small
                    on_press=place
                    disabled=Signal::derive(move || !may.get())
                    described_by="no-hold"
                >
                    <IconOfHold />
                    "Hold…"
                </Button>
            </div>
            <p class="secondary" id="no-hold">{dynamic(move || (!may.get()).then_some(MAY_NOT_HOLD))}</p>
        </section>
    }
}

#[component]
fn IconOfHold() -> impl IntoView {
    view! { <crate::ui::IconView icon=Icon::Pause /> }
}

fn of_hold(holding: RwSignal<Option<Holding>>, hold: Hold, may: Memo<bool>) -> AnyView {
    let what = match &hold.of {
        HoldOf::Case(case) => format!("Its case {} is under legal hold", case.as_str()),
        HoldOf::Dump(_) => "Under legal hold".to_owned(),
    };
    let (reason, by, at) = (hold.reason.as_str().to_owned(), by_whom(&hold.by), hold.at);
    let label = format!("Lift the hold: {reason}");
    let kept = StoredValue::new(hold);
    view! {
        <div class="details-hold">
            <p>
                <Badge tone=Tone::Waiting icon=Icon::Pause>"Held"</Badge>
                {format!(" {what}: {reason}")}
            </p>
            <p class="secondary">"Since " <Moment instant=at /> {format!(" {by}")}</p>
            <Button
                size=ButtonSize::Small
                kind=ButtonKind::Quiet
                label=label
                disabled=Signal::derive(move || !may.get())
                described_by="no-hold"
                on_press=move |()| holding.set(Some(Holding::Lift(kept.get_value())))
            >
                "Lift the hold…"
            </Button>
        </div>
    }
    .into_any()
}

/// Asks for a reason, and places or lifts a hold.
#[component]
#[expect(clippy::too_many_lines, reason = "mostly the view")]
pub fn HoldDialog() -> impl IntoView {
    let state = DumpsState::expect();
    let open = RwSignal::new(false);
    let reason = RwSignal::new(String::new());
    let what = RwSignal::new("dump".to_owned());
    let (pending, problem) = (RwSignal::new(false), RwSignal::new(None::<Problem>));
    effect(move || {
        if state.holding.with(Option::is_some) {
            reason.set(String::new());
            what.set("dump".to_owned());
            problem.set(None);
            open.set(true);
        }
    });
    effect(move || {
        if !open.get() {
            state.holding.set(None);
        }
    });
    let is_lift = memo(move || state.holding.with(|asked| matches!(asked, Some(Holding::Lift(_)))));
    let case = memo(move || {
        state.holding.with(|asked| match asked {
            Some(Holding::Place(record)) => record.case.clone(),
            _ => None,
        })
    });
    let title = Signal::derive(move || {
        state.holding.with(|asked| match asked {
            Some(Holding::Place(record)) => format!("Hold the image of {}?", shown(&record.dom.0)),
            Some(Holding::Lift(hold)) => format!("Lift the hold on {}?", hold.of),
            None => String::new(),
        })
    });
    let consequence = move || {
        if is_lift.get() {
            "Its images can be deleted again, by people, and by rules within a minute. The hold stays in the list, with the \
             reason."
        } else {
            "Nobody can delete the image until the hold is lifted: neither people nor rules."
        }
    };
    let why = memo(move || reason.with(|reason| reason.trim().parse::<Remark>().ok()));
    let go = move |()| {
        let (Some(asked), Some(why)) = (state.holding.get_untracked(), why.get_untracked()) else { return };
        let of_case = what.with_untracked(|what| what == "case");
        pending.set(true);
        leptos::task::spawn_local(async move {
            let answer = match asked {
                Holding::Lift(hold) => api::lift_hold(hold.id, why).await,
                Holding::Place(record) => {
                    let of_case = record.case.filter(|_| of_case).map(HoldOf::Case);
                    let Some(of) = of_case.or(record.dump_id.map(HoldOf::Dump)) else { return };
                    api::add_hold(NewHold { of, reason: why }).await
                }
            };
            pending.set(false);
            match answer {
                Ok(hold) => {
                    open.set(false);
                    state.tell_of_hold(&hold);
                }
                Err(ApiError(refused)) => problem.set(Some(refused)),
            }
        });
    };
    let choices = move || {
        let case = case.get().map(|case| ("case".to_owned(), format!("All of case {}", case.as_str())));
        [("dump".to_owned(), "This dump".to_owned())].into_iter().chain(case).collect::<Vec<_>>()
    };
    view! {
        <Dialog open id="dump-hold-title" title>
            <p class="dialog-consequence">{dynamic(consequence)}</p>
            <Show when=move || case.with(Option::is_some)>
                <Select
                    id="dump-hold-what"
                    label="What"
                    value=what
                    options=Signal::derive(choices)
                    on_choose=move |chosen: String| what.set(chosen)
                />
            </Show>
            <TextField id="dump-hold-reason" label="Reason" value=reason lines=2 />
            <Refusal title="That was not done." problem />
            <div class="dialog-buttons">
                <Button on_press=move |()| open.set(false) autofocus=true>
                    {move || if is_lift.get() { "Keep the hold" } else { "Cancel" }}
                </Button>
                {dynamic(move || {
                    let (kind, word) = if is_lift.get() {
                        (ButtonKind::Danger, "Lift the hold")
                    } else {
                        (ButtonKind::Primary, "Hold")
                    };
                    view! {
                        <Button
                            kind
                            on_press=go
                            busy=pending
                            disabled=Signal::derive(move || why.with(Option::is_none))
                        >
                            {word}
                        </Button>
                    }
                })}
            </div>
        </Dialog>
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::{Actor, GuestName};

    use super::*;

    #[test]
    fn a_dump_is_held_by_itself_or_by_its_case_until_that_is_lifted() {
        let at = std::time::UNIX_EPOCH.into();
        let hold = |id, of| Hold {
            id,
            of,
            reason: "a court wants it".parse().unwrap(),
            by: Actor::Page,
            at,
            lifted_at: None,
            lifted_by: None,
            lift_reason: None,
        };
        let case = |name: &str| HoldOf::Case(name.parse().unwrap());
        let holds = [
            hold(1, HoldOf::Dump("a1".parse().unwrap())),
            hold(2, case("IR-1")),
            hold(3, case("IR-2")),
            Hold { lifted_at: Some(at), ..hold(4, case("IR-1")) },
            hold(5, HoldOf::Dump("b2".parse().unwrap())),
        ];
        let plain = Record::unknown(GuestName("web-01".into()), "1".into(), at);
        assert!(of_record(&holds, &plain).is_empty());
        let record =
            Record { dump_id: Some("a1".parse().unwrap()), case: Some("IR-1".parse().unwrap()), ..plain };
        assert_eq!(of_record(&holds, &record).iter().map(|hold| hold.id).collect::<Vec<_>>(), [1, 2]);
    }
}
