//! What a job is.

use memdeck_model::{
    Actor, CaptureMode, DumpId, DumpOptions, EndReason, GuestIdentity, JobState, Message, Record, Timestamp,
    VmRef,
};

/// A dump somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Its name from now on.
    pub dump_id: DumpId,
    /// The guest as the request named it, or its name where it was chosen from a list.
    pub vm: VmRef,
    /// Whether `vm` is the text of the request: only then is the dump found again by it.
    pub asked_by_text: bool,
    /// The guest, where the reference is resolved already.
    pub guest: Option<GuestIdentity>,
    /// Who asked.
    pub requested_by: Actor,
    pub queued_at: Timestamp,
    /// How it is to be taken, and what is to be kept with it.
    pub options: DumpOptions,
}

/// A dump at one moment of its life.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its place in the order in which dumps were asked for.
    pub seq: u64,
    pub dump_id: DumpId,
    /// The guest as the request named it, or its name where it was chosen from a list.
    pub vm: VmRef,
    /// The guest, once the reference was resolved.
    pub guest: Option<GuestIdentity>,
    pub state: JobState,
    /// One sentence for people; empty until the job ends.
    pub message: Message,
    /// Why it ended without an image; `None` also if a version that did not note it ended it.
    pub end_reason: Option<EndReason>,
    /// Who asked.
    pub requested_by: Actor,
    /// When it was accepted.
    pub queued_at: Timestamp,
    /// When it left the queue.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it was asked to be taken, and what is to be kept with it.
    pub options: DumpOptions,
    /// How the guest's memory is or was taken, once that is decided.
    pub mode: Option<CaptureMode>,
    /// Why that is another mode than the first choice.
    pub fallback: Option<Message>,
    /// The record of a completed job.
    pub record: Option<Record>,
}

/// What became of a request for a dump.
#[derive(Clone, Debug, PartialEq)]
pub enum Enqueued {
    /// It is queued.
    Accepted(Job),
    /// The guest already has this active job; nothing was added.
    AlreadyActive(Job),
    /// The same was asked for before, under the same key.
    AskedBefore(Job),
}
