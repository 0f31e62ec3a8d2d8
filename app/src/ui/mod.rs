//! Small accessible components on native elements. They know no routes, no server and nothing of dumps.

mod announcer;
mod button;
mod card;
mod clipboard;
mod copy_button;
mod dialog;
mod empty_state;
mod failure;
mod icon;
mod moment;
mod skeleton;
mod toast;
mod unknown;

pub use announcer::{Announcements, Announcer};
pub use button::{Button, ButtonKind};
pub use card::Card;
pub use copy_button::CopyButton;
pub use dialog::Dialog;
pub use empty_state::EmptyState;
pub use failure::Failure;
pub use icon::{Icon, IconView};
pub use moment::{Instant, Moment};
pub use skeleton::Skeleton;
pub use toast::{ToastKind, ToastRegion, Toaster};
pub use unknown::Unknown;
