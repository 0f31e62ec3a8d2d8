//! A button that stays focusable when it cannot be used, so that the reason beside it can be found.

use leptos::prelude::*;

/// How much a button asks for attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ButtonKind {
    /// The one main action of a part.
    Primary,
    /// Every other action.
    #[default]
    Secondary,
}

impl ButtonKind {
    fn class(self) -> &'static str {
        match self {
            Self::Primary => "button button-primary",
            Self::Secondary => "button",
        }
    }
}

/// A button. While `disabled` it does nothing and says so, but keeps the focus it has.
#[component]
pub fn Button(
    /// What it does.
    #[prop(into)]
    on_press: Callback<()>,
    /// How it looks.
    #[prop(optional)]
    kind: ButtonKind,
    /// Whether it cannot be used now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    /// The id of the element that says why, or what follows.
    #[prop(optional)]
    described_by: Option<&'static str>,
    /// Its accessible name, where its text is not enough.
    #[prop(optional, into)]
    label: Option<String>,
    /// Whether it has the focus when the dialog it is in opens.
    #[prop(optional)]
    autofocus: bool,
    /// What it shows.
    children: Children,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class=kind.class()
            autofocus=autofocus
            aria-disabled=move || disabled.get().then_some("true")
            aria-describedby=described_by
            aria-label=label
            on:click=move |_| {
                if !disabled.get_untracked() {
                    on_press.run(());
                }
            }
        >
            {children()}
        </button>
    }
}
