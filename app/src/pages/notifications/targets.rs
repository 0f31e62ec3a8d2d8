//! Where notifications go.

use leptos::prelude::*;
use memdeck_model::notice::{Target, TargetList, TargetName};

use super::state::{Editing, Removing, State};
use super::words::{came_of, kept_secret, kind_name};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{
    Badge, Button, ButtonKind, ButtonSize, Card, EmptyState, Failure, Icon, Show, Skeleton, Tone, list,
};

#[component]
pub fn Targets() -> impl IntoView {
    let state = State::expect();
    let targets = state.targets;
    let problem = targets.why_failed();
    let is_empty = memo(move || targets.with_data(|list| list.targets.is_empty()));
    let names = move || {
        let names = |list: &TargetList| list.targets.iter().map(|target| target.name.clone()).collect();
        targets.with_data(names).unwrap_or_default()
    };
    let aside = move || {
        view! {
            <Button
                kind=ButtonKind::Primary
                size=ButtonSize::Small
                on_press=move |()| state.editing.set(Editing::Of(None))
            >
                "Add a target…"
            </Button>
        }
    };
    view! {
        <Card id="notice-targets" title="Targets" aside>
            <p class="secondary">"Where messages go. Nothing is sent to a target before a rule says so."</p>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The targets could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch()
                />
            </Show>
            {dynamic(move || match is_empty.get() {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=2 label="Loading the targets" /> }.into_any(),
                Some(true) => {
                    view! {
                        <EmptyState title="No targets" icon=Icon::Info>
                            "Add a webhook, mail addresses, or a channel of Slack or Teams; then say in a rule what it is told."
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(false) => {
                    view! {
                        <ul class="retention-rules notice-targets">
                            {list(names, ToString::to_string, |name: TargetName| view! { <Item name /> })}
                        </ul>
                    }
                        .into_any()
                }
            })}
        </Card>
    }
}

/// A target. Its buttons stay the same while its figures change: whoever is on one keeps it.
#[component]
fn Item(name: TargetName) -> impl IntoView {
    let state = State::expect();
    let key = StoredValue::new(name.clone());
    let target = memo(move || {
        let find = |list: &TargetList| {
            key.with_value(|name| list.targets.iter().find(|target| target.name == *name).cloned())
        };
        state.targets.with_data(find).flatten()
    });
    let tried = memo(move || key.with_value(|name| state.tried.with(|tried| tried.get(name).cloned())));
    let of = |what: &str| format!("{what} {name}");
    let (test, edit, remove) = (of("Test"), of("Edit"), of("Remove"));
    let (title, tested) = (name.to_string(), name);
    view! {
        <li class="retention-rule">
            <div>
                <p class="retention-whom">{title}</p>
                {dynamic(move || target.get().map(|target| facts(&target)))}
                <p role="status">
                    {dynamic(move || tried.get().map(|tried| {
                        let (word, tone, icon, detail) = came_of(&tried);
                        view! { <Badge tone icon>{word}</Badge> " " {detail} }
                    }))}
                </p>
            </div>
            <div class="schedule-buttons">
                <Button size=ButtonSize::Small label=test on_press=move |()| state.try_target(tested.clone())>
                    "Test"
                </Button>
                <Button
                    size=ButtonSize::Small
                    label=edit
                    on_press=move |()| state.editing.set(Editing::Of(target.get_untracked().map(Box::new)))
                >
                    "Edit…"
                </Button>
                <Button
                    size=ButtonSize::Small
                    kind=ButtonKind::Quiet
                    label=remove
                    on_press=move |()| state.removing.set(target.get_untracked().map(Removing::Target))
                >
                    "Remove…"
                </Button>
            </div>
        </li>
    }
}

fn facts(target: &Target) -> AnyView {
    let (waiting, dead) = (target.waiting, target.dead);
    view! {
        <p>{format!("{}: {}", kind_name(target.kind), target.shown)}</p>
        <p class="secondary">{kept_secret(target)}</p>
        {(waiting > 0 || dead > 0).then(|| view! {
            <p class="notice-counts">
                {(waiting > 0).then(|| view! {
                    <Badge tone=Tone::Waiting icon=Icon::Clock>{format!("{waiting} waiting")}</Badge>
                })}
                {(dead > 0).then(|| view! {
                    <Badge tone=Tone::Bad icon=Icon::Alert>{format!("{dead} given up")}</Badge>
                })}
            </p>
        })}
    }
    .into_any()
}
