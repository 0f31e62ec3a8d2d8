//! In which images it is looked for.

use leptos::prelude::*;
use memdeck_model::Record;

use super::draft::Place;
use super::state::State;
use crate::time::local_time;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Checkbox, Failure, Select, Show, list};
use crate::words::shown;

#[component]
pub fn Places() -> impl IntoView {
    let state = State::expect();
    let choice = state.draft.choice;
    let problem = state.records.why_failed();
    let place = memo(move || choice.with(|choice| choice.place));
    let chosen = memo(move || {
        let of = |(known, ..): &&(Place, &str, &str)| *known == place.get();
        Place::ALL.iter().find(of).map_or_else(String::new, |(_, word, _)| (*word).to_owned())
    });
    let places = Place::ALL.map(|(_, word, name)| (word.to_owned(), name.to_owned())).to_vec();
    let choose = move |word: String| {
        if let Some((place, ..)) = Place::ALL.iter().find(|(_, known, _)| *known == word) {
            choice.update(|choice| choice.place = *place);
        }
    };
    let dump =
        memo(move || choice.with(|choice| choice.dump.as_ref().map(ToString::to_string)).unwrap_or_default());
    let dumps = memo(move || {
        let dump = dump.get();
        state.records.with_data(|page| options(&page.records, &dump)).unwrap_or_default()
    });
    view! {
        <div class="hunt-places">
            <Select
                id="hunt-place"
                label="In the images of"
                value=chosen
                options=Signal::stored(places)
                on_choose=choose
            />
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The dumps could not be listed."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch_records()
                />
            </Show>
            <Show when=move || place.get() == Place::Guests>
                <ChosenGuests />
            </Show>
            <Show when=move || place.get() == Place::Dump>
                <Select
                    id="hunt-dump"
                    label="Dump"
                    value=dump
                    options=dumps
                    on_choose=move |id: String| choice.update(|choice| choice.dump = id.parse().ok())
                />
            </Show>
            <Show when=move || place.get() != Place::Dump>
                <Checkbox
                    checked=Signal::derive(move || choice.with(|choice| !choice.older_too))
                    on_change=move |on: bool| choice.update(|choice| choice.older_too = !on)
                >
                    "Only the newest image of each VM"
                </Checkbox>
            </Show>
        </div>
    }
}

/// A box for each VM of which an image is stored.
#[component]
fn ChosenGuests() -> impl IntoView {
    let state = State::expect();
    let choice = state.draft.choice;
    let guests = memo(move || state.records.with_data(|page| guests_of(&page.records)).unwrap_or_default());
    let is_empty = memo(move || state.records.has_data() && guests.with(Vec::is_empty));
    let row = move |guest: (String, usize)| {
        let (name, count) = guest;
        let told = format!("{} ({count})", shown(&name));
        let of = name.clone();
        view! {
            <Checkbox
                checked=Signal::derive(move || choice.with(|choice| choice.guests.contains(&of)))
                on_change=move |on: bool| choice.update(|choice| {
                    choice.guests.retain(|known| *known != name);
                    if on {
                        choice.guests.push(name.clone());
                    }
                })
            >
                {told}
            </Checkbox>
        }
    };
    view! {
        <div class="hunt-guests" role="group" aria-label="VMs, with how many images of each are stored">
            {list(move || guests.get(), |(name, count)| format!("{count} {name}"), row)}
        </div>
        {dynamic(move || is_empty.get().then(|| view! { <p class="secondary">"No image is stored yet."</p> }))}
    }
}

fn is_kept(record: &Record) -> bool {
    record.ok && record.deleted_at.is_none()
}

/// The VMs of which images are kept, in alphabetical order, and how many.
fn guests_of(records: &[Record]) -> Vec<(String, usize)> {
    let mut guests: Vec<(String, usize)> = Vec::new();
    for record in records.iter().filter(|record| is_kept(record)) {
        match guests.iter_mut().find(|(name, _)| *name == record.dom.0) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => guests.push((record.dom.0.clone(), 1)),
        }
    }
    crate::data::sorted(guests, |(a, _), (b, _)| a.cmp(b))
}

/// The dumps whose images are kept, the newest first. The chosen one is there even if its image is gone.
fn options(records: &[Record], chosen: &str) -> Vec<(String, String)> {
    let option = |record: &Record| {
        let id = record.dump_id.as_ref()?.to_string();
        let taken = local_time(record.timestamp);
        Some((id, format!("{}, {} {}", shown(&record.dom.0), taken.date, taken.clock)))
    };
    let kept = records.iter().filter(|record| is_kept(record));
    let mut options: Vec<(String, String)> = kept.filter_map(option).collect();
    if chosen.is_empty() {
        options.insert(0, (String::new(), "Choose a dump".to_owned()));
    } else if !options.iter().any(|(id, _)| id == chosen) {
        options.push((chosen.to_owned(), format!("Dump {chosen}")));
    }
    options
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestName;

    use super::*;

    #[test]
    fn guests_are_offered_whose_images_are_kept() {
        let at = std::time::UNIX_EPOCH.into();
        let record = |guest: &str| Record {
            ok: true,
            ..Record::unknown(GuestName(guest.to_owned()), "1".to_owned(), at)
        };
        let deleted = Record { deleted_at: Some(at), ..record("old") };
        let failed = Record { ok: false, ..record("bad") };
        let guests = guests_of(&[record("web"), deleted, record("db"), failed, record("web")]);
        assert_eq!(guests, [("db".to_owned(), 1), ("web".to_owned(), 2)]);
    }
}
