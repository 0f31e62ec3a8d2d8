//! A host that is reached over HTTP: a dump service (contract section 1) behind the port [`memdeck_operations::Host`].
//!
//! Any service with the three calls of the contract will do. One that is `memdeck agent` also tells its records and
//! its guests, and keeps its images for others. A service is not trusted: see `checked`.

mod call;
mod call_any;
mod checked;
mod client;
mod dashboard;
mod deletions;
mod dial;
mod follow;
mod host;
mod images;
mod known;
mod notifications;
mod pinned;
mod protocol;
mod records;
mod spread;
mod telemetry;
mod trigger;
mod verifications;

use memdeck_model::Actor;

pub use call::{CallError, DialedBy, Line};
pub use client::{Answer, Face, ServiceAddress, ServiceClient};
pub use dial::{
    Attempt, ByteStream, DashboardClient, Dialed, INSTANCE, Pace, TokenCheck, WebSocketRole, accept_key,
    over_websocket,
};
pub use host::{AgentHost, NearbyGuests};
pub use images::{CHECKED, OMITTED};
pub use pinned::client_config as pinned_tls;
pub use protocol::{
    AUDIT, CollectorChange, DELETIONS_PER_CALL, DeletionFeedPage, GUESTS_WATCHED, HostReport,
    NumberedDeletion, NumberedRecord, NumberedVerification, RECORDS_PER_CALL, RecordFeedPage, VALUES_WAIT,
    VERIFICATIONS_PER_CALL, VerificationFeedPage,
};
pub use trigger::{Asked, refused_options};

/// For whom this dashboard asks a dump service: for `actor`, who asked here.
pub fn passed_on(actor: &Actor) -> Actor {
    actor.by_way_of(&rustix::system::uname().nodename().to_string_lossy())
}
