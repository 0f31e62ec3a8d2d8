//! What is looked for: written, or opened from a file.

use leptos::ev;
use leptos::prelude::*;
use memdeck_model::{ByteCount, Sought};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

use super::draft::{Choice, MOST_BYTES};
use super::state::State;
use super::words::{KINDS, counted};
use crate::ui::erase::{dynamic, handler, memo};
use crate::ui::{Checkbox, Select, Show};

#[component]
pub fn Patterns() -> impl IntoView {
    let draft = State::expect().draft;
    let choice = draft.choice;
    let kind = memo(move || choice.with(|choice| choice.kind));
    let of_kind = move |read: fn(&'static str, &'static str) -> &'static str| {
        let (_, word, _, hint) = KINDS.iter().find(|(known, ..)| *known == kind.get())?;
        Some(read(word, hint))
    };
    let chosen = memo(move || of_kind(|word, _| word).unwrap_or_default().to_owned());
    let kinds = KINDS.map(|(_, word, name, _)| (word.to_owned(), name.to_owned())).to_vec();
    let choose = move |word: String| {
        if let Some((kind, ..)) = KINDS.iter().find(|(_, known, ..)| *known == word) {
            choice.update(|choice| choice.kind = *kind);
        }
    };
    let count =
        memo(move || draft.patterns.with(|text| text.lines().filter(|line| Sought::counts(line)).count()));
    // Why a file was not opened.
    let problem = RwSignal::new(None::<String>);
    view! {
        <div class="hunt-sought">
            <div class="field-group">
                <label class="field-label" for="hunt-patterns">
                    "Look for"
                </label>
                <textarea
                    class="field hunt-patterns"
                    id="hunt-patterns"
                    rows="8"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    prop:value=draft.patterns
                    aria-describedby="hunt-patterns-hint"
                    on:input=handler(move |event: ev::Event| draft.patterns.set(event_target_value(&event)))
                ></textarea>
                <p class="field-hint" id="hunt-patterns-hint">
                    "One on each line. " {dynamic(move || of_kind(|_, hint| hint))} " Lines that begin with # do not count."
                </p>
                <p class="field-error" role="alert">{dynamic(move || problem.get())}</p>
            </div>
            <div class="hunt-file-line">
                <label class="button button-small hunt-file">
                    <input
                        type="file"
                        class="visually-hidden"
                        on:change=handler(move |event: ev::Event| open(&event, draft.patterns, problem))
                    />
                    "Open a file…"
                </label>
                <span class="secondary number" role="status">
                    {dynamic(move || Some(counted(u32::try_from(count.get()).unwrap_or(u32::MAX), "pattern")).filter(|_| count.get() > 1))}
                </span>
            </div>
            <div class="hunt-kind">
                <Select
                    id="hunt-kind"
                    label="They are"
                    value=chosen
                    options=Signal::stored(kinds)
                    on_choose=choose
                />
                <div class="hunt-options">
                    <Show when=move || choice.with(Choice::has_utf16)>
                        <Checkbox
                            checked=Signal::derive(move || choice.with(|choice| choice.utf16))
                            on_change=move |on: bool| choice.update(|choice| choice.utf16 = on)
                        >
                            "As UTF-16, too"
                        </Checkbox>
                    </Show>
                    <Show when=move || choice.with(Choice::has_case)>
                        <Checkbox
                            checked=Signal::derive(move || choice.with(|choice| choice.ignore_case))
                            on_change=move |on: bool| choice.update(|choice| choice.ignore_case = on)
                        >
                            "In upper and lower case"
                        </Checkbox>
                    </Show>
                </div>
            </div>
        </div>
    }
}

/// Puts the content of the chosen file into the field.
fn open(event: &ev::Event, patterns: RwSignal<String>, problem: RwSignal<Option<String>>) {
    let input = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok());
    let Some(input) = input else { return };
    let Some(file) = input.files().and_then(|files| files.get(0)) else { return };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 2^53"
    )]
    let size = file.size() as u64;
    problem.set(None);
    if size > u64::try_from(MOST_BYTES).unwrap_or(u64::MAX) {
        problem.set(Some(format!(
            "{} has {}: a list of patterns may have a million bytes.",
            file.name(),
            ByteCount(size)
        )));
    } else {
        leptos::task::spawn_local(async move {
            let text = JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string());
            match text {
                Some(text) => drop(patterns.try_set(text)),
                None => drop(problem.try_set(Some(format!("{} could not be read.", file.name())))),
            }
        });
    }
    // The same file can be opened again, after it was changed.
    input.set_value("");
}
