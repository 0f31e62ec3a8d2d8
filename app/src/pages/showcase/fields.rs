//! What is written and chosen.

use leptos::prelude::*;

use super::Specimen;
use crate::ui::{Card, Checkbox, DateField, SearchField, Select, Switch, TextField};

/// Fields of every kind, empty, filled, wrong and off.
#[component]
pub fn Fields() -> impl IntoView {
    let text = RwSignal::new(String::new());
    let wrong = RwSignal::new("a\tb".to_owned());
    let note = RwSignal::new("Beacons to an unknown host.\nAsked by the night shift.".to_owned());
    let off = RwSignal::new("cannot be changed".to_owned());
    let search = RwSignal::new(String::new());
    let day = RwSignal::new("2026-02-03".to_owned());
    let state = RwSignal::new("running".to_owned());
    let on = RwSignal::new(true);
    let checked = RwSignal::new(false);
    let error = Signal::derive(move || {
        wrong.with(|text| text.contains('\t')).then(|| "It has a tab: remove it.".to_owned())
    });
    let options = ["running", "paused", "shutoff"].map(|state| (state.to_owned(), state.to_owned())).to_vec();
    let more = options.clone();
    view! {
        <Card id="showcase-fields" title="Fields">
            <Specimen name="Text">
                <TextField id="showcase-text" label="Case number" value=text hint="As your ticket system has it." />
            </Specimen>
            <Specimen name="Wrong">
                <TextField id="showcase-wrong" label="Case number" value=wrong error />
            </Specimen>
            <Specimen name="Lines">
                <TextField id="showcase-note" label="Note" value=note lines=3 />
            </Specimen>
            <Specimen name="Off">
                <TextField id="showcase-off" label="Host" value=off disabled=true />
            </Specimen>
            <Specimen name="Search">
                <SearchField
                    id="showcase-search"
                    label="Search dumps"
                    placeholder="Name, id or hash"
                    value=search
                    on_input=move |text| search.set(text)
                />
            </Specimen>
            <Specimen name="Date">
                <DateField
                    id="showcase-date"
                    label="From"
                    value=day
                    max="2026-12-31"
                    on_choose=move |chosen| day.set(chosen)
                />
            </Specimen>
            <Specimen name="Select">
                <Select
                    id="showcase-select"
                    label="State"
                    value=state
                    options=Signal::stored(options)
                    on_choose=move |chosen| state.set(chosen)
                />
            </Specimen>
            <Specimen name="Select, off">
                <Select
                    id="showcase-select-off"
                    label="State"
                    value=state
                    options=Signal::stored(more)
                    on_choose=move |chosen| state.set(chosen)
                    disabled=true
                />
            </Specimen>
            <Specimen name="Switch">
                <Switch on on_change=move |is_on| on.set(is_on)>"Auto-refresh"</Switch>
                <Switch on=Signal::derive(move || !on.get()) on_change=move |is_off: bool| on.set(!is_off)>
                    "The other way round"
                </Switch>
                <Switch on=true on_change=|_| () disabled=true>"Off limits"</Switch>
            </Specimen>
            <Specimen name="Checkbox">
                <Checkbox checked on_change=move |is| checked.set(is)>
                    "Dump encrypted memory anyway. The image is ciphertext."
                </Checkbox>
                <Checkbox checked=true on_change=|_| () disabled=true>"Off limits"</Checkbox>
            </Specimen>
        </Card>
    }
}
