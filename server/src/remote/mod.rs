//! A dump service over HTTP (contract section 1), behind the same port as the local engine.
//!
//! Any service with the three calls of the contract will do. One that is `memdeck agent` also tells its records and
//! its guests.

mod backend;
mod checked;
mod client;
mod deletions;
mod images;
mod known;
mod pinned;
mod records;

use memdeck_model::Actor;

pub use backend::RemoteBackend;
pub use client::{
    Answer, Asked, CallError, DELETIONS_PER_CALL, DeletionFeedPage, Face, NumberedDeletion, NumberedRecord,
    RECORDS_PER_CALL, RecordFeedPage, ServiceClient, refused_options,
};
pub use images::{CHECKED, OMITTED};
pub use pinned::client_config as pinned_tls;

/// For whom this dashboard asks a dump service: for `actor`, who asked here.
pub fn passed_on(actor: &Actor) -> Actor {
    actor.by_way_of(&rustix::system::uname().nodename().to_string_lossy())
}
