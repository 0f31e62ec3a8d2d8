//! Guests that other pages have chosen to be dumped: `/memory-dumps?guest=UUID`.

use std::collections::BTreeSet;

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};

use super::TRIGGER_PANEL;
use crate::routes::Page;
use crate::shortcuts::focus_on;
use crate::ui::erase::{effect, memo};

/// The name of the part of the address, once for each guest.
const PART: &str = "guest";

/// Chooses the guests that the address names, leads to the panel, and takes them out of the address: what is chosen from then
/// on is up to the operator. Call it where the page's routes are.
pub fn choose_from_address(chosen: RwSignal<BTreeSet<String>>) {
    let search = use_location().search;
    let asked = memo(move || search.with(|query| guests_in(query)));
    let navigate = use_navigate();
    effect(move || {
        let (guests, rest) = asked.get();
        if guests.is_empty() {
            return;
        }
        chosen.set(guests.into_iter().collect());
        let navigate = navigate.clone();
        leptos::task::spawn_local(async move {
            // The way here is only then in the browser's history, where this takes its place, and the panel is there.
            TimeoutFuture::new(0).await;
            if asked.try_get_untracked().is_some_and(|(guests, _)| !guests.is_empty()) {
                navigate(
                    &rest,
                    NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() },
                );
                focus_on(TRIGGER_PANEL);
            }
        });
    });
}

/// The guests that the query of an address names, and the address without them.
fn guests_in(query: &str) -> (Vec<String>, String) {
    let pairs = form_urlencoded::parse(query.trim_start_matches('?').as_bytes());
    let (guests, rest): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name == PART);
    let mut address = form_urlencoded::Serializer::new(String::new());
    address.extend_pairs(rest);
    let (path, query) = (Page::MemoryDumps.path(), address.finish());
    let address = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    (guests.into_iter().map(|(_, uuid)| uuid.into_owned()).filter(|uuid| !uuid.is_empty()).collect(), address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_taken_out_of_the_address_and_the_rest_stays() {
        let read = |query| {
            let (guests, rest) = guests_in(query);
            (guests.join(" "), rest)
        };
        let told = |guests: &str, rest: &str| (guests.to_owned(), rest.to_owned());
        assert_eq!(read("?guest=a"), told("a", "/memory-dumps"));
        assert_eq!(read("?guest=a&search=x%26&guest=b&guest="), told("a b", "/memory-dumps?search=x%26"));
        assert_eq!(read("?search=x"), told("", "/memory-dumps?search=x"));
    }
}
