//! One guest, chosen in the address: `?guest=UUID`; of several hosts `?guest=host/UUID`.

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::telemetry::{SeriesQuery, Watch};
use memdeck_model::{Guest, GuestState};

use crate::base;
use crate::data::Data;
use crate::routes::Page;
use crate::ui::Select;
use crate::ui::erase::{effect, memo};
use crate::words::shown;

/// The name of the part of the address.
const PART: &str = "guest";

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// The guest that a page is about.
#[derive(Clone, Copy)]
pub struct ChosenGuest {
    /// It, by [`Guest::reference`]; as the address has it while guests are not known.
    pub reference: Memo<Option<String>>,
    page: Page,
    query: Memo<String>,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl ChosenGuest {
    /// The guest that the address of `page` names. If it names none, it soon names the first that runs: what is shown
    /// does not change because another guest starts or stops. Call it where the page's routes are.
    pub fn of(page: Page) -> Self {
        let guests = Data::expect().guests;
        let location = use_location();
        let (search, pathname) = (location.search, location.pathname);
        let query = memo(move || search.get());
        let reference = memo(move || {
            let chosen = query.with(|query| chosen_in(query))?;
            Some(guests.get(&chosen).map_or(chosen, |guest| guest.reference()))
        });
        let navigate: Navigate = Box::new(use_navigate());
        let chosen = Self { reference, page, query, navigate: StoredValue::new_local(navigate) };
        effect(move || {
            let first = guests.with(first_choice).flatten();
            let Some(first) = first.filter(|_| reference.with(Option::is_none)) else { return };
            leptos::task::spawn_local(async move {
                // The way here is only then in the browser's history, where this takes its place.
                TimeoutFuture::new(0).await;
                let is_here =
                    pathname.try_get_untracked().is_some_and(|path| base::leads_to(&path, page.path()));
                if is_here && reference.try_get_untracked() == Some(None) {
                    chosen.go(&first, true);
                }
            });
        });
        chosen
    }

    /// Shows another guest. Back leads to the one before.
    pub fn choose(self, reference: &str) {
        self.go(reference, false);
    }

    fn go(self, reference: &str, replace: bool) {
        let href = self.query.with_untracked(|query| href_of(self.page, query, reference));
        // The router would leave the slash out that the start page has below a path.
        let href = base::href(&href);
        let options =
            NavigateOptions { replace, resolve: false, scroll: false, ..NavigateOptions::default() };
        self.navigate.with_value(|navigate| navigate(&href, options));
    }

    /// The guest as the hypervisor knows it; `None` while guests are not known, and where it has no such guest.
    pub fn guest(self) -> Memo<Option<Guest>> {
        let guests = Data::expect().guests;
        memo(move || self.reference.get().and_then(|reference| guests.get(&reference)))
    }
}

/// The list of guests, of which one is chosen.
#[component]
pub fn GuestSelect(
    /// What is chosen.
    chosen: ChosenGuest,
) -> impl IntoView {
    let guests = Data::expect().guests;
    let reference = Signal::derive(move || chosen.reference.get().unwrap_or_default());
    let options = memo(move || {
        let mut options = guests.with(options_of).unwrap_or_default();
        let reference = reference.get();
        if !reference.is_empty() && options.iter().all(|(known, _)| *known != reference) {
            options.push((reference, "a VM that is not here".to_owned()));
        }
        options
    });
    view! {
        <div class="guest-select">
            <Select
                id="guest-select"
                label="VM"
                value=reference
                options
                on_choose=move |reference: String| chosen.choose(&reference)
                disabled=Signal::derive(move || options.with(Vec::is_empty))
            />
        </div>
    }
}

/// Its name, and its host where there are several.
pub fn named(guest: &Guest) -> String {
    let name = shown(&guest.name.0);
    guest.host.as_ref().map_or_else(|| name.clone(), |host| format!("{name} on {host}"))
}

fn options_of(guests: &[Guest]) -> Vec<(String, String)> {
    let text_of = |guest: &Guest| match guest.state {
        GuestState::Running => named(guest),
        state => format!("{} ({})", named(guest), state.as_str()),
    };
    guests.iter().map(|guest| (guest.reference(), text_of(guest))).collect()
}

/// The guest that is shown if none is named: the first that runs, else the first.
fn first_choice(guests: &[Guest]) -> Option<String> {
    let running = guests.iter().find(|guest| guest.state == GuestState::Running);
    running.or(guests.first()).map(Guest::reference)
}

/// What is no UUID, behind a host or not, names no guest.
fn chosen_in(query: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(query.trim_start_matches('?').as_bytes());
    let text = pairs.filter(|(name, _)| name == PART).last()?.1;
    let (host, uuid) = SeriesQuery::guest(&text);
    let uuid = uuid.to_ascii_lowercase();
    let reference = host.map_or_else(|| uuid.clone(), |host| host.qualify(&uuid));
    let watch = Watch::guest(&reference);
    (reference.parse() == Ok(watch)).then_some(reference)
}

/// The address of `page` with another guest; what else it says stays.
fn href_of(page: Page, query: &str, reference: &str) -> String {
    let others = form_urlencoded::parse(query.trim_start_matches('?').as_bytes());
    let mut address = form_urlencoded::Serializer::new(String::new());
    address.extend_pairs(others.filter(|(name, _)| name != PART));
    address.append_pair(PART, reference);
    format!("{}?{}", page.path(), address.finish())
}

#[cfg(test)]
mod tests {
    use memdeck_model::{ByteCount, GuestName};

    use super::*;

    fn guest(name: &str, state: GuestState) -> Guest {
        Guest {
            host: None,
            id: Some(1),
            name: GuestName(name.into()),
            uuid: format!("uuid-of-{name}"),
            state,
            vcpus: 1,
            memory_max: ByteCount(0),
            memory: ByteCount(0),
            cpu_time_ns: 0,
        }
    }

    #[test]
    fn the_first_that_runs_is_shown_and_else_the_first() {
        let (off, paused) = (guest("a", GuestState::Shutoff), guest("b", GuestState::Paused));
        let runs =
            [off.clone(), paused.clone(), guest("c", GuestState::Running), guest("d", GuestState::Running)];
        assert_eq!(first_choice(&runs).as_deref(), Some("uuid-of-c"));
        assert_eq!(first_choice(&[off, paused]).as_deref(), Some("uuid-of-a"));
        assert_eq!(first_choice(&[]), None);
    }

    #[test]
    fn the_address_is_read_as_it_is_written_and_keeps_the_rest() {
        let uuid = "11051664-d6fd-4a5e-9d5b-0f6d7f3a9a10";
        let href = href_of(Page::Gauges, "?guest=x&other=a%26b", uuid);
        assert_eq!(href, format!("/?other=a%26b&guest={uuid}"));
        assert_eq!(chosen_in(&href[1..]).as_deref(), Some(uuid));
        assert_eq!(
            chosen_in(&href[1..].to_ascii_uppercase().replace("GUEST", "guest")).as_deref(),
            Some(uuid)
        );
        let on_a_host = format!("KVM_2/{uuid}");
        let href = href_of(Page::Gauges, "", &on_a_host);
        assert_eq!(chosen_in(&href[1..]), Some(on_a_host), "names of hosts keep their case");
        assert_eq!(
            ["", "?", "?guest=", "?x=1", "?guest=all", "?guest=web-01"].map(chosen_in),
            [const { None }; 6]
        );
    }

    #[test]
    fn the_list_says_which_do_not_run() {
        let told = options_of(&[guest("twin ", GuestState::Running), guest("b", GuestState::Shutoff)]);
        let texts: Vec<_> = told.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["“twin ”", "b (shutoff)"]);
        let on_a_host = Guest { host: Some("kvm-a".parse().unwrap()), ..guest("b", GuestState::Shutoff) };
        let told = options_of(&[on_a_host]);
        assert_eq!(told, [("kvm-a/uuid-of-b".to_owned(), "b on kvm-a (shutoff)".to_owned())]);
    }
}
