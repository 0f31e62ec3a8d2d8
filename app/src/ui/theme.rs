//! Light or dark: what the operator chose, kept in the browser.
//!
//! The script in the page's shell reads the same key before anything is painted, so that a page never flashes in the
//! other theme. A theme is an attribute of the root element; the stylesheet does the rest.

use leptos::prelude::*;
use web_sys::Storage;

const KEY: &str = "memdeck.theme";
const ATTRIBUTE: &str = "data-theme";

/// What the page looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Light, Self::Dark, Self::System];

    /// The word in storage and in the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// What was chosen before; if a browser keeps nothing, what the system has.
    pub fn chosen() -> Self {
        let kept = storage().and_then(|storage| storage.get_item(KEY).ok()).flatten();
        Self::ALL.into_iter().find(|theme| Some(theme.as_str()) == kept.as_deref()).unwrap_or_default()
    }

    /// Shows the page in it, and keeps that for later.
    pub fn choose(self) {
        if let Some(storage) = storage() {
            // A browser that keeps nothing shows it all the same.
            let _ = match self {
                Self::System => storage.remove_item(KEY),
                Self::Light | Self::Dark => storage.set_item(KEY, self.as_str()),
            };
        }
        let Some(root) = document().document_element() else { return };
        let _ = match self {
            Self::System => root.remove_attribute(ATTRIBUTE),
            Self::Light | Self::Dark => root.set_attribute(ATTRIBUTE, self.as_str()),
        };
    }
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}
