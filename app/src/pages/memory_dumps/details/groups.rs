//! Groups of facts on screen.

use leptos::prelude::*;

use crate::ui::{CopyButton, Instant, Unknown};
use crate::words::lower_first;
use crate::words::{Fact, Group, Room, Value};

/// A heading and what is known under it.
#[component]
pub fn GroupView(
    /// What is known.
    group: Group,
    /// Whose dump it is, for the names of the buttons.
    guest: String,
) -> impl IntoView {
    let Group { title, room, facts } = group;
    let label = title.clone();
    let class = match room {
        Room::Little => "details-group",
        Room::Tall => "details-group details-group-tall",
        Room::Wide => "details-group details-group-wide",
    };
    view! {
        <section class=class aria-label=label>
            <h3>{title}</h3>
            <dl class="details-facts">
                {facts
                    .into_iter()
                    .map(move |fact| view! { <FactView fact guest=guest.clone() /> })
                    .collect_view()}
            </dl>
        </section>
    }
}

#[component]
fn FactView(fact: Fact, guest: String) -> impl IntoView {
    let Fact { name, value } = fact;
    let value = match value {
        Value::Text(text) => view! { <span class="details-text">{text}</span> }.into_any(),
        Value::Code(text) => view! { <code>{text}</code> }.into_any(),
        Value::Copied(text) => {
            let what = format!("{} of {guest}", lower_first(&name));
            view! {
                <span class="details-copied">
                    <code>{text.clone()}</code>
                    <CopyButton text what />
                </span>
            }
            .into_any()
        }
        Value::Instant(instant) => view! { <Instant instant /> }.into_any(),
        Value::Lines(lines) => {
            let line = |line: String| view! { <li>{line}</li> };
            view! { <ul class="details-lines">{lines.into_iter().map(line).collect_view()}</ul> }.into_any()
        }
        Value::Unknown => view! { <Unknown what=name.clone() /> }.into_any(),
    };
    view! {
        <div class="details-fact">
            <dt>{name}</dt>
            <dd class="number">{value}</dd>
        </div>
    }
}
