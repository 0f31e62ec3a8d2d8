//! Line icons on a 24 × 24 grid, drawn in the colour of the text. They repeat what a text says, so they are hidden
//! from screen readers.

use leptos::prelude::*;

/// What an icon means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Something went wrong or wants attention.
    Alert,
    /// Done.
    Check,
    /// Take away.
    Close,
    /// Waiting.
    Clock,
    /// Put on the clipboard.
    Copy,
    /// Going on.
    Activity,
    /// Memory, and memdeck.
    Memory,
    /// Standing still.
    Pause,
    /// Off.
    Power,
    /// To the one after.
    Next,
    /// To the one before.
    Previous,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Alert => {
                "M12 9v4m0 4h.01M10.3 3.9 2.5 17.4A2 2 0 0 0 4.2 20.4h15.6a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z"
            }
            Self::Check => "m5 12.5 4.5 4.5L19 7.5",
            Self::Close => "m6 6 12 12M18 6 6 18",
            Self::Clock => "M12 7v5l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
            Self::Copy => {
                "M9 9h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1ZM4.5 15H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v.5"
            }
            Self::Activity => "M3 12h4l3-8 4 16 3-8h4",
            Self::Memory => {
                "M5 8h14a2 2 0 0 1 2 2v5a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-5a2 2 0 0 1 2-2Zm2 3.5v1.5m5-1.5v1.5m5-1.5v1.5M6 16v2.5m4-2.5v2.5m4-2.5v2.5m4-2.5v2.5"
            }
            Self::Pause => "M9 6v12m6-12v12",
            Self::Power => "M12 4v8m5.7-5.2a8 8 0 1 1-11.4 0",
            Self::Next => "m9 5 7 7-7 7",
            Self::Previous => "m15 5-7 7 7 7",
        }
    }
}

/// The icon, as tall as the text around it.
#[component]
pub fn IconView(
    /// Which.
    icon: Icon,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d=icon.path() />
        </svg>
    }
}
