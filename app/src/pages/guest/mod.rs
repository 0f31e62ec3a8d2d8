//! What several pages show of a guest, and how one is chosen in the address.

mod choice;
mod collector_notice;
mod freshness;
mod none;
mod state_badge;

pub use choice::{ChosenGuest, GuestSelect, named};
pub use collector_notice::CollectorNotice;
pub use freshness::{Freshness, FreshnessBadge};
pub use none::{NoGuests, UnlistedGuests, why_unlisted};
pub use state_badge::StateBadge;
