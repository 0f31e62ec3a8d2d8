//! One chart with its legend, the same in a sentence, and the same numbers as a table.

use leptos::prelude::*;

use super::amounts::{Amount, Amounts};
use crate::ui::erase::{dynamic, effect, memo};
use crate::ui::{Chart, ChartHandle, ChartKind, Table, charts_failed};

#[component]
pub fn AmountCard(
    /// The id of the heading.
    id: &'static str,
    #[prop(into)] title: Signal<String>,
    /// What it shows; `None` until that is known.
    amounts: Memo<Option<Amounts>>,
    /// The same in a sentence.
    summary: Memo<String>,
    /// What is said where there is nothing to draw.
    nothing: &'static str,
) -> impl IntoView {
    let seen = RwSignal::new(false);
    let handle = ChartHandle::new();
    let cannot_draw = charts_failed();
    effect(move || {
        // Then nobody says what is in view; sentence and table are there all the same.
        if cannot_draw.get() {
            seen.set(true);
        }
    });
    let is_empty = memo(move || amounts.with(|amounts| amounts.as_ref().is_some_and(Amounts::is_empty)));
    let draw = move || amounts.with(|amounts| amounts.as_ref().map(Amounts::drawing));
    view! {
        <section class="card trend" aria-labelledby=id>
            <header class="card-head">
                <h2 class="card-title" id=id>
                    {title}
                </h2>
            </header>
            <div class="trend-body" class:is-empty=is_empty>
                <Chart handle seen draw=Box::new(draw) kind=ChartKind::Amounts />
                {dynamic(move || is_empty.get().then(|| view! { <p class="trend-nothing">{nothing}</p> }))}
                {dynamic(move || amounts.get().map(legend))}
                <p class="trend-summary">{summary}</p>
                <details class="trend-numbers">
                    <summary>"Numbers"</summary>
                    {dynamic(move || amounts.get().map(|amounts| numbers(&amounts, title.get())))}
                </details>
            </div>
        </section>
    }
}

/// The names and colours, the uppermost first, as they lie on top of each other.
fn legend(amounts: Amounts) -> AnyView {
    let entry = |amount: Amount| {
        view! {
            <li>
                <span class="trend-colour" style:background=format!("var({})", amount.colour) aria-hidden="true"></span>
                {amount.name}
            </li>
        }
    };
    if amounts.parts.len() < 2 {
        return ().into_any();
    }
    view! { <ul class="trend-legend">{amounts.parts.into_iter().map(entry).collect_view()}</ul> }.into_any()
}

fn numbers(amounts: &Amounts, caption: String) -> AnyView {
    let (measure, first) = (amounts.measure, amounts.row);
    let heads = amounts.parts.iter().map(|amount| view! { <th scope="col">{amount.name.clone()}</th> });
    let heads = heads.collect_view();
    // The newest first, as in other tables; lengths from the shortest on.
    let mut order: Vec<usize> = (0..amounts.rows.len()).collect();
    if amounts.is_over_time {
        order.reverse();
    }
    let row = |row: usize| {
        let cells = amounts.parts.iter().map(|amount| amount.values.get(row).copied().flatten());
        let text =
            |value: Option<u64>| value.map_or_else(|| "not known".to_owned(), |value| measure.text(value));
        let cells = cells.map(|value| view! { <td class="number">{text(value)}</td> }).collect_view();
        let name = amounts.rows.get(row).map(|row| row.long.clone());
        view! {
            <tr>
                <th scope="row">{name}</th>
                {cells}
            </tr>
        }
    };
    let rows = order.into_iter().map(row).collect_view();
    view! {
        <div class="numbers">
            <Table caption>
                <thead>
                    <tr>
                        <th scope="col">{first}</th>
                        {heads}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </Table>
        </div>
    }
    .into_any()
}
