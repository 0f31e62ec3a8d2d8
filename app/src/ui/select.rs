//! One of a few, chosen from the browser's own list.

use leptos::ev;
use leptos::prelude::*;

use super::erase::{dynamic, handler};
use super::icon::{Icon, IconView};

/// A labelled list of `options`, of which `value` is chosen.
#[component]
pub fn Select(
    /// The id of the control.
    id: &'static str,
    label: &'static str,
    /// Whether the name is for screen readers only, where the place says it to the eye.
    #[prop(optional)]
    label_hidden: bool,
    /// The chosen value.
    #[prop(into)]
    value: Signal<String>,
    /// What can be chosen: values and how they are shown.
    #[prop(into)]
    options: Signal<Vec<(String, String)>>,
    /// Called with the value that was chosen.
    #[prop(into)]
    on_choose: Callback<String>,
    /// Whether nothing can be chosen now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
) -> impl IntoView {
    view! {
        <div class="field-group">
            <label class="field-label" class:visually-hidden=label_hidden for=id>
                {label}
            </label>
            <span class="select-frame">
                <select
                    class="field"
                    id=id
                    disabled=disabled
                    on:change=handler(move |event: ev::Event| on_choose.run(event_target_value(&event)))
                >
                    {dynamic(move || {
                        let chosen = value.get();
                        options
                            .get()
                            .into_iter()
                            .map(|(option, text)| {
                                let selected = option == chosen;
                                view! { <option value=option prop:selected=selected>{text}</option> }
                            })
                            .collect_view()
                    })}
                </select>
                <IconView icon=Icon::ChevronDown />
            </span>
        </div>
    }
}
