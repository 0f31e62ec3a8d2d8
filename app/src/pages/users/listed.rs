//! What was fetched as a table, or why there is none.

use leptos::prelude::*;

use super::state::UsersState;
use crate::data::Loader;
use crate::ui::erase::memo;
use crate::ui::{Failure, Show, Table};

/// What is known of a list, whatever is in it.
#[derive(Clone, Copy)]
pub struct Known {
    problem: Memo<Option<String>>,
    /// Unknown while nothing was fetched.
    is_empty: Memo<Option<bool>>,
}

impl Known {
    pub fn of<T: Clone + Send + Sync + 'static>(list: Loader<Vec<T>>) -> Self {
        Self { problem: list.why_failed(), is_empty: memo(move || list.with_data(Vec::is_empty)) }
    }
}

/// The rows of a list below its columns, or a sentence where there are none.
#[component]
pub fn Listed(
    known: Known,
    caption: &'static str,
    columns: &'static [&'static str],
    /// What is said where there is nothing.
    nothing: &'static str,
    /// What is said where nothing could be fetched.
    failed: &'static str,
    /// The rows.
    children: ChildrenFn,
) -> impl IntoView {
    let state = UsersState::expect();
    let Known { problem, is_empty } = known;
    let children = StoredValue::new(children);
    view! {
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title=failed
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| state.fetch()
            />
        </Show>
        <Show when=move || is_empty.get() == Some(true)>
            <p>{nothing}</p>
        </Show>
        <Show when=move || is_empty.get() == Some(false)>
            <Table caption>
                <thead role="rowgroup">
                    <tr role="row">
                        {columns.iter().map(|column| view! { <th scope="col" role="columnheader">{*column}</th> }).collect_view()}
                    </tr>
                </thead>
                <tbody role="rowgroup">{children.with_value(|children| children())}</tbody>
            </Table>
        </Show>
    }
}
