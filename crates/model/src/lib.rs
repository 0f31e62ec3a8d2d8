//! The words memdeck speaks: units, guests, dumps, records, manifests, verdicts and events, in the exact shape in which
//! they cross HTTP, the database, files and the page.
//!
//! This crate compiles to WASM. It does no I/O, knows no clock and starts nothing.

mod account;
mod activity;
mod actor;
pub mod archive;
pub mod audit;
mod calendar;
mod capabilities;
mod capture_mode;
mod causes;
mod comparison;
mod comparison_map;
mod day;
mod decimal;
mod dump;
mod dump_id;
mod end_reason;
mod event;
mod finding;
mod frozen_pause;
mod group;
mod guest;
mod hex;
mod histogram;
mod host;
mod host_id;
mod host_state;
mod hunt;
mod hunt_job;
mod image;
mod image_facts;
mod influx;
mod inside;
mod inspection;
mod job_state;
mod last_dump;
mod manifest;
mod message;
mod name_pattern;
mod new_host;
pub mod notice;
mod omitted;
mod on_behalf;
mod options;
mod overview;
mod page_class;
mod problem;
mod reach;
mod readiness;
mod record;
mod record_filter;
mod record_query;
mod request_key;
pub mod retention;
mod rights;
pub mod schedule;
mod schedule_name;
mod secret;
mod segment;
mod sign_in_link;
mod signature;
mod target;
pub mod telemetry;
mod time_stamp;
mod timeline;
mod trends;
mod trigger;
mod units;
mod unknown;
mod verdict;
mod verify_report;
mod waits_for;

pub use account::{
    Account, AccountChange, AccountName, ApiToken, MadeApiToken, Me, NewAccount, NewApiToken,
    ParseAccountNameError, Password, PasswordChange, SessionFacts, WeakPassword,
};
pub use activity::{Activity, ActivityKind};
pub use actor::{Actor, ActorError};
pub use calendar::InstantError;
pub use capabilities::Capabilities;
pub use capture_mode::CaptureMode;
pub use causes::with_causes;
pub use comparison::{
    ChangedPages, ClassChange, ComparedDump, ComparedPage, Comparison, EntropyShift, PageFate, PageFates,
    RegionChange,
};
pub use comparison_map::{
    ComparedBytes, ComparisonMap, DrawnComparison, MapCounts, MapPart, MapView, MappedPage,
};
pub use day::{Day, ParseDayError};
pub use decimal::{Decimal, bounded, decimal};
pub use dump::{DumpPhase, DumpState, DumpStatus, LiveProgress, PauseSource, Progress};
pub use dump_id::{DumpId, ParseDumpIdError};
pub use end_reason::EndReason;
pub use event::{Event, ServiceHealth};
pub use finding::{Finding, FrameSpan};
pub use frozen_pause::{FrozenPause, expected_pause, in_round_numbers};
pub use group::{Group, GroupChange, NewGroup};
pub use guest::{Guest, GuestName, GuestState, Vm};
pub use histogram::Histogram;
pub use host::HostClock;
pub use host_id::{HostId, ParseHostIdError};
pub use host_state::{HostCondition, HostList, HostState};
pub use hunt::{HuntHit, HuntProgress, HuntReport, HuntedDump, HuntedPattern, PatternKind};
pub use hunt_job::{
    FoundHit, Hunt, HuntDetails, HuntDump, HuntHits, HuntId, HuntList, HuntReason, HuntState, HuntTally,
    NewHunt, ParseHuntIdError, Sought,
};
pub use image::{DeleteRequest, Deletion, Verification, VerificationState};
pub use image_facts::ImageFacts;
pub use influx::{ColumnConflict, DiagnosisStep, ForeignImport, InfluxDiagnosis, InfluxVersion};
pub use inside::{
    ComparedReading, GuestConnection, GuestInterface, GuestModule, GuestProcess, GuestSystem, GuestText,
    INSIDE_VERSION, Inside, InsideChanges, InsideComparison, InsideProblem, InsideProblemKind, InsideReading,
    InsideState, InsideTable, KernelLogLine, MOST_CHANGED_ROWS, MOST_OWNERS, MappedMemory, MappedProcess,
    MemoryOwner, MemoryOwners, Missing, MissingWhy, OpenFile, PageRuns, ProcessKind, RowChanges, TreeRow,
    other_readers, process_tree,
};
pub use inspection::{ExportFacts, ExportFormat, Inspection, NoteFacts, ParseFormatError};
pub use job_state::JobState;
pub use last_dump::LastDump;
pub use manifest::{
    CaptureFacts, DIFFERENCE_MANIFEST_VERSION, DifferenceFacts, FrameDigestFacts, FrameFacts, GuestFacts,
    HypervisorFacts, MANIFEST_VERSION, Manifest, OmittedBlock, PageMapFacts, PageTotals,
};
pub use message::Message;
pub use name_pattern::{NamePattern, ParseNamePatternError};
pub use new_host::NewHost;
pub use omitted::{Omitted, OmittedWhy};
pub use on_behalf::OnBehalf;
pub use options::{DumpOptions, ModeChoice, ParseRemarkError, Remark};
pub use overview::Overview;
pub use page_class::PageClass;
pub use problem::{Problem, ProblemKind};
pub use reach::{GuestSelector, GuestSet, ParseGuestSelectorError, Reach, Whose};
pub use readiness::{FailedCheck, Readiness, ReadinessCheck};
pub use record::{ForeignRow, Record, Stats};
pub use record_filter::{FilterError, HostName, RecordFilter, RecordState, Said, SearchText, folded};
pub use record_query::{RecordColumn, RecordPage, RecordQuery, RecordSort, SortError, SortOrder};
pub use request_key::{ParseRequestKeyError, RequestKey};
pub use rights::{
    AGENT_CALLS, DASHBOARD_CALLS, Need, PAGE_CALLS, ParseRoleError, Permission, Rights, Role, Service,
};
pub use secret::{Secret, SentSecret};
pub use segment::{Segment, SegmentKind};
pub use sign_in_link::SignInLink;
pub use signature::{
    HostChainEnd, HostChainPlace, HostKey, HostSigning, KeyId, ParseKeyIdError, RotatedKey, SignatureCheck,
};
pub use target::{GuestIdentity, Target};
pub use time_stamp::TimeStampCheck;
pub use timeline::{GuestTimeline, MemoryChanges, MemoryFigures, ProcessFigures, TimelinePoint};
pub use trends::{
    Bin, Distribution, Durations, Growth, LEAST_DAYS, LEAST_DUMPS, Outlook, PausesByMode, StoredByGuest,
    TrendRange, TrendRangeError, TrendStep, Trends, VolumeForecast,
};
pub use trigger::{
    ALL_GUESTS, CancelReply, LastTrigger, MAX_TRIGGER_TARGETS, ServiceStatus, TriggerError, TriggerReply,
    TriggerRequest, VmRef,
};
pub use units::{ByteCount, GuestPhysAddr, Millis, Timestamp};
pub use verdict::Verdict;
pub use verify_report::{Companion, RecordCheck, Sample, VerifyReport};
pub use waits_for::WaitsFor;
