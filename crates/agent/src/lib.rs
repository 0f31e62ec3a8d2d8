//! A host that is reached over HTTP: a dump service (contract section 1) behind the port [`memdeck_operations::Host`].
//!
//! Any service with the three calls of the contract will do. One that is `memdeck agent` also tells its records and
//! its guests, and keeps its images for whoever asks. A service is not believed: see `checked.rs`.

mod checked;
mod client;
mod deletions;
mod host;
mod images;
mod known;
mod pinned;
mod protocol;
mod records;

use memdeck_model::Actor;

pub use client::{Answer, Asked, CallError, Face, ServiceAddress, ServiceClient, refused_options};
pub use host::{AgentHost, NearbyGuests};
pub use images::{CHECKED, OMITTED};
pub use pinned::client_config as pinned_tls;
pub use protocol::{
    DELETIONS_PER_CALL, DeletionFeedPage, NumberedDeletion, NumberedRecord, RECORDS_PER_CALL, RecordFeedPage,
};

/// For whom this dashboard asks a dump service: for `actor`, who asked here.
pub fn passed_on(actor: &Actor) -> Actor {
    actor.by_way_of(&rustix::system::uname().nodename().to_string_lossy())
}
