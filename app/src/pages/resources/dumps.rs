//! The dumps of the guest in the range: the marks of the charts, for everybody.

use leptos::prelude::*;
use memdeck_model::Timestamp;

use super::chart_card::range_in_words;
use super::marks::{Mark, words};
use super::state::ResourcesState;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Card, Failure, Instant, Show, Skeleton, list};
use crate::words::shown;

/// Newest first, in a part that scrolls.
#[component]
pub fn DumpList() -> impl IntoView {
    let state = ResourcesState::expect();
    let marks = move || {
        let window = state.window.get();
        state.marks.list.with_data(|marks| within(marks, window))
    };
    let problem = state.marks.list.why_failed();
    let is_empty = memo(move || marks().map(|marks| marks.is_empty()));
    let none = move || {
        let name = state.name().map(|name| shown(&name)).unwrap_or_default();
        format!("No dump of {name} in {}.", range_in_words(state.range.get()))
    };
    view! {
        <Card id="range-dumps" title="Dumps in this range">
            {dynamic(move || match is_empty.get() {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=1 label="Loading the dumps" /> }.into_any(),
                Some(true) => view! { <p class="quiet-line">{dynamic(none)}</p> }.into_any(),
                Some(false) => {
                    view! {
                        <ul class="range-dumps">
                            {list(move || marks().unwrap_or_default(), key_of, |mark| view! { <DumpLine mark /> })}
                        </ul>
                    }
                        .into_any()
                }
            })}
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The dumps could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.marks.fetch()
                />
            </Show>
        </Card>
    }
}

/// Those of which something lies in the window.
fn within(marks: &[Mark], (from, to): (Timestamp, Timestamp)) -> Vec<Mark> {
    let touches = |mark: &&Mark| mark.at < to && mark.until.unwrap_or(mark.at) >= from;
    marks.iter().filter(touches).cloned().collect()
}

fn key_of(mark: &Mark) -> String {
    format!("{} {}", mark.at.unix_micros(), mark.href.as_deref().unwrap_or_default())
}

#[component]
fn DumpLine(mark: Mark) -> impl IntoView {
    let instant = mark.at;
    let told = words(&mark);
    let when = match mark.href {
        Some(href) => view! {
            <a href=href>
                <Instant instant />
            </a>
        }
        .into_any(),
        None => view! { <Instant instant /> }.into_any(),
    };
    view! { <li class="range-dump">{when} <span class="secondary">{told}</span></li> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_that_goes_on_into_the_range_is_in_it() {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let mark = |from, until: Option<i64>| Mark {
            at: at(from),
            until: until.map(at),
            pause: None,
            mode: None,
            ok: true,
            href: None,
        };
        let marks = [mark(30, None), mark(20, Some(21)), mark(5, Some(12)), mark(5, None)];
        assert_eq!(within(&marks, (at(10), at(30))), [mark(20, Some(21)), mark(5, Some(12))]);
    }
}
