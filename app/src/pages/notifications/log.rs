//! What became of each message.

use leptos::prelude::*;
use memdeck_model::notice::{Delivery, DeliveryState};

use super::state::{MOST_SHOWN, State};
use super::words::{failures, state_of};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{
    Badge, Button, ButtonSize, Card, EmptyState, Failure, Icon, Moment, Select, Show, Skeleton, Table, list,
};

const COLUMNS: [&str; 6] = ["When", "Target", "State", "What", "Failed", "Actions"];
const SHOWN: [(&str, &str); 4] =
    [("", "All"), ("waiting", "Waiting"), ("delivered", "Delivered"), ("dead", "Given up")];

#[component]
pub fn Log() -> impl IntoView {
    let state = State::expect();
    let problem = state.log.why_failed();
    let is_empty = memo(move || state.log.with_data(|log| log.deliveries.is_empty()));
    let deliveries = move || state.log.with_data(|log| log.deliveries.clone()).unwrap_or_default();
    let more =
        memo(move || state.log.with_data(|log| log.total.saturating_sub(u64::from(MOST_SHOWN))).unwrap_or(0));
    view! {
        <Card id="notice-log" title="Delivery log" class="deliveries">
            <div class="retention-floor">
                <Select
                    id="notice-log-state"
                    label="Messages"
                    value=state.shown
                    options=Signal::derive(|| SHOWN.map(|(value, text)| (value.to_owned(), text.to_owned())).to_vec())
                    on_choose=move |chosen: String| state.show(chosen)
                />
            </div>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The messages could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch()
                />
            </Show>
            {dynamic(move || match is_empty.get() {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=4 label="Loading the messages" /> }.into_any(),
                Some(true) if state.shown.with(String::is_empty) => {
                    view! {
                        <EmptyState title="No messages yet" icon=Icon::Clock>
                            "Each message stands here, with how often it failed and why."
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(true) => {
                    view! {
                        <EmptyState title="No such messages" icon=Icon::Search>
                            <Button size=ButtonSize::Small on_press=move |()| state.show(String::new())>
                                "Show all messages"
                            </Button>
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(false) => {
                    view! {
                        <Table caption="Messages to targets">
                            <thead role="rowgroup">
                                <tr role="row">
                                    {COLUMNS.map(|column| view! { <th scope="col" role="columnheader">{column}</th> }).collect_view()}
                                </tr>
                            </thead>
                            <tbody role="rowgroup">
                                {list(
                                    deliveries,
                                    |one: &Delivery| format!("{} {} {} {}", one.id, one.state, one.attempts, one.count),
                                    move |delivery| row(state, delivery),
                                )}
                            </tbody>
                        </Table>
                    }
                        .into_any()
                }
            })}
            <Show when=move || { more.get() > 0 }>
                <p class="secondary">{move || format!("{} older messages are not shown.", more.get())}</p>
            </Show>
        </Card>
    }
}

fn row(state: State, delivery: Delivery) -> AnyView {
    let [when, target, stands, what, failed, actions] = COLUMNS;
    let (word, tone, icon) = state_of(&delivery);
    let Delivery { id, target: to, state: is, title, text, attempts, error, created_at, next_at, .. } =
        delivery;
    let text = text.to_string();
    let text = Some(text).filter(|text| *text != title.to_string());
    let label = format!("Send again to {to}: {title}");
    let failures = failures(attempts, error.as_ref());
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" data-label=when><Moment instant=created_at /></th>
            <td role="cell" data-label=target>{to.to_string()}</td>
            <td role="cell" data-label=stands><Badge tone icon>{word}</Badge></td>
            <td role="cell" data-label=what>
                <div>
                    <p>{title.to_string()}</p>
                    {text.map(|text| view! { <p class="secondary notice-text">{text}</p> })}
                </div>
            </td>
            <td role="cell" data-label=failed>
                <div>
                    <p>{failures}</p>
                    {(attempts > 0).then_some(next_at).flatten().map(|instant| view! {
                        <p class="secondary">"Next " <Moment instant /></p>
                    })}
                </div>
            </td>
            <td role="cell" data-label=actions>
                {if is == DeliveryState::Dead {
                    view! {
                        <Button size=ButtonSize::Small label on_press=move |()| state.retry(id.clone())>"Send again"</Button>
                    }
                        .into_any()
                } else {
                    ().into_any()
                }}
            </td>
        </tr>
    }
    .into_any()
}
