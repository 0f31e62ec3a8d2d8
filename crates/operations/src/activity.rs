//! What happened to dumps lately, from what is durable: for pages that were closed when it happened.
//!
//! Own dumps are jobs of the catalog. Of a remote dump service the present states are asked; the catalog remembers those that
//! it reported before, and how one ended that it has forgotten; the imported records show what else it completed.
//! Damaged images are those that their newest verifications found.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memdeck_catalog::{BadVerification, Job, RemoteDump};
use memdeck_model::{
    Activity, ActivityKind, Actor, CaptureMode, DumpId, DumpStatus, EndReason, JobState, Message, Millis,
    Problem, Record, Timestamp, VerificationState,
};

use crate::notices::found_in;
use crate::{Caller, Operations, blocking, catalog_problem};

/// As many lines as the log has.
const LINES: u32 = 20;
/// Dumps of each kind that are looked at for somebody who does not see all: what is older is not told to them.
const MOST_LOOKED_AT: u32 = 1000;

impl Operations {
    /// The last things that happened to dumps of guests that the caller may see, newest first. If a remote service is away, what
    /// is known without it.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn list_activity(&self, caller: &Caller) -> Result<Vec<Activity>, Problem> {
        let catalog = Arc::clone(&self.catalog);
        let looked_at = if caller.reach.is_limited() { MOST_LOOKED_AT } else { LINES };
        let read = move || {
            let (jobs, imported) = (catalog.latest_jobs(looked_at)?, catalog.latest_imported(looked_at)?);
            let bad = catalog.bad_verifications(looked_at)?;
            Ok((jobs, catalog.latest_remote(looked_at)?, imported, bad))
        };
        let (mut jobs, mut remote, mut imported, bad) =
            blocking(read).await.map_err(|error| catalog_problem(&error))?;
        jobs.retain(|job| self.sees_job(job, caller));
        remote.retain(|dump| caller.sees_dump(&dump.status, &self.hosts));
        imported.retain(|record| caller.sees_record(record));
        let bad = self.seen_bad(bad, caller).await;
        // Of the local service they are the same jobs.
        let statuses = self.dump_statuses(caller).await.unwrap_or_default();
        let lines = newest(&jobs, statuses.values(), &remote, &imported, &bad);
        let own: BTreeSet<&DumpId> = jobs.iter().map(|job| &job.dump_id).collect();
        Ok(lines.into_iter().map(|line| self.with_host(line, &own)).collect())
    }

    /// Of images found damaged, those that the caller may see.
    async fn seen_bad(&self, bad: Vec<BadVerification>, caller: &Caller) -> Vec<BadVerification> {
        let mut seen = Vec::new();
        for found in bad {
            if self.sees_image_of(&found.verification.dump_id, caller).await {
                seen.push(found);
            }
        }
        seen
    }
}

impl Operations {
    /// Whether the caller may see a dump of this machine.
    fn sees_job(&self, job: &Job, caller: &Caller) -> bool {
        let guest = job.guest.as_ref();
        let name = guest.map(|guest| guest.name.0.as_str());
        let here = self.hosts.members().find(|member| member.is_here());
        caller.sees(
            &self.hosts,
            here.as_ref().map(|here| here.name()),
            name,
            guest.map(|guest| guest.uuid.as_str()),
        )
    }

    /// A line with the host of its dump, where there are several hosts and it is known.
    fn with_host(&self, line: Activity, own: &BTreeSet<&DumpId>) -> Activity {
        if !self.hosts.are_many() {
            return line;
        }
        let here = || self.hosts.members().find(|member| member.is_here());
        let host = line.dump_id.as_ref().and_then(|dump_id| {
            let owner = if own.contains(dump_id) { here() } else { self.hosts.owner(dump_id) };
            owner.map(|member| member.name().clone())
        });
        Activity { host, ..line }
    }
}

/// Puts together what is known from the four sides, each dump from the first that knows it.
fn newest<'a>(
    jobs: &'a [Job],
    statuses: impl Iterator<Item = &'a DumpStatus>,
    remote: &'a [RemoteDump],
    imported: &'a [Record],
    bad: &'a [BadVerification],
) -> Vec<Activity> {
    let mut known: BTreeSet<&DumpId> = BTreeSet::new();
    let asked_by: BTreeMap<&DumpId, &Actor> =
        remote.iter().filter_map(|dump| Some((&dump.status.dump_id, dump.requested_by.as_ref()?))).collect();
    let mut lines = Vec::new();
    for job in jobs {
        known.insert(&job.dump_id);
        lines.extend(History::of_job(job).lines());
    }
    for status in statuses {
        if known.insert(&status.dump_id) {
            let by = asked_by.get(&status.dump_id).copied();
            lines.extend(History { by, ..History::of_status(status) }.lines());
        }
    }
    for dump in remote {
        if known.insert(&dump.status.dump_id) {
            lines.extend(History::of_remote(dump).lines());
        }
    }
    for record in imported {
        if record.dump_id.as_ref().is_none_or(|dump_id| known.insert(dump_id)) {
            lines.push(end_of(record));
        }
    }
    lines.extend(bad.iter().filter_map(finding_of));
    // What happened in the same instant happened in the order of the kinds.
    lines.sort_by_key(|line| Reverse((line.at, line.kind)));
    lines.truncate(usize::try_from(LINES).unwrap_or(usize::MAX));
    lines
}

/// A dump's life as far as it is known.
struct History<'a> {
    dump_id: &'a DumpId,
    guest: &'a str,
    by: Option<&'a Actor>,
    state: JobState,
    message: &'a Message,
    record: Option<&'a Record>,
    end_reason: Option<&'a EndReason>,
    mode: Option<CaptureMode>,
    fallback: Option<&'a Message>,
    queued_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl<'a> History<'a> {
    fn of_job(job: &'a Job) -> Self {
        Self {
            dump_id: &job.dump_id,
            guest: job.guest.as_ref().map_or(job.vm.as_str(), |guest| &guest.name.0),
            by: Some(&job.requested_by),
            state: job.state,
            message: &job.message,
            record: job.record.as_ref(),
            end_reason: job.end_reason.as_ref(),
            mode: job.mode,
            fallback: job.fallback.as_ref(),
            queued_at: Some(job.queued_at),
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }

    fn of_status(status: &'a DumpStatus) -> Self {
        Self {
            dump_id: &status.dump_id,
            guest: status.display_name(),
            by: None,
            state: status.exact_state(),
            message: &status.message,
            record: status.record.as_deref(),
            end_reason: status.end_reason.as_ref(),
            mode: status.mode,
            fallback: status.fallback.as_ref(),
            queued_at: status.queued_at,
            started_at: status.started_at,
            finished_at: status.finished_at,
        }
    }

    fn of_remote(dump: &'a RemoteDump) -> Self {
        let is_final = dump.status.exact_state().is_final();
        Self {
            by: dump.requested_by.as_ref(),
            finished_at: dump.status.finished_at.or_else(|| is_final.then_some(dump.changed_at)),
            ..Self::of_status(&dump.status)
        }
    }

    fn lines(&self) -> impl Iterator<Item = Activity> {
        let queued = self.queued_at.map(|at| self.line(at, ActivityKind::Queued, Message::default()));
        let started = self.started_at.map(|at| match self.fallback {
            Some(reason) => self.line(at, ActivityKind::Fallback, reason.clone()),
            None => self.line(at, ActivityKind::Started, Message::default()),
        });
        let ended = self.finished_at.and_then(|at| {
            let kind = match self.state {
                JobState::Completed => ActivityKind::Completed,
                JobState::Failed => ActivityKind::Failed,
                JobState::Cancelled => ActivityKind::Cancelled,
                JobState::Queued | JobState::Running => return None,
            };
            let result = self.record.filter(|_| kind == ActivityKind::Completed).map(result_of);
            let detail = result.unwrap_or_else(|| self.message.clone());
            Some(Activity { end_reason: self.end_reason.cloned(), ..self.line(at, kind, detail) })
        });
        [queued, started, ended].into_iter().flatten()
    }

    fn line(&self, at: Timestamp, kind: ActivityKind, detail: Message) -> Activity {
        let tells_mode = matches!(kind, ActivityKind::Started | ActivityKind::Fallback);
        Activity {
            at,
            kind,
            dump_id: Some(self.dump_id.clone()),
            host: None,
            guest: self.guest.to_owned(),
            by: self.by.filter(|_| kind == ActivityKind::Queued).cloned(),
            mode: self.mode.filter(|_| tells_mode),
            detail,
            end_reason: None,
        }
    }
}

/// How the dump of a record that another service made ended.
fn end_of(record: &Record) -> Activity {
    Activity {
        at: record.duration_sec.map_or(record.timestamp, |seconds| record.timestamp.plus(millis(seconds))),
        kind: if record.ok { ActivityKind::Completed } else { ActivityKind::Failed },
        dump_id: record.dump_id.clone(),
        host: None,
        guest: record.dom.0.clone(),
        by: None,
        mode: None,
        detail: result_of(record),
        end_reason: None,
    }
}

/// What a verification found.
fn finding_of(bad: &BadVerification) -> Option<Activity> {
    let BadVerification { guest, verification } = bad;
    let kind = match verification.state {
        VerificationState::Failed => ActivityKind::Unreadable,
        _ => ActivityKind::Damaged,
    };
    Some(Activity {
        at: verification.finished_at?,
        kind,
        dump_id: Some(verification.dump_id.clone()),
        host: None,
        guest: guest.0.clone(),
        by: None,
        mode: None,
        detail: found_in(verification),
        end_reason: None,
    })
}

/// What a dump brought, and what it cost its guest.
fn result_of(record: &Record) -> Message {
    let stored = record.gzip_size_bytes.map(|size| match record.raw_size_bytes {
        Some(raw) => format!("{raw} stored as {size}"),
        None => format!("{size} stored"),
    });
    let pause = record.pause_ms.map(|pause| format!("the guest was stopped for {pause}"));
    let rebuilt = record.rebuilt_at.map(|_| "its record was made anew from its manifest".to_owned());
    [stored, pause, rebuilt].into_iter().flatten().collect::<Vec<_>>().join("; ").into()
}

fn millis(seconds: f64) -> Millis {
    std::time::Duration::try_from_secs_f64(seconds).map_or(Millis(0), Millis::from)
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestName, Verification};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

    fn status(fields: serde_json::Value) -> DumpStatus {
        let mut status =
            serde_json::json!({"dump_id": "a", "vm": "web-01", "state": "running", "progress": 0.0});
        let serde_json::Value::Object(fields) = fields else { panic!("fields are an object") };
        status.as_object_mut().unwrap().extend(fields);
        serde_json::from_value(status).unwrap()
    }

    fn told(statuses: &[DumpStatus], imported: &[Record]) -> Vec<(i64, ActivityKind, String)> {
        newest(&[], statuses.iter(), &[], imported, &[])
            .into_iter()
            .map(|line| (line.at.unix_seconds(), line.kind, line.detail.to_string()))
            .collect()
    }

    #[test]
    fn a_dump_is_told_from_its_request_to_its_end_newest_first() {
        let failed = status(serde_json::json!({
            "state": "failed", "message": "the guest is gone",
            "queued_at": at(1), "started_at": at(2), "finished_at": at(3),
        }));
        let lines = told(&[failed], &[]);
        assert_eq!(
            lines,
            [
                (3, ActivityKind::Failed, "the guest is gone".to_owned()),
                (2, ActivityKind::Started, String::new()),
                (1, ActivityKind::Queued, String::new()),
            ]
        );
    }

    #[test]
    fn another_mode_than_the_first_choice_is_told_with_its_reason() {
        let frozen = status(serde_json::json!({
            "queued_at": at(1), "started_at": at(1), "mode": "frozen", "fallback": "the guest is paused",
        }));
        let lines = told(&[frozen], &[]);
        assert_eq!(
            lines,
            [
                (1, ActivityKind::Fallback, "the guest is paused".to_owned()),
                (1, ActivityKind::Queued, String::new())
            ]
        );
    }

    #[test]
    fn a_record_tells_the_end_of_a_dump_of_which_nothing_else_is_known() {
        let record = |dump_id: &str| Record {
            dump_id: Some(dump_id.parse().unwrap()),
            duration_sec: Some(2.5),
            ..Record::unknown(GuestName("web-01".into()), "1".into(), at(10))
        };
        let running = status(serde_json::json!({"started_at": at(10)}));
        let lines = told(&[running], &[record("a"), record("b")]);
        assert_eq!(
            lines,
            [(12, ActivityKind::Completed, String::new()), (10, ActivityKind::Started, String::new())]
        );
    }

    #[test]
    fn a_damaged_image_is_told_with_what_is_wrong() {
        let bad = |dump_id: &str, second, state, error: Option<&str>| BadVerification {
            guest: GuestName("web-01".into()),
            verification: Verification {
                state,
                finished_at: Some(at(second)),
                findings: vec!["frame 7 is damaged".into()],
                error: error.map(Into::into),
                ..Verification::none(dump_id.parse().unwrap())
            },
        };
        let bad = [
            bad("a", 5, VerificationState::Finished, None),
            bad("b", 6, VerificationState::Failed, Some("the file is gone")),
        ];
        let lines = newest(&[], [].iter(), &[], &[], &bad);
        let told: Vec<_> = lines.iter().map(|line| (line.kind, line.detail.to_string())).collect();
        assert_eq!(
            told,
            [
                (ActivityKind::Unreadable, "the file is gone".to_owned()),
                (ActivityKind::Damaged, "frame 7 is damaged".to_owned())
            ]
        );
    }
}
