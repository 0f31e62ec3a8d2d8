//! What is kept with a dump: case number and note.

use leptos::prelude::*;

use super::super::state::DumpsState;
use super::options::remark;
use crate::ui::TextField;
use crate::ui::erase::dynamic;

/// Both fields, folded away. What is set stays in sight, because it goes with every dump.
#[component]
pub fn RemarkFields() -> impl IntoView {
    let options = DumpsState::expect().options;
    let (case, note) = (options.case, options.note);
    let set = move || {
        let text = |field: RwSignal<String>| field.with(|text| text.trim().to_owned());
        [text(case), text(note)].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" · ")
    };
    view! {
        <details class="remarks">
            <summary>
                <span class="remarks-title">"Case and note"</span> <span>{dynamic(set)}</span>
            </summary>
            <div class="remarks-fields">
                <TextField id="case" label="Case number" value=case error=error_of(case) />
                <TextField id="note" label="Note" value=note error=error_of(note) lines=2 />
                <p class="secondary">"Optional. Saved with every dump you request here, until you change it."</p>
            </div>
        </details>
    }
}

/// Why a field cannot be used.
fn error_of(field: RwSignal<String>) -> Signal<Option<String>> {
    Signal::derive(move || field.with(|text| remark(text)).err())
}
