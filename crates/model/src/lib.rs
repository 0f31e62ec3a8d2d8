//! The words memdeck speaks: units, guests, dumps, records and events, in the exact shape in which they cross HTTP,
//! the database and the page.
//!
//! This crate compiles to WASM. It does no I/O, knows no clock and starts nothing.

mod dump;
mod event;
mod guest;
mod image;
mod options;
mod problem;
mod record;
mod trigger;
mod units;

pub use dump::{
    CaptureMode, DumpId, DumpState, DumpStatus, JobState, LiveProgress, ParseDumpIdError, Progress,
};
pub use event::{Event, ServiceHealth};
pub use guest::{Guest, GuestName, GuestState, Vm};
pub use image::{DeleteRequest, Deletion, Verification, VerificationState};
pub use options::{DumpOptions, ModeChoice, ParseRemarkError, Remark};
pub use problem::{Problem, ProblemKind};
pub use record::{Record, RecordPage, RecordQuery, Stats};
pub use trigger::{
    ALL_GUESTS, CancelReply, LastTrigger, MAX_TRIGGER_TARGETS, ServiceStatus, TriggerError, TriggerReply,
    TriggerRequest, VmRef,
};
pub use units::{ByteCount, GuestPhysAddr, Millis, Timestamp};
