//! Line icons on a 24 × 24 grid, drawn in the colour of the text. They repeat what a text says, so they are hidden
//! from screen readers.

use leptos::prelude::*;

use super::erase::follow;

/// What an icon means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Something went wrong or wants attention.
    Alert,
    /// Going on.
    Activity,
    /// Stopped by somebody.
    Ban,
    /// Done.
    Check,
    /// There is more below, or a choice.
    ChevronDown,
    /// Take away.
    Close,
    /// Waiting.
    Clock,
    /// Put on the clipboard.
    Copy,
    /// Keep a copy elsewhere.
    Download,
    /// Another way than the first choice.
    Fork,
    /// What can be asked here.
    Help,
    /// To be known.
    Info,
    /// Memory, and memdeck.
    Memory,
    /// Pages to choose from.
    Menu,
    /// As the system has it.
    Monitor,
    /// Dark.
    Moon,
    /// More can be done.
    More,
    /// To the one after.
    Next,
    /// Standing still.
    Pause,
    /// Begin.
    Play,
    /// Off.
    Power,
    /// To the one before.
    Previous,
    /// Load again.
    Refresh,
    /// Find.
    Search,
    /// Sorted upwards.
    SortAscending,
    /// Sorted downwards.
    SortDescending,
    /// Light.
    Sun,
    /// Delete.
    Trash,
}

impl Icon {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::Alert,
        Self::Activity,
        Self::Ban,
        Self::Check,
        Self::ChevronDown,
        Self::Close,
        Self::Clock,
        Self::Copy,
        Self::Download,
        Self::Fork,
        Self::Help,
        Self::Info,
        Self::Memory,
        Self::Menu,
        Self::Monitor,
        Self::Moon,
        Self::More,
        Self::Next,
        Self::Pause,
        Self::Play,
        Self::Power,
        Self::Previous,
        Self::Refresh,
        Self::Search,
        Self::SortAscending,
        Self::SortDescending,
        Self::Sun,
        Self::Trash,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Alert => {
                "M12 9v4m0 4h.01M10.3 3.9 2.5 17.4A2 2 0 0 0 4.2 20.4h15.6a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z"
            }
            Self::Activity => "M3 12h4l3-8 4 16 3-8h4",
            Self::Ban => "M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0ZM5.6 5.6l12.8 12.8",
            Self::Check => "m5 12.5 4.5 4.5L19 7.5",
            Self::ChevronDown => "m6 9 6 6 6-6",
            Self::Close => "m6 6 12 12M18 6 6 18",
            Self::Clock => "M12 7v5l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
            Self::Copy => {
                "M9 9h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1ZM4.5 15H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v.5"
            }
            Self::Download => "M12 4v11m-4.5-4.5L12 15l4.5-4.5M4 19.5h16",
            Self::Fork => "M6 4v16M6 14c0-5 4-6 11-6m0 0-3.5-3.5M17 8l-3.5 3.5",
            Self::Help => {
                "M9.2 9a3 3 0 1 1 4.3 2.7c-.9.5-1.5 1.2-1.5 2.3M12 17.5h.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z"
            }
            Self::Info => "M12 11v5.5M12 7.5h.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
            Self::Memory => {
                "M5 8h14a2 2 0 0 1 2 2v5a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1v-5a2 2 0 0 1 2-2Zm2 3.5v1.5m5-1.5v1.5m5-1.5v1.5M6 16v2.5m4-2.5v2.5m4-2.5v2.5m4-2.5v2.5"
            }
            Self::Menu => "M4 7h16M4 12h16M4 17h16",
            Self::Monitor => {
                "M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1Zm5 16h6m-3-4v4"
            }
            Self::Moon => "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z",
            Self::More => {
                "M5.5 12a.5.5 0 1 1-1 0 .5.5 0 0 1 1 0Zm7 0a.5.5 0 1 1-1 0 .5.5 0 0 1 1 0Zm7 0a.5.5 0 1 1-1 0 .5.5 0 0 1 1 0Z"
            }
            Self::Next => "m9 5 7 7-7 7",
            Self::Pause => "M9 6v12m6-12v12",
            Self::Play => "M7 5.5v13l11-6.5-11-6.5Z",
            Self::Power => "M12 4v8m5.7-5.2a8 8 0 1 1-11.4 0",
            Self::Previous => "m15 5-7 7 7 7",
            Self::Refresh => "M20 11.5A8 8 0 1 0 18 17.3M20.5 5.5v6h-6",
            Self::Search => "m20.5 20.5-4.7-4.7M18 10.8a7.2 7.2 0 1 1-14.4 0 7.2 7.2 0 0 1 14.4 0Z",
            Self::SortAscending => "M12 19V5m-5.5 5.5L12 5l5.5 5.5",
            Self::SortDescending => "M12 5v14m5.5-5.5L12 19l-5.5-5.5",
            Self::Sun => {
                "M12 3v1.5m0 15V21m9-9h-1.5m-15 0H3m15.4-6.4-1.1 1.1M6.7 17.3l-1.1 1.1m12.8 0-1.1-1.1M6.7 6.7 5.6 5.6M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z"
            }
            Self::Trash => "M4 7h16M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10.2 10.5v5.5m3.6-5.5v5.5",
        }
    }
}

/// The icon, as tall as the text around it.
#[component]
pub fn IconView(#[prop(into)] icon: Signal<Icon>) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d=follow(move || icon.get().path()) />
        </svg>
    }
}
