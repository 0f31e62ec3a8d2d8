//! Which cards there are, in what order, and when that changes.

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::Guest;

use super::order::{by_load, load_of};
use super::view::{Sort, VmsView};
use crate::data::{Data, sorted};
use crate::ui::erase::memo;

/// How long an order by load stays: cards that jump each second cannot be read.
const REORDER_MS: u32 = 5_000;
/// A card that the operator points at or is in with the keyboard: nothing moves under it.
const IN_USE: &str = ".vms:hover, .vms:focus-within";

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// The cards and how they are looked at.
#[derive(Clone, Copy)]
pub struct Cards {
    /// What the address asks for.
    pub view: Memo<VmsView>,
    /// The guests that it means, by [`Guest::reference`], in their order; `None` while guests are not known.
    pub references: Memo<Option<Vec<String>>>,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl Cards {
    /// Call it where the page's routes are.
    pub fn new() -> Self {
        let data = Data::expect();
        let search = use_location().search;
        let view = memo(move || search.with(|query| VmsView::from_query(query)));
        let turn = RwSignal::new(0_u32);
        let timer = Interval::new(REORDER_MS, move || {
            let is_by_load = view.try_with_untracked(|view| view.sort != Sort::Name).unwrap_or(false);
            let is_in_use = || document().query_selector(IN_USE).is_ok_and(|found| found.is_some());
            if is_by_load && !document().hidden() && !is_in_use() {
                turn.update(|turn| *turn = turn.wrapping_add(1));
            }
        });
        let timer = StoredValue::new_local(Some(timer));
        on_cleanup(move || timer.set_value(None));
        let references = memo(move || {
            turn.track();
            view.with(|view| data.guests.with(|guests| order(view, guests, &data)))
        });
        Self { view, references, navigate: StoredValue::new_local(Box::new(use_navigate())) }
    }

    /// Shows the cards in another way; `replace`: Back does not lead to the way before.
    pub fn show(self, replace: bool, change: impl FnOnce(&mut VmsView)) {
        let before = self.view.get_untracked();
        let mut view = before.clone();
        change(&mut view);
        if view != before {
            let options = NavigateOptions { replace, scroll: false, ..NavigateOptions::default() };
            self.navigate.with_value(|navigate| navigate(&view.href(), options));
        }
    }
}

/// The guests that `view` shows, by name or by their present load.
fn order(view: &VmsView, guests: &[Guest], data: &Data) -> Vec<String> {
    let load = |uuid: &str| match view.sort {
        Sort::Name => None,
        sort => data.telemetry.summary(uuid).with_untracked(|summary| load_of(sort, summary.as_ref())),
    };
    let found = guests.iter().filter(|guest| view.shows(guest));
    let loads = found.map(|guest| (load(&guest.uuid), guest.reference())).collect();
    sorted(loads, |a, b| by_load(a.0, b.0)).into_iter().map(|(_, reference)| reference).collect()
}
