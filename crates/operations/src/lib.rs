//! What operators can ask for: every use case once, for the page, REST, agents and the command line alike.
//!
//! Use cases know hosts by the port [`Host`] and durable state by the catalog. They know no HTTP, no subcommand and no
//! adapter. Whoever asks is a [`Caller`]; what is told to people are sentences, what is decided by are types.

mod activity;
mod blocking;
mod caller;
pub mod catalog_notice;
mod catalog_problem;
mod collector;
mod dumps;
mod feed;
mod form;
mod guests;
mod host;
mod image_facts;
mod images;
mod last_trigger;
mod operations;
mod overview;
mod readiness;
mod records;
mod run;
mod shared_guests;
mod storage;
mod telemetry;
mod verifications;

pub use blocking::blocking;
pub use caller::Caller;
pub use catalog_problem::catalog_problem;
pub use collector::Telemetry;
pub use dumps::{Accepted, Everyone, cancel};
pub use feed::{Feed, Heard, Listener, Position};
pub use form::Form;
pub use host::{
    AddressRange, GuestList, Held, Host, HostError, ImageBytes, ImageHost, ImageRef, OpenImage, ReadImage,
};
pub use images::{Images, unknown as unknown_image};
pub use operations::{Operations, Parts};
pub use readiness::{Readiness, ReadinessParts, TryDirectory};
pub use shared_guests::SharedGuests;
pub use verifications::Verifications;
