//! A state as text, icon and colour.

use leptos::prelude::*;

use super::icon::{Icon, IconView};

/// What a state means to the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    #[default]
    Neutral,
    /// As it should be.
    Good,
    /// Going on.
    Active,
    /// Waiting, or not as it was first wanted.
    Waiting,
    /// Failed.
    Bad,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Neutral => "badge",
            Self::Good => "badge badge-good",
            Self::Active => "badge badge-active",
            Self::Waiting => "badge badge-waiting",
            Self::Bad => "badge badge-bad",
        }
    }
}

/// A word on a coloured ground, with an icon before it.
#[component]
pub fn Badge(
    /// What it means.
    #[prop(optional)]
    tone: Tone,
    /// The icon that says the same.
    #[prop(optional)]
    icon: Option<Icon>,
    children: Children,
) -> impl IntoView {
    view! {
        <span class=tone.class()>
            {icon.map(|icon| view! { <IconView icon /> })}
            {children()}
        </span>
    }
}
