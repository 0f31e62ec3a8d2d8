//! The guest's operating system.

use leptos::prelude::*;

use super::state::State;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Badge, Card, Icon, Instant, Tone, Unknown};
use crate::words::{Fact, Value};

#[component]
pub fn Facts() -> impl IntoView {
    let state = State::expect();
    let facts = memo(move || {
        let read = state
            .with_known(|known| known.read.as_ref().map(|read| (read.facts.clone(), read.warning.clone())));
        read.flatten().unwrap_or_default()
    });
    let warning = move || {
        facts.with(|(_, warning)| warning.clone()).map(|warning| {
            view! {
                <p class="inside-warning" role="alert">
                    <Badge tone=Tone::Bad icon=Icon::Alert>"Hidden"</Badge>
                    " "
                    {warning}
                </p>
            }
        })
    };
    view! {
        <Card id="inside-system" title="System">
            {dynamic(warning)}
            <dl class="inside-facts">
                {dynamic(move || facts.with(|(facts, _)| facts.iter().cloned().map(fact).collect_view()))}
            </dl>
        </Card>
    }
}

fn fact(Fact { name, value }: Fact) -> AnyView {
    let value = match value {
        Value::Text(text) => view! { <span>{text}</span> }.into_any(),
        Value::Code(text) | Value::Copied(text) => view! { <code>{text}</code> }.into_any(),
        Value::Instant(instant) => view! { <Instant instant /> }.into_any(),
        Value::Lines(lines) => view! { <span>{lines.join(", ")}</span> }.into_any(),
        Value::Unknown => view! { <Unknown what=name.clone() /> }.into_any(),
    };
    view! {
        <div>
            <dt>{name}</dt>
            <dd class="number">{value}</dd>
        </div>
    }
    .into_any()
}
