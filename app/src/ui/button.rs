//! A button that stays focusable when it cannot be used, so that the reason beside it can be found.

use leptos::prelude::*;

use super::erase::{dynamic, follow, handler};

/// How much a button asks for attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ButtonKind {
    /// The one main action of a part.
    Primary,
    /// Every other action.
    #[default]
    Secondary,
    /// An action among many of its kind, such as those of a row.
    Quiet,
    /// It takes something away that does not come back.
    Danger,
}

/// How much room a button takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ButtonSize {
    /// As high as a field.
    #[default]
    Regular,
    /// For rows and headings.
    Small,
}

/// A button. While `disabled` or `busy` it does nothing and says so, but keeps the focus it has.
#[component]
pub fn Button(
    /// What it does.
    #[prop(into)]
    on_press: Callback<()>,
    /// How it looks.
    #[prop(optional)]
    kind: ButtonKind,
    /// How large it is.
    #[prop(optional)]
    size: ButtonSize,
    /// Whether it holds an icon and nothing else; then it needs a `label`.
    #[prop(optional)]
    icon_only: bool,
    /// Whether it cannot be used now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    /// Whether it is doing what it was pressed for.
    #[prop(optional, into)]
    busy: Signal<bool>,
    /// The id of the element that says why, or what follows.
    #[prop(optional)]
    described_by: Option<&'static str>,
    /// Its accessible name, where its text is not enough.
    #[prop(optional, into)]
    label: MaybeProp<String>,
    /// Whether it has the focus when the dialog it is in opens.
    #[prop(optional)]
    autofocus: bool,
    /// What it shows.
    children: Children,
) -> impl IntoView {
    let is_off = move || disabled.get() || busy.get();
    view! {
        <button
            type="button"
            class="button"
            class:button-primary=kind == ButtonKind::Primary
            class:button-quiet=kind == ButtonKind::Quiet
            class:button-danger=kind == ButtonKind::Danger
            class:button-small=size == ButtonSize::Small
            class:button-icon=icon_only
            autofocus=autofocus
            aria-disabled=follow(move || is_off().then_some("true"))
            aria-busy=follow(move || busy.get().then_some("true"))
            aria-describedby=described_by
            aria-label=follow(move || label.get())
            on:click=handler(move |_| {
                if !untrack(is_off) {
                    on_press.run(());
                }
            })
        >
            {dynamic(move || busy.get().then(|| view! { <span class="spinner" aria-hidden="true"></span> }))}
            {children()}
        </button>
    }
}
