//! What the parts of the page share: the guest and the stretch of time that are shown, and the present.

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::telemetry::LiveSample;
use memdeck_model::{Guest, GuestState, Timestamp};

use super::marks::Marks;
use super::range::Range;
use super::view::ResourcesView;
use crate::data::Data;
use crate::time::Clock;
use crate::ui::erase::memo;

/// Between two looks at what is due to be fetched.
const LOOK_INTERVAL_MS: u32 = 5_000;

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct ResourcesState {
    /// What all pages share.
    pub data: Data,
    /// What the address asks for.
    pub view: Memo<ResourcesView>,
    /// The stretch of time.
    pub range: Memo<Range>,
    /// The guest that is shown, by [`Guest::reference`]; `None` before the guests are known and if there are none.
    pub guest: Memo<Option<String>>,
    /// The start and end of what is shown, as the present moves on by whole steps.
    pub window: Memo<(Timestamp, Timestamp)>,
    /// The dumps of the guest.
    pub marks: Marks,
    /// The newest values of the guest, as long as it is watched.
    pub sample: RwSignal<Option<LiveSample>>,
    /// Counts up whenever charts are to look whether something is due.
    pub looks: RwSignal<u32>,
    clock: Clock,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl ResourcesState {
    /// Provides the state to the parts of the page.
    pub fn provide() -> Self {
        let data = Data::expect();
        let clock = Clock::expect();
        // The raw text: the router's own map of parameters decodes them twice.
        let search = use_location().search;
        let view = memo(move || search.with(|query| ResourcesView::from_query(query)));
        let range = memo(move || view.with(|view| view.range));
        let guest = Memo::new(move |before: Option<&Option<String>>| {
            let before = before.cloned().flatten();
            match view.with(|view| view.guest.clone()) {
                Some(wanted) => data.guests.with(|guests| named(guests, &wanted)).or(before),
                // It stays when another one comes that would be first.
                None => before.or_else(|| data.guests.with(first).flatten()),
            }
        });
        let window = memo(move || match range.get() {
            Range::Fixed(from, to) => (from, to),
            live @ Range::Live(_) => live.at(whole_step(clock.now(), live)),
        });
        let state = Self {
            data,
            view,
            range,
            guest,
            window,
            marks: Marks::new(),
            sample: RwSignal::new(None),
            looks: RwSignal::new(0),
            clock,
            navigate: StoredValue::new_local(Box::new(use_navigate())),
        };
        provide_context(state);
        let timer = Interval::new(LOOK_INTERVAL_MS, move || {
            if !document().hidden() {
                state.looks.update(|looks| *looks = looks.wrapping_add(1));
            }
        });
        let timer = StoredValue::new_local(Some(timer));
        on_cleanup(move || timer.set_value(None));
        state
    }

    /// The state that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// The present, read once.
    pub fn now(self) -> Timestamp {
        untrack(|| self.clock.now())
    }

    /// Reads the guest that is shown, as the hypervisor lists it.
    pub fn with_guest<T>(self, read: impl FnOnce(&Guest) -> T) -> Option<T> {
        let shown = self.guest.get()?;
        let is_it = |guest: &&Guest| guest.reference() == shown;
        self.data.guests.with(|guests| guests.iter().find(is_it).map(read)).flatten()
    }

    /// Its name; where the hypervisor does not know it, what was measured under it, or its UUID.
    pub fn name(self) -> Option<String> {
        let listed = self.with_guest(|guest| guest.name.0.clone());
        let measured = || {
            let shown = self.guest.get();
            self.sample.with(|sample| {
                let sample = sample.as_ref().filter(|sample| Some(sample.reference()) == shown);
                sample.map(|sample| sample.name.0.clone())
            })
        };
        listed.or_else(measured).or_else(|| self.guest.get())
    }

    /// Shows something else. It is a step back in the browser's history.
    pub fn show(self, change: impl FnOnce(&mut ResourcesView)) {
        let before = self.view.get_untracked();
        let mut view = before.clone();
        change(&mut view);
        if view != before {
            // The operator stays where they look.
            let options = NavigateOptions { scroll: false, ..NavigateOptions::default() };
            self.navigate.with_value(|navigate| navigate(&view.href(), options));
        }
    }

    /// Shows another stretch of time.
    pub fn show_range(self, range: Range) {
        self.show(|view| view.range = range);
    }

    /// Loads everything again because the operator asks for it.
    pub fn refresh(self) {
        self.data.refresh();
    }
}

/// A chart of a long range does not move every second.
fn whole_step(now: Timestamp, range: Range) -> Timestamp {
    let step = i64::try_from(range.step().0.min(60_000)).unwrap_or(1_000).saturating_mul(1_000);
    let micros = now.unix_micros();
    // Up: what was measured a moment ago is in it.
    let up = step.saturating_sub(1).saturating_add(micros).div_euclid(step).saturating_mul(step);
    Timestamp::from_unix_micros(up).unwrap_or(now)
}

/// The reference of the guest that an address means: by that, by UUID, or by name. One that is gone may have been measured.
fn named(guests: &[Guest], wanted: &str) -> String {
    let is_it =
        |guest: &&Guest| guest.uuid == wanted || guest.name.0 == wanted || guest.reference() == wanted;
    guests.iter().find(is_it).map_or_else(|| wanted.to_owned(), Guest::reference)
}

/// The first that runs, else the first.
fn first(guests: &[Guest]) -> Option<String> {
    let runs = guests.iter().find(|guest| guest.state == GuestState::Running);
    runs.or_else(|| guests.first()).map(Guest::reference)
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ByteCount, GuestName};

    use super::*;

    fn guest(name: &str, state: GuestState) -> Guest {
        Guest {
            host: None,
            id: None,
            name: GuestName(name.to_owned()),
            uuid: format!("uuid of {name}"),
            state,
            vcpus: 1,
            memory_max: ByteCount(0),
            memory: ByteCount(0),
            cpu_time_ns: 0,
        }
    }

    #[test]
    fn an_address_names_a_guest_by_uuid_or_name_and_else_one_that_runs_is_shown() {
        let guests = [guest("a", GuestState::Shutoff), guest("b", GuestState::Running)];
        assert_eq!(first(&guests).as_deref(), Some("uuid of b"));
        assert_eq!(first(&guests[..1]).as_deref(), Some("uuid of a"));
        assert_eq!(first(&[]), None);
        assert_eq!(named(&guests, "a"), "uuid of a");
        assert_eq!(named(&guests, "uuid of b"), "uuid of b");
        assert_eq!(named(&guests, "gone"), "gone", "its values may be kept");
        let on = |host: &str| Guest { host: Some(host.parse().unwrap()), ..guest("a", GuestState::Running) };
        let twins = [on("kvm-a"), on("kvm-b")];
        assert_eq!(named(&twins, "kvm-b/uuid of a"), "kvm-b/uuid of a");
        assert_eq!(named(&twins, "a"), "kvm-a/uuid of a");
    }

    #[test]
    fn a_live_range_moves_on_by_whole_steps_and_holds_the_present() {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let steps: Vec<i64> =
            (0..6).map(|span| whole_step(at(1001), Range::Live(span)).unix_seconds()).collect();
        assert_eq!(steps, [1001, 1002, 1010, 1020, 1020, 1020]);
        assert_eq!(whole_step(at(1020), Range::Live(3)), at(1020));
    }
}
