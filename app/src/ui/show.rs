//! What is there only under a condition.

use std::sync::Arc;

use leptos::prelude::*;

use super::erase::{dynamic, memo};

/// Whether something is shown: a closure that reads signals.
pub struct Condition(Box<dyn Fn() -> bool + Send + Sync>);

impl<F: Fn() -> bool + Send + Sync + 'static> From<F> for Condition {
    fn from(holds: F) -> Self {
        Self(Box::new(holds))
    }
}

/// Shows its children while `when` holds, else `fallback`. In place of the framework's, which is compiled for every pair of
/// a condition and children.
#[component]
pub fn Show(
    /// Whether the content is there; read as a signal.
    #[prop(into)]
    when: Condition,
    /// What is there instead.
    #[prop(optional, into)]
    fallback: ViewFn,
    /// What is shown.
    children: ChildrenFn,
) -> impl IntoView {
    let holds = memo(when.0);
    dynamic(move || if holds.get() { children() } else { fallback.run() })
}

/// What distinguishes a row of a [`List`] from the others, and how it is made.
pub type Row = (String, Box<dyn FnOnce() -> AnyView + Send>);

/// Rows that stay where they are while others come and go. In place of the framework's `For`, which is compiled for every
/// kind of row.
pub fn list<T, V>(
    items: impl Fn() -> Vec<T> + Send + 'static,
    key: fn(&T) -> String,
    row: impl Fn(T) -> V + Send + Sync + 'static,
) -> AnyView
where
    T: Send + 'static,
    V: IntoView + 'static,
{
    let row: Arc<dyn Fn(T) -> AnyView + Send + Sync> = Arc::new(move |item| row(item).into_any());
    rows(Box::new(move || {
        let row_of = |item: T| -> Row {
            let (key, row) = (key(&item), Arc::clone(&row));
            (key, Box::new(move || row(item)))
        };
        items().into_iter().map(row_of).collect()
    }))
}

fn rows(each: Box<dyn Fn() -> Vec<Row> + Send>) -> AnyView {
    view! { <For each key=|row| row.0.clone() children=|row: Row| (row.1)() /> }.into_any()
}
