//! Choosing between light, dark, and what the system has.

use leptos::prelude::*;

use super::erase::{follow, handler};
use super::icon::{Icon, IconView};
use super::theme::Theme;

/// Three radio buttons in a row, shown as icons.
#[component]
pub fn ThemeSwitch(
    /// The name of the group of radio buttons, which a second switch on the same page must not share.
    #[prop(default = "theme")]
    name: &'static str,
) -> impl IntoView {
    let chosen = RwSignal::new(Theme::chosen());
    let option = move |theme: Theme| {
        let (icon, text) = match theme {
            Theme::Light => (Icon::Sun, "Light"),
            Theme::Dark => (Icon::Moon, "Dark"),
            Theme::System => (Icon::Monitor, "As the system"),
        };
        view! {
            <label class="segment" title=text>
                <input
                    type="radio"
                    name=name
                    value=theme.as_str()
                    prop:checked=follow(move || chosen.get() == theme)
                    on:change=handler(move |_| {
                        theme.choose();
                        chosen.set(theme);
                    })
                />
                <IconView icon />
                <span class="visually-hidden">{text}</span>
            </label>
        }
    };
    view! {
        <fieldset class="segments">
            <legend class="visually-hidden">"Theme"</legend>
            {Theme::ALL.map(option).collect_view()}
        </fieldset>
    }
}
