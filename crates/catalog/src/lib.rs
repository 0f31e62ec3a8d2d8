//! Durable state in `SQLite`: jobs, intents, records, the outbox and settings of one state directory.
//!
//! The catalog is the one place that lists and counts dumps. Everything here blocks: callers run it off the
//! asynchronous runtime. A call is one transaction; when it has returned, its effect survives a power failure.
//!
//! It does not take dumps, does not know a clock (callers pass the instants) and talks to no network.
//!
//! ```text
//!            enqueue        start_next           complete ──► record + outbox row, in the same transaction
//! (asked) ──────────► queued ────────► running ─────────► completed
//!                       │                 ├──── end, recover ──► failed
//!                       └──── end ────────┴──── end ───────────► cancelled
//! ```
//!
//! What a dump does to its guest has a life of its own: see [`Intent`].

mod accounts;
mod archives;
mod audit;
mod backup;
mod bases;
mod catalog;
mod check;
mod column;
mod counted;
mod custody;
mod deletion;
mod deliveries;
mod error;
mod figures;
mod foreign;
mod frozen_pause;
mod groups;
mod guest_uuids;
mod holds;
mod hunts;
mod import;
mod intent;
mod job;
mod jobs;
mod kept_images;
mod last_dumps;
mod listing;
mod lock;
mod memo;
mod notice_targets;
mod outbox;
mod pruned;
mod rebuild;
mod record;
mod record_row;
mod remote;
mod requests;
mod reserve;
mod restore;
mod row_digest;
mod same_dump;
mod schedules;
mod schema;
mod settings;
mod transfer;
mod trends;
mod verifications;
mod verified;
mod volume;
mod within;

pub use accounts::{AccountRow, Person, SecretDigest, SessionOf, SessionRow};
pub use archives::ArchiveCandidate;
pub use audit::{AuditBeside, asked_from};
pub use backup::Backup;
pub use catalog::Catalog;
pub use counted::ModeFigures;
pub use deletion::OwnedRecord;
pub use deliveries::{DueDelivery, Raised};
pub use error::CatalogError;
pub use figures::DumpFigures;
pub use foreign::ForeignImported;
pub use groups::GroupRow;
pub use hunts::{AddedHunt, HuntChanged, HuntEnd, KeptHit, SearchedDump, StartedHunt};
pub use intent::Intent;
pub use job::{Enqueued, Job, NewJob};
pub use listing::Place;
pub use lock::{LockError, LockHolder, LockRole, StateLock, holder_of};
pub use memdeck_model::GuestIdentity;
pub use outbox::OutboxEntry;
pub use rebuild::Adopted;
pub use remote::RemoteDump;
pub use requests::Claim;
pub use reserve::{ROOM_OF_RESERVE, VolumeError};
pub use restore::Restoration;
pub use row_digest::AlteredRow;
pub use schedules::{DumpedGuest, OpenRun, StoredSchedule};
pub use transfer::{BackupFacts, BackupOrigin};
pub use trends::DumpTrends;
pub use verifications::{BadVerification, LongestUnverified};
pub use verified::VerificationFigures;
