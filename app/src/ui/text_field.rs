//! A field for a line or a few lines of text.

use leptos::either::Either;
use leptos::ev;
use leptos::prelude::*;

use super::erase::{follow, handler};

/// A labelled field that holds `value`, with a hint and with what is wrong.
#[component]
pub fn TextField(
    /// The id of the control. Its hint and error have ids made of it.
    id: &'static str,
    label: &'static str,
    /// What it holds.
    value: RwSignal<String>,
    /// What belongs in it.
    #[prop(optional)]
    hint: Option<&'static str>,
    /// Why what it holds cannot be used.
    #[prop(optional, into)]
    error: Signal<Option<String>>,
    /// What the browser takes it for: `text`, or `password` to show nothing of it.
    #[prop(default = "text")]
    kind: &'static str,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// How many lines it shows; 1 makes it a field of one line.
    #[prop(default = 1)]
    lines: u32,
    /// Whether nothing can be written now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
) -> impl IntoView {
    let hint_id = format!("{id}-hint");
    let error_id = format!("{id}-error");
    let described_by = match hint {
        Some(_) => format!("{hint_id} {error_id}"),
        None => error_id.clone(),
    };
    let invalid = move || error.with(Option::is_some).then_some("true");
    let field = if lines > 1 {
        Either::Left(view! {
            <textarea
                class="field"
                id=id
                rows=lines
                autocomplete="off"
                prop:value=value
                disabled=disabled
                aria-invalid=follow(invalid)
                aria-describedby=described_by
                on:input=handler(move |event: ev::Event| value.set(event_target_value(&event)))
            ></textarea>
        })
    } else {
        Either::Right(view! {
            <input
                class="field"
                id=id
                type=kind
                autocomplete=autocomplete
                prop:value=value
                disabled=disabled
                aria-invalid=follow(invalid)
                aria-describedby=described_by
                on:input=handler(move |event: ev::Event| value.set(event_target_value(&event)))
            />
        })
    };
    view! {
        <div class="field-group">
            <label class="field-label" for=id>
                {label}
            </label>
            {field}
            {hint.map(|hint| view! {
                <p class="field-hint" id=hint_id>
                    {hint}
                </p>
            })}
            // Always there: a reader announces what is put into it.
            <p class="field-error" id=error_id aria-live="polite">
                {error}
            </p>
        </div>
    }
}
