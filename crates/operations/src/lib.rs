//! What operators can ask for: every use case once, for the page, REST, agents and the command line alike.
//!
//! Use cases know hosts by the port [`Host`] and durable state by the catalog. They know no HTTP, no subcommand and no
//! adapter. Who asks is a [`Caller`]; people get sentences, programs decide by types.

mod accounts;
mod activity;
mod added_hosts;
mod archives;
mod asked;
pub mod audit;
mod blocking;
mod caller;
pub mod catalog_notice;
mod catalog_problem;
mod collector;
mod custody;
mod described;
mod dumps;
mod feed;
mod foreign_import;
mod form;
mod guests;
mod host;
mod host_book;
mod host_care;
mod hosts;
mod hunt_runs;
mod hunts;
mod image_facts;
mod images;
mod inside;
mod last_trigger;
mod notices;
mod notifications;
mod once;
mod operations;
mod overview;
mod reachable;
mod readiness;
mod records;
mod request_name;
mod retention;
mod run;
mod schedules;
mod shared_guests;
mod storage;
mod study;
mod study_places;
mod telemetry;
mod timeline;
mod trends;
mod verifications;
mod within;

pub use accounts::{Accounts, Known, NewSession, NotAdmitted, OpenError, OpenSession, Sessions};
pub use added_hosts::added_hosts;
pub use archives::{ArchiveFiles, ArchiveWriter, Archives, NewArchive};
pub use asked::{agent_noted, asked_from, lacked, noted};
pub use blocking::blocking;
pub use caller::{Caller, beyond_reach, forbidden};
pub use catalog_problem::catalog_problem;
pub use collector::Telemetry;
pub use custody::{Custody, CustodyOf, DumpCustody};
pub use described::Described;
pub use dumps::{Accepted, cancel};
pub use feed::{Feed, Heard, Listener, Position};
pub use form::Form;
pub use host::{
    AddressRange, AskedPages, FiguredImage, GuestList, Held, Host, HostError, HostFacts, HuntWatcher,
    ImageBytes, ImageHost, ImageRef, OpenImage, Origin, PagesForm, ReadImage, ReadPages, Searched,
    SearchedImage, Study, Vouchers,
};
pub use host_book::HostBook;
pub use hosts::{Assignment, Everyone, Hosts, Member, SameName};
pub use images::{Images, unknown as unknown_image};
pub use notices::{Courier, NoticeLimits, NoticePace, Notices, NotifyParts, RaisedNotices, Undelivered};
pub use once::{Once, OpenRequest};
pub use operations::{Operations, Parts};
pub use readiness::{Readiness, ReadinessParts, TryDirectory};
pub use request_name::{answer_named, request_name};
pub use shared_guests::SharedGuests;
pub use telemetry::{Live, run_collector};
pub use verifications::Verifications;
