//! The words memdeck speaks: units, guests, dumps, records, manifests, verdicts and events, in the exact shape in which
//! they cross HTTP, the database, files and the page.
//!
//! This crate compiles to WASM. It does no I/O, knows no clock and starts nothing.

mod activity;
mod actor;
mod calendar;
mod capabilities;
mod capture_mode;
mod causes;
mod day;
mod dump;
mod dump_id;
mod end_reason;
mod event;
mod frozen_pause;
mod guest;
mod host;
mod image;
mod image_facts;
mod influx;
mod inspection;
mod job_state;
mod last_dump;
mod manifest;
mod message;
mod options;
mod overview;
mod problem;
mod readiness;
mod record;
mod record_filter;
mod record_query;
mod secret;
mod segment;
mod sign_in_link;
mod target;
pub mod telemetry;
mod trigger;
mod units;
mod unknown;
mod verdict;
mod waits_for;

pub use activity::{Activity, ActivityKind};
pub use actor::{Actor, ActorError};
pub use calendar::InstantError;
pub use capabilities::Capabilities;
pub use capture_mode::CaptureMode;
pub use causes::with_causes;
pub use day::{Day, ParseDayError};
pub use dump::{DumpPhase, DumpState, DumpStatus, LiveProgress, PauseSource, Progress};
pub use dump_id::{DumpId, ParseDumpIdError};
pub use end_reason::EndReason;
pub use event::{Event, ServiceHealth};
pub use frozen_pause::{FrozenPause, expected_pause, in_round_numbers};
pub use guest::{Guest, GuestName, GuestState, Vm};
pub use host::HostClock;
pub use image::{DeleteRequest, Deletion, Verification, VerificationState, VerifyRequest};
pub use image_facts::ImageFacts;
pub use influx::{ColumnConflict, DiagnosisStep, ForeignImport, InfluxDiagnosis, InfluxVersion};
pub use inspection::{ExportFacts, ExportFormat, Inspection, NoteFacts, ParseFormatError};
pub use job_state::JobState;
pub use last_dump::LastDump;
pub use manifest::{
    CaptureFacts, FrameDigestFacts, FrameFacts, GuestFacts, HypervisorFacts, MANIFEST_VERSION, Manifest,
    OmittedBlock, PageMapFacts, PageTotals,
};
pub use message::Message;
pub use options::{DumpOptions, ModeChoice, ParseRemarkError, Remark};
pub use overview::Overview;
pub use problem::{Problem, ProblemKind};
pub use readiness::{FailedCheck, Readiness, ReadinessCheck};
pub use record::{ForeignRow, Record, Stats};
pub use record_filter::{FilterError, HostName, RecordFilter, RecordState, Said, SearchText};
pub use record_query::{RecordColumn, RecordPage, RecordQuery, RecordSort, SortError, SortOrder};
pub use secret::Secret;
pub use segment::{Segment, SegmentKind};
pub use sign_in_link::SignInLink;
pub use target::{GuestIdentity, Target};
pub use trigger::{
    ALL_GUESTS, CancelReply, CancelRequest, LastTrigger, MAX_TRIGGER_TARGETS, Omitted, OmittedWhy,
    ServiceStatus, TriggerError, TriggerReply, TriggerRequest, VmRef,
};
pub use units::{ByteCount, GuestPhysAddr, Millis, Timestamp};
pub use verdict::{Companion, Finding, FrameSpan, RecordCheck, Sample, Verdict, VerifyReport};
pub use waits_for::WaitsFor;
