//! What is kept with a dump: case number and note.

use leptos::prelude::*;

use super::options::remark;
use super::state::State;

/// Both fields, folded away. What is set stays in sight, because it goes with every dump.
#[component]
pub fn RemarkFields() -> impl IntoView {
    let options = State::expect().options;
    let (case, note) = (options.case, options.note);
    let set = move || {
        let text = |field: RwSignal<String>| field.with(|text| text.trim().to_owned());
        [text(case), text(note)].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" · ")
    };
    view! {
        <details class="remarks">
            <summary>
                <span class="remarks-title">"Case and note"</span> <span>{set}</span>
            </summary>
            <div class="remarks-fields">
                <label class="field-label" for="case">
                    "Case number"
                </label>
                <input
                    class="field"
                    id="case"
                    type="text"
                    autocomplete="off"
                    prop:value=case
                    aria-invalid=move || is_invalid(case)
                    aria-describedby="case-error"
                    on:input=move |event| case.set(event_target_value(&event))
                />
                <FieldError id="case-error" field=case />
                <label class="field-label" for="note">
                    "Note"
                </label>
                <textarea
                    class="field"
                    id="note"
                    rows="2"
                    autocomplete="off"
                    prop:value=note
                    aria-invalid=move || is_invalid(note)
                    aria-describedby="note-error"
                    on:input=move |event| note.set(event_target_value(&event))
                ></textarea>
                <FieldError id="note-error" field=note />
                <p class="secondary">"Optional. Kept with every dump that is asked for here, until it is changed."</p>
            </div>
        </details>
    }
}

/// Why a field cannot be used. The element is always there: a reader announces what is put into it.
#[component]
fn FieldError(id: &'static str, field: RwSignal<String>) -> impl IntoView {
    let error = Memo::new(move |_| field.with(|text| remark(text)).err());
    view! {
        <p class="field-error" id=id aria-live="polite">
            {error}
        </p>
    }
}

fn is_invalid(field: RwSignal<String>) -> Option<&'static str> {
    field.with(|text| remark(text)).is_err().then_some("true")
}
